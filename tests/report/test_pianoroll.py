"""Piano rolls: times, pictures with the same bytes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.report.pianoroll import VOICES, picture, pitch_name, roll


def piece(*notes: tuple[int, int, int], signatures: tuple[tuple[int, int, int], ...] = ()) -> ScoreTick:
    """One track of notes (onset, duration, pitch), with time signatures (tick, numerator, denominator)."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 60))
    for signature in signatures:
        score.time_signatures.append(TimeSignatureTick(*signature))
    track = TrackTick("Soprano", 68)
    for note in notes:
        track.notes.append(NoteTick(*note, 90))
    score.tracks.append(track)
    return score


def test_roll_in_milliseconds_under_changing_tempo() -> None:
    score = piece((0, 24, 60), (24, 48, 64), (72, 24, 67))
    score.tempos.append(TempoTick(48, 120))
    shown = roll(score)
    assert shown["tracks"] == [{"name": "Soprano", "notes": [[0, 1000, 60], [1000, 1500, 64], [2500, 500, 67]]}]
    assert shown["bars"] == [0, 3000] and shown["end"] == 3000 and (shown["low"], shown["high"]) == (60, 67)


def test_roll_is_cut_where_the_sound_is() -> None:
    shown = roll(piece((0, 24, 60), (24, 48, 64), (72, 24, 67)), seconds=2)
    assert shown["tracks"][0]["notes"] == [[0, 1000, 60], [1000, 1000, 64]]
    assert shown["end"] == 2000 and shown["bars"] == [0]
    assert roll(ScoreTick(24))["tracks"] == [] and roll(ScoreTick(24))["end"] == 0


def test_pitch_names() -> None:
    assert [pitch_name(pitch) for pitch in (60, 61, 69, 0)] == ["C4", "C♯4", "A4", "C-1"]


def test_picture_shows_each_voice_and_repeats_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = piece((0, 96, 60), (96, 96, 62))
    bass = TrackTick("Bass", 70)
    bass.notes.append(NoteTick(0, 192, 48, 90))
    score.tracks.append(bass)
    picture(score, tmp_path / "a.png", "A title")
    with monkeypatch.context() as patch:
        import matplotlib

        patch.setitem(matplotlib.rcParams, "lines.linewidth", 9)
        patch.setitem(matplotlib.rcParams, "font.size", 30)
        picture(score, tmp_path / "b.png", "A title")
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes() and b"Software" not in content
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=int).reshape(-1, 3)
    for colour in VOICES[:2]:
        wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
        assert (np.abs(pixels - wanted).sum(axis=1) < 60).sum() > 500, colour
    picture(score, tmp_path / "c.png", "Another")
    assert (tmp_path / "c.png").read_bytes() != content


def test_picture_of_an_empty_piece(tmp_path: Path) -> None:
    picture(ScoreTick(24), tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size[0] > 100
