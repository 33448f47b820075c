"""A piece in seconds, and how loud it is."""

import math

import numpy as np
from symusic.core import KeySignatureTick, TempoTick
from video.pieces import RATE, band, line

from etude.video.scene import STEPS, energy_of, scene_of


def test_notes_bars_and_chords_lie_in_seconds() -> None:
    score = band()
    score.tempos.append(TempoTick(96, 60))  # the second bar takes twice as long
    scene = scene_of(score)
    assert scene.bars.tolist() == [0, 2, 6] and scene.end == 6
    assert [(chord.start, chord.end, chord.name) for chord in scene.chords] == [(0, 2, "C"), (2, 6, "G7")]
    assert np.all(np.diff(scene.notes.onset) >= 0) and len(scene.notes) == score.note_num()
    assert scene.tracks == ["Piano", "Bass", "Drums"] and scene.drums == [False, False, True]
    bass = scene.notes.track == 1
    assert scene.notes.degree[bass].tolist() == [0, 7] and scene.keys == [(0, "C major")]
    assert set(scene.degrees) == {0, 2, 4, 5, 7, 11}


def test_degrees_follow_the_key_that_holds() -> None:
    score = line(62, 62)
    for time, sharps in ((0, -1), (24, 2)):
        score.key_signatures.append(KeySignatureTick(time, sharps, 0))
    assert scene_of(score).notes.degree.tolist() == [9, 0]


def test_the_shortest_note_is_seen() -> None:
    score = line(60)
    score.tracks[0].notes[0].duration = 0
    assert scene_of(score).notes.end[0] > 0.03


def test_loudness_is_in_decibels_between_soft_and_loud() -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    for level, expected in ((-18, 0.75), (-68, 0), (8, 1)):
        found = energy_of(np.stack([wave, wave]) * 10 ** ((level + 3.01) / 20), RATE)
        assert len(found) == STEPS and math.isclose(found[STEPS // 2], expected, abs_tol=0.01)
    assert energy_of(np.zeros((2, 0), np.float32), RATE).tolist() == []
