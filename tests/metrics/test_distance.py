"""Properties of the distances, by hypothesis, and their edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.metrics.distance import (
    at_size,
    distance,
    distances,
    interval,
    mean_interval,
    overall,
    piece_distances,
    ranks,
    round_floats,
    summary,
    unit,
)

NAN = math.nan
values = st.lists(st.integers(-1000, 1000).map(lambda number: number / 8), min_size=1, max_size=20)
varied = values.filter(lambda numbers: len(set(numbers)) > 1)
few = settings(deadline=None, max_examples=50)


@few
@given(values)
def test_a_set_is_at_no_distance_from_itself(numbers: list[float]) -> None:
    assert distance(numbers, numbers) == 0
    assert distance(numbers + numbers, numbers) == pytest.approx(0)


@few
@given(varied, varied)
def test_symmetric_up_to_the_unit(ours: list[float], theirs: list[float]) -> None:
    assert distance(ours, theirs) * unit(theirs) == pytest.approx(distance(theirs, ours) * unit(ours))


@few
@given(varied, st.integers(-5, 5))
def test_a_shift_by_k_deviations_is_k(numbers: list[float], times: int) -> None:
    shifted = np.array(numbers) + times * unit(numbers)
    assert distance(shifted, numbers) == pytest.approx(abs(times), abs=1e-9)


@few
@given(varied, varied, st.integers(0, 99))
def test_neither_order_nor_nan_nor_the_unit_matter(ours: list[float], theirs: list[float], seed: int) -> None:
    before = distance(ours, theirs)
    mixed = np.random.default_rng(seed).permutation([*ours, NAN, NAN])
    assert distance(mixed, [*theirs[::-1], NAN]) == pytest.approx(before)
    assert distance(np.array(ours) * 7 + 3, np.array(theirs) * 7 + 3) == pytest.approx(before)


def test_sets_far_apart_are_farther_than_sets_near() -> None:
    real = np.arange(10.0)
    assert (
        distance(real + 1000, real) > distance(real + 100, real) > 30
    )  # a density of limited range sees no difference


def test_a_constant_real_descriptor_counts_in_its_own_unit() -> None:
    assert distance([3, 5], [2, 2, 2]) == 2
    assert unit([0.1] * 7) == 1


def test_without_values_there_is_no_distance() -> None:
    for ours, theirs in (([], [1, 2]), ([1, 2], []), ([NAN], [1, 2])):
        assert math.isnan(distance(ours, theirs))
    assert math.isnan(overall({"a": [NAN]}, {"a": [1.0]}))
    assert math.isnan(overall({"a": [1.0]}, {"b": [1.0]}))
    assert all(math.isnan(split) for split in interval({"a": [NAN, NAN]}, {"a": [1.0, 2.0]}, 20, 0))


def test_overall_is_the_mean_over_descriptors_that_both_have() -> None:
    real = {"a": [0.0, 2.0], "b": [0.0, 4.0], "drums": [NAN, NAN], "only_real": [1.0]}
    samples = {"a": [1.0, 3.0], "b": [6.0, 10.0], "drums": [NAN, NAN]}
    assert distances(samples, real) == pytest.approx({"a": 1, "b": 3, "drums": NAN}, nan_ok=True)
    assert overall(samples, real) == pytest.approx(2)


def test_the_interval_contains_the_value_is_seeded_and_narrows() -> None:
    draw = np.random.default_rng(0)
    real = {"a": draw.normal(size=60), "b": draw.normal(size=60)}
    small = {name: draw.normal(0.5, 1, size=12) for name in real}
    large = {name: draw.normal(0.5, 1, size=400) for name in real}
    low, high = interval(small, real, 200, 1)
    assert low < overall(small, real) < high
    assert (low, high) == interval(small, real, 200, 1) != interval(small, real, 200, 2)
    tight = interval(large, real, 200, 1)
    assert tight[1] - tight[0] < high - low


def test_the_interval_covers_the_true_distance_of_shifted_pieces() -> None:
    draw = np.random.default_rng(3)
    hits = 0
    for seed in range(40):
        samples, real = {"a": draw.normal(2, 1, size=40)}, {"a": draw.normal(0, 1, size=40)}
        low, high = interval(samples, real, 100, seed)
        hits += low <= 2 / unit(real["a"]) <= high
    assert hits >= 34  # of 40; the share is 0.95 less what few pieces and few draws cost


def test_the_mean_and_its_interval() -> None:
    mean, low, high = mean_interval([1.0, 2.0, 3.0, NAN], 200, 0)
    assert mean == 2 and 1 <= low < 2 < high <= 3
    assert all(math.isnan(number) for number in mean_interval([NAN], 20, 0))
    mean, low, high = mean_interval([2.0, NAN], 20, 0)
    assert mean == 2 and math.isnan(low) and math.isnan(high), "one piece has no interval"


def test_pieces_are_ranked_by_their_distance_from_the_middle_of_real_music() -> None:
    real = {"a": [0.0, 10.0, 20.0], "b": [5.0, 5.0, 5.0]}
    samples = {"a": [40.0, 10.0, NAN, NAN], "b": [5.0, 5.0, 6.0, NAN]}
    far = piece_distances(samples, real)
    assert far[1] == 0 and far[2] == 1 and math.isnan(far[3])
    assert far[0] == pytest.approx(30 / np.std([0, 10, 20]) / 2)
    assert ranks(far) == [2, 0, 1, 3]
    assert ranks([1.0, 1.0, 0.0]) == [1, 2, 0]


def test_summary_keeps_a_place_for_each_piece() -> None:
    found = round_floats(summary({"a": np.array([1.0, NAN, 2.00000049])}, 20, 0))["a"]
    assert found["values"] == [1.0, None, 2.0]
    assert found["mean"] == 1.5


def test_rounding_leaves_six_decimals_and_no_nan() -> None:
    given_ = {"a": [1 / 3, NAN, math.inf, -1e-9], "b": (np.float64(0.5), 3, "text", None, True)}
    assert round_floats(given_) == {"a": [0.333333, None, None, 0.0], "b": [0.5, 3, "text", None, True]}
    assert math.copysign(1, round_floats(-1e-9)) == 1


def test_sets_of_a_size_are_farther_the_smaller_they_are() -> None:
    draw = np.random.default_rng(0)
    real = {"a": draw.normal(size=60), "b": draw.normal(size=60)}
    samples = {"a": draw.normal(size=60), "b": draw.normal(size=60)}
    small, large = (at_size(samples, real, size, 200, 0) for size in (10, 40))
    assert small["pieces"] == 10 and small["low"] < small["distance"] < small["high"]
    assert small["distance"] > large["distance"] > overall(samples, real)
    assert small["distance"] == pytest.approx(np.mean(list(small["descriptors"].values())))
    assert at_size(samples, real, 10, 200, 0) == small != at_size(samples, real, 10, 200, 1)


def test_with_no_more_pieces_than_the_size_all_pieces_are_the_set() -> None:
    samples, real = {"a": [1.0, 2.0, NAN]}, {"a": [1.0, 3.0]}
    found = at_size(samples, real, 3, 50, 0)
    assert found["pieces"] == 3 and found["distance"] == overall(samples, real)
    assert (found["low"], found["high"]) == interval(samples, real, 50, 0)
