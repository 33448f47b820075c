"""All measures of a set together: the report of real music, the comparison with it, and copies."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import make_piece, smoke
from metrics.made_pieces import line, piece
from symusic.core import ScoreTick

from etude.metrics import originality
from etude.metrics.comparison import (
    Measured,
    Real,
    Train,
    choose_train,
    compare,
    describe,
    describe_copies,
    follow_copies,
)
from etude.metrics.distance import round_floats
from etude.metrics.distributions import KINDS
from etude.metrics.features import UNITS
from etude.metrics.sets import MEASURES
from etude.metrics.structure import UNITS as STRUCTURE

EVALUATE = replace(smoke().evaluate, resolution=12, bars=4, bootstrap=20, permutations=20, draws=4, window=16, seed=0)
TRAIN = [make_piece(seed) for seed in range(10)]
NAMES = [(f"p{place}", f"Title {place}") for place in range(10)]


def moved(score: ScoreTick, quarters: int, semitones: int) -> ScoreTick:
    found = score.shift_time(quarters * score.ticks_per_quarter)
    for track in found.tracks:
        track.shift_pitch(semitones, inplace=True)
    return found


@pytest.fixture(scope="module")
def train() -> Train:
    return Train.of(TRAIN, NAMES, 12)


@pytest.fixture(scope="module")
def report(train: Train) -> dict[str, Any]:
    """What reference writes, read again."""
    valid, test = ([make_piece(seed) for seed in range(first, first + 10)] for first in (20, 30))
    learned, other, real = (Measured.of(scores, EVALUATE) for scores in (TRAIN, valid, test))
    copied = originality.compare(real.points, train.reference, EVALUATE.window)
    made = describe(learned, other, real, EVALUATE, 8, copied)
    found: dict[str, Any] = json.loads(json.dumps(round_floats(made)))
    return found


def test_the_report_of_real_music(report: dict[str, Any]) -> None:
    assert (report["pieces"], report["resolution"], report["bars"], report["window"]) == (10, 12, 4, 16)
    assert report["real_against_real"]["pieces"] == 8
    assert list(report["sets"]) == list(MEASURES) and list(report["distributions_at_size"]) == list(KINDS)
    assert report["sets"]["classifier"]["value"] == pytest.approx(0.5, abs=0.25)
    assert set(report["structure"]) == set(STRUCTURE) and "real_distance" in report["structure"]["similarity_1"]
    assert report["distinct_at_size"]["bars"] == 8 * 4
    assert np.array(report["vectors"]).shape == (10, len(UNITS))
    line_ = report["originality"]["line"]
    assert line_["pieces"] == 10 and line_["highest"] == max(report["originality"]["scores"]) < 0.9


def test_other_pieces_of_the_same_source_are_near_and_the_same_twice(report: dict[str, Any]) -> None:
    real = Real.of(report)
    scores = [make_piece(seed) for seed in range(40, 52)]
    found, metrics = compare(Measured.of(scores, EVALUATE), real, EVALUATE)
    assert str(compare(Measured.of(scores, EVALUATE), real, EVALUATE)) == str((found, metrics))
    assert metrics["samples/pieces"] == 12 and metrics["samples/empty"] == 0
    assert metrics["samples/classifier"] < 0.85 and metrics["samples/classifier_p"] > 0.05
    assert metrics["samples/overlap_duration"] > 0.9
    assert metrics["samples/distance_low"] <= metrics["samples/distance"] <= metrics["samples/distance_high"]
    assert {f"samples/{name}" for name in MEASURES} <= set(metrics)
    assert {f"samples/overlap_{name}" for name in KINDS} <= set(metrics)
    assert {f"samples/{name}_mean" for name in STRUCTURE} <= set(metrics)
    assert sorted(place["rank"] for place in found["ranks"]) == list(range(12))


def test_transposed_pieces_are_told_by_their_pitch(report: dict[str, Any]) -> None:
    scores = [make_piece(seed, transpose=20) for seed in range(40, 50)]
    found, metrics = compare(Measured.of(scores, EVALUATE), Real.of(report), EVALUATE)
    first = found["sets"]["classifier"]["features"][0]
    assert metrics["samples/classifier"] == 1 and (first["name"], first["higher"]) == ("mean_pitch", True)
    assert metrics["samples/classifier_p"] == metrics["samples/mmd_p"] == pytest.approx(1 / 21)
    assert found["distributions"]["pitch"]["wasserstein"] == pytest.approx(20, abs=1)
    assert found["distributions"]["pitch"]["overlap"] < 0.7 < found["distributions"]["duration"]["overlap"]
    assert found["distributions"]["pitch"]["kullback_leibler"] > 0.5


def test_one_piece_many_times_is_seen_by_coverage_and_distinct_bars(report: dict[str, Any]) -> None:
    _, metrics = compare(Measured.of([make_piece(40)] * 10, EVALUATE), Real.of(report), EVALUATE)
    assert metrics["samples/distinct_share"] <= 0.1 and metrics["samples/recall"] == 0


@pytest.mark.parametrize(
    "scores",
    [
        [ScoreTick(24)] * 3,
        [piece(line(60))],
        [piece(drums=line(36, 38, 36, 38))] * 9,
        [make_piece(70), ScoreTick(24), piece(line(60)), piece(line(60, 64, 67), meter=(3, 4)), piece([])],
    ],
)
def test_strange_sets_are_no_fault(scores: list[ScoreTick], report: dict[str, Any], train: Train) -> None:
    measured, real = Measured.of(scores, EVALUATE), Real.of(report)
    found, metrics = compare(measured, real, EVALUATE)
    assert metrics["samples/pieces"] == len(measured) == len(scores)
    assert metrics["samples/empty"] == sum(score.note_num() == 0 for score in scores)
    if len(scores) < 8:
        assert math.isnan(metrics["samples/frechet"]) and math.isnan(metrics["samples/classifier_p"])
    json.dumps(round_floats({**found, "metrics": metrics}), allow_nan=False)
    copied = originality.compare(measured.points, train.reference, EVALUATE.window)
    copies, own = describe_copies(copied, [str(place) for place in range(len(scores))], train, real.line)
    json.dumps(round_floats({**copies, "metrics": own}), allow_nan=False)
    assert own["samples/copied_flagged"] == 0


def test_a_copy_is_flagged_and_its_piece_place_and_key_are_named(report: dict[str, Any], train: Train) -> None:
    scores = [make_piece(60), ScoreTick(24), moved(TRAIN[4], 3, -5), make_piece(61)]
    measured, line_ = Measured.of(scores, EVALUATE), Real.of(report).line
    done: list[int] = []
    copied = originality.compare(measured.points, train.reference, EVALUATE.window, report=done.append)
    found, metrics = describe_copies(copied, ["a", "b", "c", "d"], train, line_)
    assert done == [1, 2, 3, 4] and (found["compared_with"], found["of"]) == (10, 12)
    first, *others = found["pieces"]
    assert (first["file"], first["score"], first["flagged"]) == ("c", 1, True)
    assert (first["nearest"], first["title"], first["semitones"]) == ("p4", "Title 4", 5)
    assert first["where"] == first["start"] - 3 and first["start"] >= 3 and first["quarters"] < 16
    assert [piece_["flagged"] for piece_ in others] == [False] * 3 and others[-1]["file"] == "b", "nan comes last"
    assert others[-1]["nearest"] is None and others[-1]["title"] is None
    assert metrics["samples/copied_highest"] == 1 and metrics["samples/copied_flagged"] == 1
    assert metrics["samples/copied_median"] == sorted(one["score"] for one in found["pieces"][:3])[1]
    assert metrics["samples/longest_run"] == first["run"] and 0 < metrics["samples/runs_found"] < 1


def test_train_pieces_are_chosen_by_seed_in_their_order() -> None:
    ids = [f"{number:03}" for number in range(50)]
    assert choose_train(ids, replace(EVALUATE, train=50)) == ids
    few = replace(EVALUATE, train=10)
    chosen = choose_train(ids, few)
    assert len(set(chosen)) == 10 and chosen == sorted(chosen) == choose_train(ids, few)
    assert chosen != choose_train(ids, replace(few, seed=1))


def test_copying_is_followed_along_a_training(report: dict[str, Any], train: Train) -> None:
    snapshots = {200: [make_piece(60), ScoreTick(24)], 400: [TRAIN[1], TRAIN[2], make_piece(61)], 600: [ScoreTick(24)]}
    early, late, empty = follow_copies(snapshots, train, Real.of(report).line, EVALUATE)
    assert (early["step"], early["pieces"], early["flagged"]) == (200, 2, 0) and early["highest"] == early["median"] < 1
    assert (late["step"], late["flagged"], late["highest"], late["median"]) == (400, 2, 1, 1)
    assert empty["flagged"] == 0 and math.isnan(empty["median"]) and math.isnan(empty["highest"])
