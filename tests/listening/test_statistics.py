"""The statistics against known figures, and on simulated panels: what is there is found, what is not is not."""

import math

import numpy as np
import pytest
from listening.panel import Panel, make_key

from etude.listening.analysis import collect
from etude.listening.design import Shape
from etude.listening.statistics import (
    LEVEL,
    ROPE,
    agreement,
    compare,
    detectable,
    holm,
    interval,
    mean_interval,
    preference_differences,
    rating_differences,
    signed_rank,
    signed_rank_posterior,
    spearman,
    strength_draws,
    strengths,
    wins_of,
)

SYSTEMS = ("a", "b", "c", "d")
KEY = make_key(SYSTEMS, 6, Shape(2, 2, 3))
KNOWN = {"a": -1.2, "b": -0.4, "c": 0.4, "d": 1.2}


def test_holm_corrects_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, math.nan, 0.9])[0] == 1.0 and math.isnan(holm([math.nan])[0])


def test_the_signed_rank_test_of_known_figures() -> None:
    # without ties the statistic has 2^8 equally likely values: of (1..7, -8) 25 sums of negative ranks are 8 or less
    assert signed_rank(np.array([1.0, 2, 3, 4, 5, 6, 7, -8])) == pytest.approx(2 * 25 / 2**8)
    assert signed_rank(np.arange(1.0, 9)) == pytest.approx(2 / 2**8)
    assert signed_rank(np.zeros(5)) == 1 and math.isnan(signed_rank(np.zeros(0)))


def test_the_posterior_can_say_that_there_is_no_difference() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 0.1, 30), rng.normal(1.5, 0.3, 30)
    assert signed_rank_posterior(near, 0.5, 1)[1] > 0.99
    assert signed_rank_posterior(far, 0.5, 1)[0] > 0.99 and signed_rank_posterior(-far, 0.5, 1)[2] > 0.99
    assert sum(signed_rank_posterior(rng.normal(0.5, 1, 10), 0.5, 1)) == pytest.approx(1)
    assert signed_rank_posterior(near, 0.5, 1) == signed_rank_posterior(near, 0.5, 1)


def test_few_scattered_answers_leave_it_open() -> None:
    better, equal, worse = signed_rank_posterior(np.array([1.0, -1.0, 1.5, -2.0, 0.5]), 0.2, 1)
    assert max(better, equal, worse) < 0.95
    assert np.isnan(signed_rank_posterior(np.zeros(4), 0.2, 1)).all(), "four equal answers prove nothing"


def test_the_detectable_difference_is_detected_four_times_of_five() -> None:
    rng = np.random.default_rng(1)
    sizes = [detectable(rng.normal(0, 1, 20), 1) for _ in range(200)]
    shift = float(np.median(sizes))
    found = np.mean([signed_rank(rng.normal(shift, 1, 20)) < LEVEL for _ in range(400)])
    assert 0.72 < found < 0.88
    assert detectable(np.array([0.0, 1, 2, 3]), 6) > detectable(np.array([0.0, 1, 2, 3]), 1)
    assert math.isnan(detectable(np.array([1.0]), 1))


def test_strengths_of_counted_wins() -> None:
    wins = np.array([[0.0, 30], [10, 0]])
    found = strengths(wins)
    assert found.sum() == pytest.approx(0, abs=1e-9) and found[0] - found[1] == pytest.approx(math.log(3), abs=0.02)
    assert np.isfinite(strengths(np.array([[0.0, 5], [0, 0]]))).all(), "who never wins has a strength"


def test_agreement_of_known_tables() -> None:
    same = {name: {"x": 1, "y": 3, "z": 5} for name in "abc"}
    assert agreement(same)[0] == pytest.approx(1)
    # Krippendorff (2011), Computing Krippendorff's alpha-reliability, example C: 12 units, 4 observers, ordinal .815
    rows = ["1 2 3 3 2 1 4 1 2 - - -", "1 2 3 3 2 2 4 1 2 5 - 3", "- 3 3 3 2 3 4 2 2 5 1 -", "1 2 3 3 2 4 4 1 2 5 1 -"]
    table = {
        str(number): {str(place): int(text) for place, text in enumerate(row.split()) if text != "-"}
        for number, row in enumerate(rows)
    }
    assert agreement(table)[0] == pytest.approx(0.815, abs=0.001)
    assert math.isnan(agreement({"a": {"x": 1}, "b": {"y": 2}})[0])
    assert math.isnan(agreement({"a": {"x": 1}, "b": {"x": 1}})[0])
    assert math.isnan(agreement(table, 100, 1)[1]), "four have no interval"
    value, low, high = agreement({**table, "5": table["3"]}, 100, 1)
    assert low < value < high, "nobody agrees with himself"


