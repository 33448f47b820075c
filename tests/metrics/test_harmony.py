"""Chords and intervals against sets of pitch classes that a loop makes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from metrics.made_pieces import line, made, piece, table
from symusic.core import ScoreTick

from etude.metrics.descriptors import pitch_class_times
from etude.metrics.harmony import (
    CHORDS,
    FEW,
    OTHER,
    QUALITIES,
    chord_changes,
    chord_labels,
    chord_name,
    chords_at_beats,
    interval_classes,
    pitch_class_sets,
)
from etude.music.key import best_key

few = hypothesis(deadline=None, max_examples=40)


def number(*classes: int) -> int:
    return sum(1 << one for one in classes)


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        ((0, 4, 7), "I major"),
        ((7, 11, 2), "V major"),
        ((7, 11, 2, 5), "V dominant seventh"),
        ((7, 11, 5), "V seventh without fifth"),
        ((9, 0, 4), "VI minor"),
        ((11, 2, 5), "VII diminished"),
        ((2, 5, 9, 0), "II minor seventh"),
        ((5, 9, 0, 4), "IV major seventh"),
        ((11, 2, 5, 9), "VII half-diminished seventh"),
        ((0, 4, 8), "I augmented"),
        ((2, 5, 8, 11), "II diminished seventh"),
        ((0, 5, 7), "I suspended"),
        ((0, 4), "fewer than three pitch classes"),
        ((), "fewer than three pitch classes"),
        ((0, 1, 2), "other"),
    ],
)
def test_chords_by_name(classes: tuple[int, ...], name: str) -> None:
    assert chord_name(int(chord_labels()[number(*classes)])) == name


def test_each_chord_is_named_on_each_root_and_the_rest_is_other() -> None:
    labels = chord_labels()
    assert labels.max() == OTHER == CHORDS - 1 and (labels == FEW).sum() == 1 + 12 + 66
    named = {frozenset((root + step) % 12 for step in steps) for steps in QUALITIES.values() for root in range(12)}
    assert (labels < FEW).sum() == len(named)
    assert len({chord_name(label) for label in range(CHORDS)}) == CHORDS


@few
@given(st.sets(st.integers(0, 11)))
def test_interval_classes_are_the_distances_of_all_pairs(classes: set[int]) -> None:
    expected = [0] * 6
    for one, other in combinations(classes, 2):
        expected[min((one - other) % 12, (other - one) % 12) - 1] += 1
    assert interval_classes()[number(*classes)].tolist() == expected


@few
@given(st.lists(made(), max_size=3))
def test_sets_are_what_sounds_at_each_step_above_the_tonic(scores: list[ScoreTick]) -> None:
    notes = table(*scores)
    axis, sets = pitch_class_sets(notes)
    times = pitch_class_times(notes)
    pitched = notes.pitched
    for place in range(len(scores)):
        key = best_key(times[place])
        own = pitched.piece == place
        for step in range(int(notes.length[place]) + 1):
            on = own & (pitched.start <= step) & (step < pitched.end)
            classes = {(int(pitch) - (key[0] if key else 0)) % 12 for pitch in pitched.pitch[on]}
            assert sets[axis.start[place] + step] == number(*classes)


@few
@given(made(lowest=24, highest=100), st.integers(1, 11))
def test_a_transposed_piece_has_the_same_chords(score: ScoreTick, semitones: int) -> None:
    moved = score.copy()
    for track in moved.tracks:
        track.shift_pitch(semitones, inplace=True)
    notes = table(score, moved)
    piece_, chord = chords_at_beats(notes)
    times = pitch_class_times(notes)
    keys = [best_key(one) for one in times]
    if keys[0] is not None and keys[1] == ((keys[0][0] + semitones) % 12, keys[0][1]):  # else two keys fit as well
        assert chord[piece_ == 0].tolist() == chord[piece_ == 1].tolist()


def test_a_cadence_quarter_by_quarter() -> None:
    bass = line(48, 53, 55, 48, 48)
    upper = [line(64, 65, 65, 64, 64), line(67, 69, 71, 67, 67), line(72, 72, 74, 72, 72)]
    notes = table(piece(bass, *upper), ScoreTick(24), piece(line(60), drums=line(40, 40)))
    piece_, chord = chords_at_beats(notes)
    names = [chord_name(int(one)) for one in chord]
    assert piece_.tolist() == [0] * 5 + [2] * 2
    assert names[:5] == ["I major", "IV major", "V dominant seventh", "I major", "I major"]
    assert set(names[5:]) == {"fewer than three pitch classes"}, "a drum holds the piece open"
    assert chord_changes(piece_, chord).tolist() == [False, True, True, True, False, False, False]


def test_no_pieces_have_no_chords() -> None:
    piece_, chord = chords_at_beats(table())
    assert len(piece_) == len(chord) == len(chord_changes(piece_, chord)) == 0
    assert not len(chords_at_beats(table(ScoreTick(24)))[0])
    assert np.array_equal(pitch_class_sets(table(ScoreTick(24)))[1], [0])
