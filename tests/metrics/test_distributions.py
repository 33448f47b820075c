"""Distributions and their distances against known values, scipy and loops."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from metrics.made_pieces import line, piece, table
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, wasserstein_distance
from symusic.core import ScoreTick

from etude.metrics.distributions import (
    KINDS,
    SMOOTHING,
    compare,
    compare_at_size,
    jensen_shannon,
    kullback_leibler,
    observe,
    overlap,
    pool,
    wasserstein,
)
from etude.metrics.harmony import CHORDS, FEW, OTHER

histograms = st.dictionaries(st.integers(-20, 20), st.integers(1, 50), min_size=1, max_size=12)
few = hypothesis(deadline=None, max_examples=60)
MEASURES = (overlap, jensen_shannon, wasserstein, kullback_leibler)


def aligned(*sides: dict[int, int]) -> tuple[list[int], list[list[int]]]:
    values = sorted(set().union(*sides))
    return values, [[side.get(value, 0) for value in values] for side in sides]


@few
@given(histograms, st.integers(1, 9))
def test_equal_shares_are_equal(counts: dict[int, int], times: int) -> None:
    more = {value: times * number for value, number in counts.items()}
    assert overlap(counts, more) == pytest.approx(1)
    assert jensen_shannon(counts, more) == pytest.approx(0, abs=1e-12)
    assert wasserstein(counts, more) == pytest.approx(0, abs=1e-12)
    assert kullback_leibler(counts, counts) == pytest.approx(0, abs=1e-12)


@few
@given(histograms, histograms)
def test_measures_agree_with_scipy_and_are_symmetric_within_their_ranges(
    ours: dict[int, int], theirs: dict[int, int]
) -> None:
    values, (a, b) = aligned(ours, theirs)
    apart = np.abs(np.array(a) / sum(a) - np.array(b) / sum(b)).sum() / 2
    assert overlap(ours, theirs) == pytest.approx(1 - apart)
    assert jensen_shannon(ours, theirs) == pytest.approx(jensenshannon(a, b, 2) ** 2, abs=1e-9)
    assert wasserstein(ours, theirs) == pytest.approx(wasserstein_distance(values, values, a, b))
    p, q = np.array(a) + SMOOTHING, np.array(b) + SMOOTHING
    assert kullback_leibler(ours, theirs) == pytest.approx(entropy(p, q), abs=1e-12)
    for measure in (overlap, jensen_shannon, wasserstein):
        assert measure(ours, theirs) == pytest.approx(measure(theirs, ours))
    assert 0 <= overlap(ours, theirs) <= 1 + 1e-12 and 0 <= jensen_shannon(ours, theirs) <= 1


@few
@given(histograms, histograms)
def test_disjoint_histograms_are_as_far_as_can_be(ours: dict[int, int], theirs: dict[int, int]) -> None:
    far = {value + 100: number for value, number in theirs.items()}
    assert overlap(ours, far) == 0 and jensen_shannon(ours, far) == pytest.approx(1)
    assert 60 <= wasserstein(ours, far) <= 140 and 0 < kullback_leibler(ours, far) < math.inf


@few
@given(histograms, st.integers(1, 30))
def test_a_shift_is_its_own_distance(counts: dict[int, int], steps: int) -> None:
    assert wasserstein(counts, {value + steps: number for value, number in counts.items()}) == pytest.approx(steps)


def test_values_known_from_paper() -> None:
    assert overlap({0: 1, 1: 3}, {0: 2, 1: 2}) == 0.75 and overlap({0: 1, 1: 3}, {0: 2, 2: 2}) == 0.25
    assert jensen_shannon({0: 1}, {0: 1, 1: 1}) == pytest.approx(1 - 0.75 * math.log2(3) + 0.5)
    assert wasserstein({60: 1, 64: 1}, {60: 2}) == 2
    # counts 3, 1 and 1, 3 become 3.5, 1.5 and 1.5, 3.5 of 5: (0.7 - 0.3) ln(7 / 3)
    assert kullback_leibler({0: 3, 1: 1}, {0: 1, 1: 3}) == pytest.approx(0.4 * math.log(7 / 3))


def test_a_copy_ten_semitones_higher_is_far_away() -> None:
    """A density that is estimated on a range of its own is the same for both: a divergence of 0."""
    pitches = Counter({60: 40, 62: 30, 64: 20, 65: 10})
    higher = {pitch + 10: number for pitch, number in pitches.items()}
    known = 0.0
    for number in pitches.values():
        known += (number + 0.5) / 104 * math.log((number + 0.5) / 0.5) + 0.5 / 104 * math.log(0.5 / (number + 0.5))
    assert kullback_leibler(pitches, higher) == pytest.approx(known)
    assert known > 3 and wasserstein(pitches, higher) == pytest.approx(10)


@pytest.mark.parametrize("measure", MEASURES)
def test_an_empty_side_gives_nan(measure: Any) -> None:
    for ours, theirs in (({}, {0: 1}), ({0: 1}, {}), ({}, {})):
        assert math.isnan(measure(ours, theirs))


def test_what_is_counted_in_a_piece() -> None:
    score = piece([(0, 2, 60), (2, 1, 72)], [(0, 1, 60), (2, 2, 67)], drums=[(4, 8, 38)])
    found = {name: pool(observed) for name, observed in observe(table(score)).items()}
    assert set(found) == set(KINDS)
    assert found["pitch"] == {60: 2, 67: 1, 72: 1}
    assert found["pitch_class"] == {0: 3, 7: 1}
    assert found["interval"] == {12: 1, 7: 1}
    assert found["duration"] == {24: 2, 12: 2, 96: 1}
    assert found["onset"] == {0: 3, 24: 2}
    assert found["inter_onset"] == {24: 2}, "0, 2 and 4 quarter notes"
    assert found["polyphony"] == {0: 96, 1: 36, 2: 12}, "a unison is one pitch"
    assert found["chord"] == {FEW: 12} and found["chord_transition"] == {}
    assert found["density"] == {0: 1, 1: 1, 4: 1}, "a bar into which a note is held has none of its own"


def test_chords_and_their_transitions_are_those_above_the_tonic() -> None:
    cadence = [line(48, 55, 48), line(64, 62, 64), line(67, 71, 67), line(72, 74, 72)]
    higher = [[(start, length, pitch + 3) for start, length, pitch in voice] for voice in cadence]
    one, two = (
        {name: pool(observed) for name, observed in observe(table(piece(*v))).items()} for v in (cadence, higher)
    )
    assert one["chord"] == two["chord"] == {0: 2, 7: 1}
    assert one["chord_transition"] == two["chord_transition"] == {7: 1, 7 * CHORDS: 1}
    assert pool(observe(table(piece(line(60), line(61), line(62))))["chord"]) == {OTHER: 1}


def test_drums_alone_no_notes_and_no_pieces_are_no_fault() -> None:
    drums = {name: pool(observed) for name, observed in observe(table(piece(drums=line(36, 38)))).items()}
    assert {name for name, counts in drums.items() if counts} == {"duration", "onset", "inter_onset", "density"}
    for notes in (table(), table(ScoreTick(24)), table(ScoreTick(24), piece([]))):
        observed = observe(notes)
        assert not any(pool(one) for one in observed.values())
        found = compare(observed, {"duration": {12: 3}}, len(notes), 20, 0)["duration"]
        assert found.pop("counts") == [] and all(math.isnan(value) for value in found.values())
    alone = compare(observe(table(piece(line(60)))), {"interval": {}, "duration": {12: 1}}, 1, 20, 0)
    assert math.isnan(alone["interval"]["overlap"]) and alone["duration"]["overlap"] == 1


def test_pooled_pieces_count_as_often_as_they_are_given() -> None:
    observed = observe(table(piece(line(60, 60)), piece(line(64)), ScoreTick(24)))["pitch"]
    assert pool(observed) == {60: 2, 64: 1}
    assert (
        pool(observed, [1, 1]) == {64: 2}
        and pool(observed, [0, 1, 1, 2]) == {60: 2, 64: 2}
        and pool(observed, []) == {}
    )


def scales(count: int) -> list[ScoreTick]:
    return [piece(line(*range(60 + place, 64 + place))) for place in range(count)]


def test_comparison_with_real_music_has_intervals_and_is_the_same_twice() -> None:
    scores = scales(6)
    observed = observe(table(*scores))
    real = {name: pool(one) for name, one in observed.items()}
    found = compare(observed, real, 6, 200, 0)
    assert list(found) == list(KINDS)
    for name, entry in found.items():
        if entry["counts"]:
            assert entry["overlap"] == pytest.approx(1) and entry["jensen_shannon"] == pytest.approx(0, abs=1e-12)
            assert entry["overlap_low"] <= 1 and ("wasserstein" in entry) == bool(KINDS[name].unit)
    other = {**real, "pitch": {60: 1, 70: 1}}
    entry = compare(observed, other, 6, 200, 0)["pitch"]
    assert entry["overlap_low"] < entry["overlap"] < entry["overlap_high"]
    assert entry == compare(observed, other, 6, 200, 0)["pitch"] != compare(observed, other, 6, 200, 1)["pitch"]
    backwards = compare(observe(table(*reversed(scores))), other, 6, 200, 0)["pitch"]
    measures = ("overlap", "jensen_shannon", "wasserstein", "kullback_leibler", "counts")
    assert all(entry[name] == backwards[name] for name in measures), "the order of the pieces does not matter"


def test_the_interval_is_the_spread_of_whole_pieces() -> None:
    same, mixed = [piece(line(60, 64))] * 20, [piece(line(60, 60)), piece(line(64, 64))] * 10
    real = {"pitch": {60: 1, 64: 1}}
    width = []
    for scores in (same, mixed):
        entry = compare(observe(table(*scores)), real, 20, 200, 0)["pitch"]
        assert entry["overlap"] == pytest.approx(1)
        width.append(entry["overlap_high"] - entry["overlap_low"])
    assert width[0] == pytest.approx(0) and width[1] > 0.1


def test_sets_of_a_size_are_farther_than_the_whole() -> None:
    observed = observe(table(*scales(6)))
    real = {name: pool(one) for name, one in observed.items()}
    whole = compare(observed, real, 6, 50, 0)
    for entry in whole.values():
        del entry["counts"]
    at_six = compare_at_size(observed, real, 6, 6, 50, 0)
    assert str(at_six) == str(whole), "no more pieces than the size: all are the set"
    small = compare_at_size(observed, real, 6, 3, 50, 0)
    assert list(small["pitch"]) and set(small["pitch"]) == set(whole["pitch"])
    assert small["pitch"]["overlap_low"] <= small["pitch"]["overlap"] <= small["pitch"]["overlap_high"] < 1
    assert small["duration"]["overlap"] == pytest.approx(1)
    assert (
        str(small)
        == str(compare_at_size(observed, real, 6, 3, 50, 0))
        != str(compare_at_size(observed, real, 6, 3, 50, 1))
    )


def test_means_over_sets_are_those_of_the_measures_themselves() -> None:
    observed, real = observe(table(*scales(5))), {"pitch": {60: 2, 64: 1, 80: 1}}
    found = compare_at_size(observed, real, 5, 2, 30, 7)["pitch"]
    rng = np.random.default_rng(7)
    drawn = [pool(observed["pitch"], rng.choice(5, 2, replace=False).tolist()) for _ in range(30)]
    for measure in (overlap, jensen_shannon, wasserstein):
        assert found[measure.__name__] == pytest.approx(np.mean([measure(one, real["pitch"]) for one in drawn]))
    expected = np.mean(
        [kullback_leibler(real["pitch"], {**one, **{v: 0 for v in range(60, 68) if v not in one}}) for one in drawn]
    )
    assert found["kullback_leibler"] == pytest.approx(expected), "smoothed on all values of the pieces"


def test_sets_in_which_nothing_is_observed_are_left_out() -> None:
    """A piece of one note has no interval; the mean over the other sets is known."""
    observed = observe(table(piece(line(60)), piece(line(60, 62)), piece(line(60))))
    found = compare_at_size(observed, {"interval": {2: 1}, "pitch": {}}, 3, 1, 40, 0)
    assert found["interval"]["overlap"] == 1 and found["interval"]["wasserstein"] == 0
    assert found["interval"]["overlap_low"] == 1 and math.isnan(found["pitch"]["overlap"])
