"""Overlap of distributions, and distinct bars, against known values and by hypothesis."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.metrics.overlap import DISTRIBUTIONS, compare, compare_at_size, count, in_any_key, overlap, pool

histograms = st.dictionaries(st.integers(0, 20), st.integers(1, 50), min_size=1, max_size=12)
few = hypothesis(deadline=None, max_examples=60)
Note = tuple[int, int, int]  # start and length in quarter notes, pitch


def piece(*voices: list[Note], drums: list[Note] | None = None) -> ScoreTick:
    """Voices of notes, in 4/4."""
    score = ScoreTick(24)
    score.time_signatures.append(TimeSignatureTick(0, 4, 4))
    for notes in (*voices, *([drums] if drums else [])):
        track = TrackTick("voice", is_drum=notes is drums)
        for start, length, pitch in notes:
            track.notes.append(NoteTick(24 * start, 24 * length, pitch, 80))
        score.tracks.append(track)
    return score


def line(*pitches: int) -> list[Note]:
    """A quarter a pitch."""
    return [(place, 1, pitch) for place, pitch in enumerate(pitches)]


@few
@given(histograms, st.integers(1, 9))
def test_equal_shares_overlap_fully(counts: dict[int, int], times: int) -> None:
    assert overlap(counts, {value: times * number for value, number in counts.items()}) == pytest.approx(1)


@few
@given(histograms, histograms)
def test_overlap_is_symmetric_within_its_range_and_the_complement_of_the_difference(
    ours: dict[int, int], theirs: dict[int, int]
) -> None:
    found = overlap(ours, theirs)
    assert 0 <= found <= 1 + 1e-12
    assert found == overlap(theirs, ours)
    a, b = sum(ours.values()), sum(theirs.values())
    apart = sum(abs(ours.get(value, 0) / a - theirs.get(value, 0) / b) for value in {*ours, *theirs}) / 2
    assert found == pytest.approx(1 - apart)


@few
@given(histograms, histograms)
def test_disjoint_histograms_do_not_overlap(ours: dict[int, int], theirs: dict[int, int]) -> None:
    assert overlap(ours, {value + 100: number for value, number in theirs.items()}) == 0


def test_a_known_value_and_empty_histograms() -> None:
    assert overlap({0: 1, 1: 3}, {0: 2, 2: 2}) == 0.25
    assert math.isnan(overlap({}, {0: 1})) and math.isnan(overlap({0: 1}, {}))


def test_counts_of_a_piece() -> None:
    found = count(piece([(0, 2, 60), (2, 1, 72)], [(0, 1, 60), (2, 2, 67)], drums=[(0, 4, 38)]), 12, 16)
    assert found.distributions == {
        "pitch_class": {0: 3, 7: 1},
        "duration": {24: 2, 12: 2, 48: 1},
        "polyphony": {1: 36, 2: 12},  # a unison is one pitch; two at once in the third quarter
    }
    assert set(found.distributions) == set(DISTRIBUTIONS)
    empty = count(ScoreTick(24), 12, 16)
    assert not any(empty.distributions.values()) and not empty.bars
    assert count(piece([(0, 1, 60), (70, 1, 60)]), 12, 16).distributions["pitch_class"] == {0: 1}, (
        "bar 17 is not measured"
    )


def test_distinct_bars() -> None:
    a, b = [60, 62, 64, 65], [60, 62, 64, 67]
    up = [pitch + 5 for pitch in a]
    found = compare([count(piece(line(*a, *b, *a)), 12, 16), count(piece(line(*up, *a)), 12, 16)], {})
    assert found == {"bars": 5, "distinct_bars": 3, "distinct_any_key": 2, "distinct_share": 0.4}


def test_bars_differ_in_voice_onset_length_and_pitch() -> None:
    pieces = [
        piece([(0, 1, 60)], [(0, 1, 64)]),
        piece([(0, 1, 64)], [(0, 1, 60)]),
        piece([(0, 2, 60)], [(0, 1, 64)]),
        piece([(0, 1, 60)], [(1, 1, 64)]),
        piece([(0, 1, 60)], [(0, 1, 65)]),
    ]
    counted = [count(score, 12, 16) for score in pieces]
    assert compare(counted, {})["distinct_any_key"] == 5
    later = count(piece([(4, 1, 60)], [(4, 1, 64)]), 12, 16)
    assert compare([counted[0], later], {})["distinct_bars"] == 1, "which bar of the piece it is does not matter"


@few
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(30, 60)), min_size=1), st.integers(-20, 20))
def test_a_moved_bar_is_the_same_in_any_key(notes: list[Note], semitones: int) -> None:
    moved = [(start, length, pitch + semitones) for start, length, pitch in notes]
    (first,), (second,) = (count(piece(line), 12, 1).bars for line in (notes, moved))
    assert in_any_key(first) == in_any_key(second)
    assert (first == second) == (semitones == 0)


def test_comparison_with_real_music_and_in_sets_of_a_size() -> None:
    pieces = [count(piece(line(*range(60 + place, 64 + place))), 12, 16) for place in range(6)]
    real = pool(pieces).distributions
    whole = compare(pieces, real)
    assert {name: whole[f"overlap_{name}"] for name in DISTRIBUTIONS} == pytest.approx(dict.fromkeys(DISTRIBUTIONS, 1))
    assert compare_at_size(pieces, real, 6, 50, 0) == whole
    small = compare_at_size(pieces, real, 3, 50, 0)
    assert small["bars"] == small["distinct_bars"] == 3 and small["distinct_any_key"] == 1
    assert small["overlap_pitch_class"] < 1 == pytest.approx(small["overlap_duration"])
    assert compare_at_size(pieces, real, 3, 50, 0) == small != compare_at_size(pieces, real, 3, 50, 1)
    assert real["pitch_class"] == Counter({place % 12: min(place - 59, 4, 69 - place) for place in range(60, 69)})


def test_no_pieces_have_no_share() -> None:
    found = compare([count(ScoreTick(24), 12, 16)], {"duration": {12: 3}})
    assert math.isnan(found["overlap_duration"]) and math.isnan(found["distinct_share"]) and found["bars"] == 0
