"""The sound of a part: what it needs is rendered and no more, and it is where it is in the whole piece."""

import numpy as np
import pytest
from conftest import smoke
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick
from video.pieces import band, line

from etude.audio.render import render
from etude.video import sound
from etude.video.sound import AFTER, BEFORE, end_of_notes, end_of_sound, part_of, sound_of

MIX = smoke().mix


def test_a_whole_piece_sounds_as_ever() -> None:
    found = sound_of(band(), MIX)
    assert found.since == 0 and np.array_equal(found.audio, render(band(), MIX).mix)
    assert found.end == pytest.approx(end_of_sound(band(), MIX), abs=1e-3)
    assert np.array_equal(sound_of(band(), MIX, 1.0, 2.0).audio, found.audio), "all of it is near the part"


def test_only_what_a_part_needs_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    score = line(*[60] * 12_000)  # 100 minutes
    assert end_of_notes(score) == 6000
    asked: list[ScoreTick] = []

    def keep(score: ScoreTick, mix: object) -> object:
        asked.append(score)
        return render(score, MIX)

    monkeypatch.setattr(sound, "render", keep)
    found = sound_of(score, MIX, 3000.5, 5.0)
    assert found.since == 3000.5 - BEFORE - 0.5 and found.end < 3000.5 + 5 + AFTER + 10
    assert sum(one.note_num() for one in asked) < 100


def test_a_part_is_where_it_is_in_the_piece() -> None:
    score = line(60)
    score.tracks[0].notes[0].velocity = 1
    score.tempos = type(score.tempos)([TempoTick(0, 90), TempoTick(480, 150)])
    score.tracks[0].notes.append(NoteTick(2400, 24, 84, 120))  # after 20 quarter notes at 90 and 80 at 150
    at = 20 * 60 / 90 + 80 * 60 / 150
    whole, part = sound_of(score, MIX), sound_of(score, MIX, at - 1, 2.0)
    assert part.since > 20
    for found in (whole, part):
        from_there = found.audio[:, round((at - 2 - found.since) * found.rate) :]
        first = int(np.flatnonzero(np.abs(from_there).max(axis=0) > 0.001)[0]) / found.rate + at - 2
        assert first == pytest.approx(at, abs=0.015)


def test_a_note_that_is_held_sounds_and_tracks_stay() -> None:
    score = line(60, 62)
    score.tracks[0].program = 19  # an organ
    score.tracks[0].notes[0].duration = 24 * 200  # 100 seconds
    silent, drums = TrackTick("", 5), TrackTick("Drums", 0, True)
    drums.notes.append(NoteTick(24 * 120, 24, 36, 80))
    score.tracks = type(score.tracks)([silent, *score.tracks, drums])
    part = part_of(score, 50, 70)
    assert [(track.name, track.program, track.is_drum) for track in part.tracks] == [
        ("Track 1", 5, False), ("Flute", 19, False), ("Drums", 0, True),
    ]  # fmt: skip
    spans = [(note.time / 48000, note.duration / 48000) for track in part.tracks for note in track.notes]
    assert spans == [(0, 20), (10, 0.5)]
    found = sound_of(score, MIX, 70.0, 4.0)
    middle = found.audio[:, round((71 - found.since) * found.rate) :][:, : found.rate]
    assert found.since == 60 and np.abs(middle).max() > 0.02


def test_a_part_without_notes_is_silent() -> None:
    score = line(60, 62)
    score.tracks[0].notes[1].time = 24 * 400
    found = sound_of(score, MIX, 100.0, 5.0)
    assert not found.audio.any() and found.since <= 100 and found.end >= 105
