"""Measures of two sets: closed forms, brute force, what they see, and whether their p is right."""

import math
from typing import Any

import numpy as np
import pytest

from etude.metrics.sets import (
    FEWEST,
    MEASURES,
    NEIGHBOURS,
    classify,
    compare,
    compare_at_size,
    frechet,
    kernel,
    measure,
    mmd,
    neighbours,
    p_value,
    telling,
)


def normal(seed: int, count: int, width: int = 4, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (count, width))


def against(ours: np.ndarray, real: np.ndarray, permutations: int = 60, seed: int = 0) -> dict[str, Any]:
    names = [f"feature {place}" for place in range(ours.shape[1])]
    return compare(ours, real, lambda vectors: vectors, names, permutations, seed)


# --- Fréchet


def test_frechet_of_two_normal_distributions_is_near_the_closed_form() -> None:
    width, shift, scale = 3, 1.5, 2.0
    found = frechet(normal(0, 20000, width, shift, scale), normal(1, 20000, width))
    assert found == pytest.approx(width * (shift**2 + (scale - 1) ** 2), rel=0.03)


def test_frechet_with_correlated_axes_is_the_formula_with_a_matrix_root() -> None:
    from scipy.linalg import sqrtm
    from sklearn.covariance import ledoit_wolf

    draw = np.random.default_rng(2)
    ours, real = (normal(seed, 60) @ draw.normal(size=(4, 4)) + draw.normal(size=4) for seed in (0, 1))
    (a, _), (b, _) = ledoit_wolf(ours), ledoit_wolf(real)
    expected = ((ours.mean(0) - real.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet(ours, real) == pytest.approx(expected, rel=1e-6)
    assert frechet(real, ours) == pytest.approx(expected, rel=1e-6)
    assert frechet(ours, ours) == pytest.approx(0, abs=1e-6) and frechet(ours + 3, ours) == pytest.approx(36)


# --- MMD


def brute_mmd(ours: np.ndarray, real: np.ndarray) -> float:
    every = np.concatenate([ours, real])
    median = np.median([((a - b) ** 2).sum() for i, a in enumerate(every) for b in every[:i]])

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-((a - b) ** 2).sum() / median)

    def within(part: np.ndarray) -> float:
        return float(np.mean([k(a, b) for i, a in enumerate(part) for j, b in enumerate(part) if i != j]))

    return within(ours) + within(real) - 2 * float(np.mean([k(a, b) for a in ours for b in real]))


def value_of_mmd(ours: np.ndarray, real: np.ndarray) -> float:
    return float(mmd(kernel(ours, real), np.arange(len(ours) + len(real)) < len(ours)))


def test_mmd_is_its_definition() -> None:
    ours, real = normal(0, 9, shift=0.5), normal(1, 12)
    assert value_of_mmd(ours, real) == pytest.approx(brute_mmd(ours, real))
    similar = kernel(ours, real)
    labels = np.array([[True] * 9 + [False] * 12, [False] * 12 + [True] * 9])
    assert mmd(similar, labels)[0] == pytest.approx(value_of_mmd(ours, real)), "many labellings at once"


def test_mmd_is_0_in_the_mean_for_one_source_and_high_for_two() -> None:
    same = np.array([value_of_mmd(normal(seed, 12), normal(seed + 500, 12)) for seed in range(200)])
    assert abs(same.mean()) < 3 * same.std() / math.sqrt(len(same)) and 0.3 < (same < 0).mean() < 0.8
    assert value_of_mmd(normal(0, 30, shift=3), normal(1, 30)) > 0.5
    assert value_of_mmd(np.zeros((8, 2)), np.full((8, 2), 9.0)) == pytest.approx(2 - 2 * math.exp(-1))


def test_equal_pieces_have_a_kernel() -> None:
    assert (kernel(np.ones((8, 2)), np.ones((8, 2))) == 1).all()
    assert value_of_mmd(np.ones((8, 2)), np.ones((8, 2))) == 0


# --- neighbours


def brute_neighbours(ours: np.ndarray, real: np.ndarray, count: int) -> dict[str, float]:
    def radii(part: np.ndarray) -> list[float]:
        return [sorted(np.linalg.norm(part - one, axis=1))[min(count, len(part) - 1)] for one in part]

    apart = np.array([[np.linalg.norm(a - b) for b in real] for a in ours])
    inside = apart <= np.array(radii(real)) + 1e-12
    return {
        "precision": np.mean([row.any() for row in inside]),
        "recall": np.mean([(apart[:, place] <= np.array(radii(ours)) + 1e-12).any() for place in range(len(real))]),
        "density": inside.sum() / count / len(ours),
        "coverage": np.mean([inside[:, place].any() for place in range(len(real))]),
    }


@pytest.mark.parametrize("count", [1, 3, NEIGHBOURS, 40])
def test_neighbours_are_their_definitions(count: int) -> None:
    ours, real = normal(0, 11, shift=0.7), normal(1, 15)
    assert neighbours(ours, real, count) == pytest.approx(brute_neighbours(ours, real, count))


def test_one_source_is_in_reach_and_another_is_not() -> None:
    same = neighbours(normal(0, 200), normal(1, 200))
    assert same["precision"] > 0.8 and same["recall"] > 0.8 and same["coverage"] > 0.8 and 0.7 < same["density"] < 1.3
    far = neighbours(normal(0, 30, shift=50), normal(1, 30))
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    assert neighbours(normal(0, 30), normal(0, 30))["coverage"] == 1


def test_coverage_and_recall_see_a_collapse_that_precision_does_not() -> None:
    real = normal(1, 60)
    collapsed = np.zeros((60, 4)) + 0.01 * normal(2, 60)
    found = neighbours(collapsed, real)
    assert found["precision"] == 1 and found["density"] > 1
    assert found["coverage"] < 0.5 and found["recall"] < 0.1


# --- the classifier


def share(ours: np.ndarray, real: np.ndarray, permutations: int = 0, seed: int = 0) -> Any:
    return classify(ours, real, permutations, np.random.default_rng(seed))


def test_one_source_is_recognised_half_of_the_time_whatever_the_sizes() -> None:
    for sizes in ((20, 20), (10, 50)):
        found = [share(normal(seed, sizes[0], 10), normal(seed + 99, sizes[1], 10))[0] for seed in range(40)]
        assert np.mean(found) == pytest.approx(0.5, abs=0.04)


def test_p_is_uniform_for_one_source() -> None:
    """A p that takes the mean over repeats for one drawing of labels, as it once did, is below 0.05 in 30 of 100."""
    found = []
    for seed in range(100):
        value, permuted, _, _ = share(normal(seed, 12, 8), normal(seed + 999, 20, 8), 40)
        found.append(p_value(value, permuted))
    assert (np.array(found) <= 0.05).mean() <= 0.11  # of 100 with 0.05 each, 12 or more have a chance of 0.4 %
    assert 0.4 < np.mean(found) < 0.62 and (np.array(found) > 0.8).mean() > 0.08


def test_sets_apart_are_told_apart_and_the_feature_is_named_first() -> None:
    ours, real = normal(0, 20, 6), normal(1, 30, 6)
    ours[:, 3] += 8
    value, permuted, each, weights = share(ours, real, 50)
    assert value == 1 and (each == 1).all() and each.shape == (50,) and weights.shape == (6,)
    assert p_value(value, permuted) == pytest.approx(1 / 51) and 0.3 < permuted.mean() < 0.6
    (place, part), *others = telling(ours, real, weights)
    assert place == 3 and part > 0.9 > sum(other for _, other in others)
    assert sum(part for _, part in telling(ours[:, :4], real[:, :4], weights[:4])) == pytest.approx(1)


def test_the_share_is_the_mean_of_both_sets_and_of_each_piece() -> None:
    ours, real = normal(0, 10, 3, 0.8), normal(1, 40, 3)
    value, _, each, _ = share(ours, real)
    assert value == pytest.approx((each[:10].mean() + each[10:].mean()) / 2)
    assert share(real, ours)[0] == pytest.approx(value, abs=0.05)


def test_equal_vectors_tell_nothing() -> None:
    value, permuted, each, weights = share(np.ones((9, 3)), np.ones((12, 3)), 5)
    assert value == 0.5 and (permuted == 0.5).all() and (each == 0.5).all() and not weights.any()
    assert [part for _, part in telling(np.ones((9, 3)), np.ones((12, 3)), weights)] == [0, 0, 0]


def test_p_counts_the_value_itself() -> None:
    assert p_value(3, np.array([1.0, 2.0, 3.0])) == 0.5 and p_value(4, np.array([1.0, 2.0, 3.0])) == 0.25
    assert p_value(0, np.array([])) == 1


# --- all together


def test_all_measures_with_intervals_and_the_same_twice() -> None:
    ours, real = normal(0, 14, shift=0.6), normal(1, 18)
    found = against(ours, real)
    assert list(found) == list(MEASURES)
    for name, entry in found.items():
        assert entry["low"] <= entry["value"] <= entry["high"], name
        assert ("p" in entry) == (name in ("mmd", "classifier"))
    direct = measure(ours, real)
    assert {name: found[name]["value"] for name in direct} == direct
    assert found == against(ours, real) != against(ours, real, seed=1)
    turned = against(ours[::-1], real[::-1])
    for name in direct:
        assert turned[name]["value"] == pytest.approx(found[name]["value"], abs=1e-9), "the order of the pieces"
        assert turned[name]["high"] == pytest.approx(found[name]["high"], abs=1e-6)


def test_a_shifted_feature_is_named_with_its_direction_and_p_is_small() -> None:
    ours, real = normal(0, 20, 5), normal(1, 20, 5)
    ours[:, 2] -= 6
    found = against(ours, real)
    assert found["classifier"]["value"] == 1 and found["classifier"]["p"] == found["mmd"]["p"] == pytest.approx(1 / 61)
    first = found["classifier"]["features"][0]
    assert (first["name"], first["higher"]) == ("feature 2", False) and first["share"] > 0.9
    same = against(normal(3, 20, 5), normal(4, 20, 5))
    assert same["mmd"]["p"] > 0.05 and same["classifier"]["p"] > 0.05


def test_p_of_mmd_is_uniform_for_one_source() -> None:
    found = []
    for seed in range(150):
        similar, labels = kernel(normal(seed, 9), normal(seed + 777, 12)), np.arange(21) < 9
        shuffled = np.random.default_rng(seed).permuted(np.tile(labels, (40, 1)), axis=1)
        found.append(p_value(float(mmd(similar, labels)), mmd(similar, shuffled)))
    assert (np.array(found) <= 0.05).mean() <= 0.1 and 0.42 < np.mean(found) < 0.6


def test_the_jackknife_interval_is_that_of_the_mean_for_a_measure_that_is_nearly_one() -> None:
    """Far apart, the Fréchet distance is the squared distance of the means, whose spread is known."""
    ours, real = normal(0, 40, 1, 100.0), normal(1, 40, 1)
    entry = against(ours, real, 10)["frechet"]
    deviation = 2 * (ours.mean() - real.mean()) * math.sqrt(ours.var(ddof=1) / 40 + real.var(ddof=1) / 40)
    assert (entry["high"] - entry["low"]) / 2 == pytest.approx(1.96 * deviation, rel=0.05)


@pytest.mark.parametrize("sizes", [(0, 20), (FEWEST - 1, 20), (20, FEWEST - 1)])
def test_fewer_pieces_than_needed_give_nan(sizes: tuple[int, int]) -> None:
    found = against(normal(0, sizes[0]), normal(1, sizes[1]))
    assert list(found) == list(MEASURES) and found["classifier"]["features"] == []
    assert all(math.isnan(entry[name]) for entry in found.values() for name in ("value", "low", "high"))
    assert math.isnan(found["mmd"]["p"]) and math.isnan(found["classifier"]["p"])
    at_size = compare_at_size(normal(0, sizes[0]), normal(1, sizes[1]), lambda one: one, 40, 3, 0)
    assert all(math.isnan(entry["value"]) for entry in at_size.values())


def test_the_fewest_pieces_have_values_equal_or_not() -> None:
    for ours, real in ((normal(0, FEWEST), normal(1, FEWEST)), (np.ones((FEWEST, 3)), np.ones((FEWEST, 3)))):
        for entry in against(ours, real).values():
            assert not math.isnan(entry["value"])
    equal = against(normal(0, 10), normal(0, 10))
    assert equal["frechet"]["value"] == pytest.approx(0, abs=1e-9) and equal["mmd"]["value"] < 0
    assert equal["precision"]["value"] == equal["coverage"]["value"] == 1


def test_sets_of_a_size_of_one_source() -> None:
    pieces, real = normal(0, 40), normal(1, 25)
    found = compare_at_size(pieces, real, lambda one: one, 10, 12, 0)
    assert list(found) == list(MEASURES)
    for entry in found.values():
        assert entry["low"] <= entry["value"] <= entry["high"]
    assert found == compare_at_size(pieces, real, lambda one: one, 10, 12, 0)
    larger = compare_at_size(pieces, real, lambda one: one, 40, 12, 0)
    assert larger["frechet"]["value"] < found["frechet"]["value"], "a small set is farther"
    assert larger["frechet"]["value"] == pytest.approx(frechet(pieces, real)), "with so many, all are the set"
    assert found["classifier"]["value"] == pytest.approx(0.5, abs=0.12)


def test_measures_are_taken_on_the_axes_that_project_gives() -> None:
    ours, real = normal(0, 10), normal(1, 12)
    found = compare(ours, real, lambda one: one[:, :2], list("abcd"), 10, 0)
    assert found["frechet"]["value"] == frechet(ours[:, :2], real[:, :2])
