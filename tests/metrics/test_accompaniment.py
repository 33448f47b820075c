"""Accompaniments measured."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lead_sheets import make_song

from etude.metrics.accompaniment import Accompanied, divergence, measure, measure_set, of_rows
from etude.representations.leadsheet import LeadSheet

SHEET = LeadSheet(4, "MELODY", "PIANO")
NONE = np.zeros((0, 3), np.int64)


def song(seed: int) -> Accompanied:
    return of_rows(SHEET.encode(make_song(seed)))


def test_the_chords_themselves_are_right_and_dull() -> None:
    real = song(1)
    blocks = replace(real, accompaniment=real.chords)
    found = measure_set([blocks], [real])
    assert found["chord_accuracy"] == found["chord_accuracy_exact"] == found["chord_tones"] == 1
    assert found["unsupported"] == 0 and found["notes_per_bar"] == len(real.chords) / 8
    assert found["jsd_onset"] > 0.3
    same = measure_set([real], [real])
    assert same["jsd_pitch"] == same["jsd_onset"] == 0 and math.isnan(same["chord_tones_sem"])


def test_each_measure_counts_what_it_says() -> None:
    """Two bars of C and F: the accompaniment holds E under both for three beats of each."""
    chords = np.array([(0, 16, p) for p in (48, 52, 55)] + [(16, 32, p) for p in (53, 57, 60)])
    melody = np.array([(0, 8, 67), (16, 24, 65)])
    notes = np.array([(0, 12, 64), (16, 28, 64)])
    found = measure(Accompanied(melody, chords, notes, 32, 16))
    assert found["chord_tones"] == 0.5
    assert found["consonant"] == 0.5  # a minor third under G, a semitone under F
    assert found["unsupported"] == 0 and found["notes_per_bar"] == 1
    late = measure(Accompanied(melody, chords, np.array([(4, 12, 60)]), 32, 16))
    assert late["unsupported"] == 0.75 and late["chord_tones"] == 1


def test_thirds_decide_chord_accuracy_and_sevenths_the_exact_one() -> None:
    chords = np.array([(0, 16, p) for p in (48, 52, 55, 58)])

    def of(*pitches: int) -> tuple[float, float]:
        notes = np.array([(0, 16, p) for p in pitches])
        found = measure(Accompanied(NONE, chords, notes, 16, 16))
        return found["chord_accuracy"], found["chord_accuracy_exact"]

    assert of(36, 64, 67, 70) == (1, 1)
    assert of(36, 64, 67) == (1, 0)
    assert of(36, 63, 67) == (0, 0)


def test_nothing_gives_nan() -> None:
    found = measure(Accompanied(NONE, NONE, NONE, 32, 16))
    assert found["notes_per_bar"] == 0
    assert all(math.isnan(value) for name, value in found.items() if name != "notes_per_bar")
    empty = measure_set([], [])
    assert math.isnan(empty["jsd_pitch"]) and math.isnan(empty["jsd_onset"])


@given(st.lists(st.integers(0, 9), min_size=3, max_size=3), st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_divergence_is_symmetric_and_within_a_bit(one: list[int], other: list[int]) -> None:
    value = divergence(np.array(one), np.array(other))
    if sum(one) and sum(other):
        assert 0 <= value <= 1 + 1e-12 and value == pytest.approx(divergence(np.array(other), np.array(one)))
    else:
        assert math.isnan(value)
    assert divergence(np.array([1, 0]), np.array([0, 3])) == pytest.approx(1)