def test_spearman() -> None:
    rows = np.array([[1.0, 2, 3, 4], [1, 2, 4, 3], [4, 3, 2, 1], [1, 1, 1, 1], [1, 2, math.nan, 3]])
    assert spearman(rows, np.array([10.0, 20, 30, 40])) == pytest.approx([1, 0.8, -1, math.nan, math.nan], nan_ok=True)
    assert np.isnan(spearman(np.array([[1.0, 2]]), np.array([1.0, 2]))).all()
    assert np.isnan(spearman(rows, np.ones(4))).all()


def test_known_preferences_are_recovered() -> None:
    covered, ordered = [], []
    for seed in range(12):
        preferences, _ = collect(KEY, Panel(KEY, KNOWN, none=0.0, seed=seed).listeners(25))
        wins = wins_of(preferences, SYSTEMS)
        found = strengths(wins.sum(axis=0))
        low, high = interval(strength_draws(wins, 1, 150))
        ordered.append(list(np.argsort(found)) == [0, 1, 2, 3])
        covered += [low[place] <= KNOWN[name] <= high[place] for place, name in enumerate(SYSTEMS)]
    assert all(ordered) and np.mean(covered) > 0.85


def test_a_clear_difference_is_found_and_named_the_right_way_round() -> None:
    means = {"a": 2.0, "b": 3.0, "c": 3.0, "d": 4.0}
    preferences, ratings = collect(KEY, Panel(KEY, KNOWN, means, seed=1).listeners(25))
    by_pair = {
        (one.first, one.second): one
        for one in compare(
            {("p", *pair): own for pair, own in preference_differences(preferences, SYSTEMS).items()},
            ROPE["preference"],
            1,
            1,
        )
    }
    assert by_pair["a", "d"].verdict == "second" and by_pair["a", "d"].difference < 0
    rated = {
        (one.first, one.second): one
        for one in compare(
            {("h", *pair): own for pair, own in rating_differences(ratings, SYSTEMS, "harmony").items()},
            ROPE["rating"],
            4,
            1,
        )
    }
    assert rated["a", "d"].verdict == "second" and rated["b", "c"].verdict in ("equal", "open")
    assert rated["a", "d"].difference == pytest.approx(-2, abs=0.4)


def test_no_effect_gives_no_effect() -> None:
    """100 panels without any difference: one test of a family errs in 5 of 100, give or take 3 deviations."""
    equal = dict.fromkeys(SYSTEMS, 0.0)
    wrong = {"preference": 0, "rating": 0}
    single = []
    for seed in range(100):
        preferences, ratings = collect(KEY, Panel(KEY, equal, none=0.2, seed=seed).listeners(16))
        values = {
            "preference": [signed_rank(own) for own in preference_differences(preferences, SYSTEMS).values()],
            "rating": [signed_rank(own) for own in rating_differences(ratings, SYSTEMS, "harmony").values()],
        }
        for kind, own in values.items():
            wrong[kind] += min(holm(own)) < LEVEL
            single += own
    most = 100 * LEVEL + 3 * math.sqrt(100 * LEVEL * (1 - LEVEL))
    assert wrong["preference"] <= most and wrong["rating"] <= most
    assert 0.02 < np.mean(np.array(single) < LEVEL) < 0.08, "a test that never errs is not at its level"


def test_no_difference_takes_a_sure_posterior_and_a_narrow_interval() -> None:
    rng = np.random.default_rng(2)
    narrow, wide = rng.normal(0, 0.3, 30), np.array([0.0] * 20 + [-3, 3, 3, 3, -3])
    first, second = compare({("x", "a", "b"): narrow, ("x", "a", "c"): wide}, 0.5, 4, 1)
    assert first.verdict == "equal" and second.equal > 0.95 and second.verdict == "open"


def test_intervals_of_means() -> None:
    assert mean_interval(np.array([1.0, 2, 3, 4, 5])) == pytest.approx((3, 3 - 1.9632, 3 + 1.9632), abs=1e-3)
    assert math.isnan(mean_interval(np.ones(4))[1]) and math.isnan(mean_interval(np.zeros(0))[0])


def test_intervals_and_detectable_differences_stay_within_what_there_is() -> None:
    split = np.array([4.0, -4, 4, -4, 4, 4])
    (one,) = compare({("x", "a", "b"): split}, 0.5, 4, 1)
    assert one.low >= -4 and one.high == 4 and math.isnan(one.detectable), "even the largest could not be shown"
    assert mean_interval(np.array([5.0, 5, 5, 5, 1]), 1, 5)[2] == 5
