"""Comparing melodies."""

import itertools
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

from etude.metrics.melody import intervals, melody, similarities, similarity

TUNE = [60, 62, 64, 60, 67, 65, 64, 62, 64, 65, 67, 69, 71, 72, 67, 64, 65, 62, 60, 60, 67, 69, 67, 65]


def line(pitches: list[int], lengths: list[int] | None = None) -> Score:
    score, track, onset = Score(24), Track("Soprano", 0, False), 0
    for pitch, length in zip(pitches, lengths or [24] * len(pitches), strict=True):
        track.notes.append(Note(onset, length, pitch, 80))
        onset += length
    score.tracks.append(track)
    return score


def test_intervals_take_the_highest_note_of_an_onset() -> None:
    score = line([60, 62, 59])
    score.tracks[0].notes.append(Note(24, 24, 55, 80))
    assert intervals(score) == [2, -3]
    assert intervals(line([])) == intervals(line([60])) == []


def test_weights_are_lengths_up_to_a_quarter() -> None:
    assert melody(line([60, 62, 64], [12, 24, 96])).tolist() == [[60, 12], [62, 24], [64, 24]]
    assert melody(line([])).shape == (0, 2)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(55, 79), min_size=1, max_size=40), st.integers(-20, 20))
def test_a_transposed_melody_is_the_same(pitches: list[int], semitones: int) -> None:
    one, other = melody(line(pitches)), melody(line([pitch + semitones for pitch in pitches]))
    assert similarity(one, other) == 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.tuples(st.integers(55, 79), st.sampled_from([6, 12, 24])), max_size=20), min_size=3))
def test_the_matrix_is_symmetric_and_agrees_with_the_pairs(tunes: list[list[tuple[int, int]]]) -> None:
    melodies = [melody(line([p for p, _ in tune], [d for _, d in tune])) for tune in tunes]
    matrix = similarities(melodies)
    assert np.array_equal(matrix, matrix.T) and matrix.min() >= 0 and matrix.max() <= 1
    for one, other in itertools.permutations(range(len(tunes)), 2):
        if len(tunes[one]) > len(tunes[other]):  # the matrix compares the longer with the shorter
            assert matrix[one, other] == similarity(melodies[one], melodies[other])


def test_variants_of_a_tune_are_alike_and_other_tunes_are_not() -> None:
    tune = melody(line(TUNE))
    passing = [pitch for pitch in TUNE for pitch in (pitch, pitch + 2)]
    assert similarity(tune, melody(line(passing, [18, 6] * len(TUNE)))) > 0.6
    assert similarity(tune, melody(line(TUNE, [48, 24] * (len(TUNE) // 2)))) == 1  # triple time
    assert similarity(tune, melody(line(TUNE + TUNE))) == 1  # a repeat written out
    changed = [*TUNE[:8], 61, *TUNE[9:]]
    assert 0.85 < similarity(tune, melody(line(changed))) < 1
    deal = random.Random(0)
    others = [melody(line([60 + deal.choice([0, 2, 4, 5, 7, 9, 11, 12]) for _ in TUNE])) for _ in range(10)]
    assert max(similarity(tune, other) for other in others) < 0.5


def test_a_silent_voice_is_like_nothing() -> None:
    assert similarity(melody(line([])), melody(line(TUNE))) == 0
    assert similarity(melody(line(TUNE)), melody(line([]))) == 0
    assert similarities([]).shape == (0, 0)


def test_known_score() -> None:
    # 3 notes match, one is left out: 3 * 24 - 24, of 3 * 24
    assert similarity(melody(line([60, 67, 62])), melody(line([60, 67, 71, 62]))) == (72 - 24) / 72
