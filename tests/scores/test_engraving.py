"""Pieces as scores: MusicXML that reads back, spelled in its key, and pictures."""

import hashlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from conftest import ROOT, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TextMetaTick, TrackTick

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.engraving import key_of, musicxml, picture, spell, tonic_of
from etude.scores.readers import read

READING = Reading(None, True, 80, True, 24, None, None)


def notes(score: ScoreTick) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for track in score.tracks for note in track.notes)


def test_musicxml_reads_back(tmp_path: Path) -> None:
    piece = make_piece(2)
    piece.key_signatures.append(KeySignatureTick(0, -3, 0))
    text = musicxml(piece, "A & B")
    (tmp_path / "piece.musicxml").write_text(text)
    back, _ = read(tmp_path / "piece.musicxml", None, READING)
    assert notes(back) == notes(piece)
    assert [(sign.numerator, sign.denominator) for sign in back.time_signatures] == [(4, 4)]
    assert (back.key_signatures[0].key, back.key_signatures[0].tonality) == (-3, 0)
    tree = ET.fromstring(text.partition("?>")[2].partition(">")[2])
    assert [part.text for part in tree.iter("part-name")] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert tree.findtext("movement-title") == "A & B" and not list(tree.iter("transpose"))
    clefs = [part.find("measure/attributes/clef/sign") for part in tree.iter("part")]
    assert [clef.text for clef in clefs if clef is not None] == ["G", "G", "G", "F"]


def test_chord_symbols_read_back(tmp_path: Path) -> None:
    piece = make_piece(2)
    for time, text in ((0, "Bbm7"), (24, "F#dim/C"), (48, "N"), (72, "no chord"), (84, ""), (90, "C69")):
        piece.markers.append(TextMetaTick(time, f"chord:{text}"))
    (tmp_path / "piece.musicxml").write_text(musicxml(piece, "A"))
    back, info = read(tmp_path / "piece.musicxml", None, READING)
    assert notes(back) == notes(piece) and info["chord_symbols"] == 3
    found = [(marker.time, marker.text) for marker in back.markers]
    assert found == [(0, "chord:Bbm7"), (24, "chord:F#dim/C"), (48, "chord:N")]


def test_rests_and_triplets_are_kept_and_the_last_bar_is_filled(tmp_path: Path) -> None:
    piece = ScoreTick(96)
    for shift in (0, -12):
        piece.tracks.append(TrackTick(f"voice {shift}"))
        for time, length, pitch in ((96, 32, 70), (128, 32, 72), (160, 32, 74), (384, 24, 65)):
            piece.tracks[-1].notes.append(NoteTick(time, length, pitch + shift, 80))
    (tmp_path / "piece.musicxml").write_text(musicxml(piece, "x"))
    back, _ = read(tmp_path / "piece.musicxml", None, READING)
    assert [(time * 4, length * 4, pitch) for time, length, pitch in notes(back)] == notes(piece)
    empty = ScoreTick(24)
    empty.tracks.append(TrackTick("silent"))
    assert "<rest" in musicxml(empty, "nothing")


def test_the_same_piece_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests'); from conftest import make_piece;"
        "from etude.scores.engraving import musicxml, picture; import hashlib;"
        "text = musicxml(make_piece(1), 'x'); print(hashlib.sha256((text + picture(text)).encode()).hexdigest())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"  # other than here, where it is random if not set
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
        env={"PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": seed},
    ).stdout  # fmt: skip
    text = musicxml(make_piece(1), "x")
    assert other.strip() == hashlib.sha256((text + picture(text)).encode()).hexdigest()


def test_a_picture_is_one_page_of_all_bars() -> None:
    svg = picture(musicxml(make_piece(1, 80), "x"))
    assert svg.index('fill="white"') < svg.index("<path"), "notes on white, also where the page around is dark"
    assert svg.lstrip().startswith("<svg") and svg.count('class="measure"') == 20
    assert "Soprano" in svg
    with pytest.raises(EtudeError, match="cannot be engraved"):
        picture("nonsense")


def test_pitches_are_spelled_in_their_key() -> None:
    names = [spell(pitch, 0, False) for pitch in range(60, 72)]
    assert names == [(name, 4) for name in ("C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B")]
    assert [spell(pitch, sharps, True)[0] for pitch, sharps in ((68, 0), (66, 1), (63, 1))] == ["G#", "F#", "D#"]
    assert [spell(59, -5, False), spell(60, 6, False), spell(59, -6, False)] == [("C-", 4), ("B#", 3), ("C-", 4)]
    assert [tonic_of(sharps, 0) for sharps in (-2, 0, 3)] == ["B-", "C", "A"]
    assert [tonic_of(sharps, 1) for sharps in (-2, 0, 4)] == ["G", "A", "C#"]


@hypothesis(deadline=None, max_examples=60)
@given(st.integers(12, 115), st.integers(-7, 7), st.booleans())
def test_a_spelled_pitch_sounds_the_same(pitch: int, sharps: int, minor: bool) -> None:
    from music21.pitch import Pitch

    name, octave = spell(pitch, sharps, minor)
    assert Pitch(name, octave=octave).midi == pitch


def test_the_key_is_the_stated_one_or_the_one_that_fits() -> None:
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick("x"))
    for place, pitch in enumerate((67, 69, 71, 72, 74, 76, 78, 79)):
        piece.tracks[0].notes.append(NoteTick(24 * place, 24, pitch, 80))
    assert key_of(piece) == (1, 0)
    piece.key_signatures.append(KeySignatureTick(0, 0, 0))
    assert key_of(piece) == (1, 0)
    piece.key_signatures[0].key = 2
    assert key_of(piece) == (2, 0)
    assert key_of(ScoreTick(24)) == (0, 0)
