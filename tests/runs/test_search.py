"""The search for settings: what a killed study goes on with, and what is pruned."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etude.core.errors import EtudeError, Pruned
from etude.runs.search import Choice, Interval, Method, Search, Trial, folder_of

METHOD = Method(8, 0, "TPESampler", {"n_startup_trials": 3}, "MedianPruner", {"n_startup_trials": 1})
SPACE: dict[str, Choice | Interval] = {
    "optim.lr": Interval(1e-4, 1e-1, log=True),
    "layers": Interval(1, 3, whole=True),
    "name": Choice(("a", "b")),
}


def value_of(values: dict[str, str]) -> float:
    return abs(math.log10(float(values["optim.lr"])) + 2) + 0.1 * int(values["layers"]) + (values["name"] == "b")


def trial_of(search: Search, number: int) -> Trial:
    return Trial(search.folder, number, search.method.pruner, search.method.pruner_options)


def run(search: Search, count: int) -> None:
    for _ in range(count):
        (one,) = search.next(1)
        trial_of(search, one.number).finish(value_of(one.values))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    search = Search(tmp_path_factory.mktemp("whole"), METHOD, SPACE)
    run(search, 8)
    yield search


def test_a_search_ends_after_its_trials_and_improves(uninterrupted: Search) -> None:
    assert uninterrupted.ended == 8 and uninterrupted.next(1) == []
    more = Search(uninterrupted.folder, replace(METHOD, trials=9), SPACE)
    assert more.ended == 8, "nothing is run again"
    assert "8 of 8" in uninterrupted.line(7) and "the best is" in uninterrupted.line(7)


def test_a_killed_search_suggests_what_an_uninterrupted_one_does(tmp_path: Path, uninterrupted: Search) -> None:
    first = Search(tmp_path, METHOD, SPACE)
    run(first, 4)
    (cut,) = first.next(1)
    trial_of(first, cut.number).watch({"valid/x": 1.0}, 3)
    again = Search(tmp_path, METHOD, SPACE)
    assert again.ended == 4
    assert again.next(1) == [cut], "the interrupted trial is run again under its number"
    trial_of(again, cut.number).finish(value_of(cut.values))
    run(again, 3)
    assert again.next(1) == [] and len(again.study.trials) == 8
    assert [one.params for one in again.study.trials] == [one.params for one in uninterrupted.study.trials]


def test_several_at_a_time_never_exceed_the_number(tmp_path: Path) -> None:
    search = Search(tmp_path, replace(METHOD, trials=5), SPACE)
    assert [one.number for one in search.next(3)] == [0, 1, 2]
    again = Search(tmp_path, replace(METHOD, trials=5), SPACE)
    batch = again.next(4)
    assert [one.number for one in batch] == [0, 1, 2, 3]
    for one in batch:
        again.fail(one.number)
    assert [one.number for one in again.next(4)] == [4] and again.ended == 4


def test_a_training_that_is_worse_than_others_is_pruned(tmp_path: Path) -> None:
    search = Search(tmp_path, METHOD, SPACE)
    for number, value in enumerate((1.0, 2.0)):
        search.next(1)
        trial = trial_of(search, number)
        trial.watch({"train/loss": 9.0}, 1)
        if number == 0:
            trial.watch({"valid/x": value}, 3)
            trial.finish(value)
            continue
        with pytest.raises(Pruned) as pruned:
            trial.watch({"valid/x": value}, 3)
        assert (pruned.value.step, pruned.value.metric, pruned.value.value) == (3, "valid/x", 2.0)
        trial.prune()
    assert [one.state.name for one in search.study.trials] == ["COMPLETE", "PRUNED"]
    assert search.line(1) == "trial 1, 2 of 8: pruned at 2.0000; the best is 1.0000, of trial 0"


def test_a_validation_is_reported_once(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    search = Search(tmp_path, METHOD, SPACE)
    search.next(1)
    trial_of(search, 0).watch({"valid/x": 1.0}, 3)
    trial_of(search, 0).watch({"valid/x": 5.0}, 3)  # in the resumed training
    assert search.study.trials[0].intermediate_values == {3: 1.0}
    assert not [warning for warning in recwarn if "already reported" in str(warning.message)]


def test_the_same_search_has_the_same_folder(tmp_path: Path) -> None:
    place = folder_of(tmp_path, METHOD, SPACE, ["k1", "k2"])
    assert place.parent == tmp_path / "runs"
    assert folder_of(tmp_path, replace(METHOD, trials=99), SPACE, ["k2", "k1"]) == place
    others = [
        folder_of(tmp_path, replace(METHOD, study="again"), SPACE, ["k1", "k2"]),
        folder_of(tmp_path, METHOD, {**SPACE, "layers": Interval(1, 4, whole=True)}, ["k1", "k2"]),
        folder_of(tmp_path, METHOD, SPACE, ["k1", "k3"]),
    ]
    assert len({place, *others}) == 4


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    search = Search(tmp_path, METHOD, SPACE)
    with search.alone(), pytest.raises(EtudeError, match="This search is running already"), search.alone():
        pass
    with search.alone():
        pass


def test_bad_methods_and_ranges_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"sampler = TPE is no sampler of optuna\. .*There are: .*TPESampler"):
        Search(tmp_path, replace(METHOD, sampler="TPE"), SPACE)
    with pytest.raises(EtudeError, match=r"sampler_options do not fit TPESampler: .*nonsense"):
        Search(tmp_path, replace(METHOD, sampler_options={"nonsense": 1}), SPACE)
    with pytest.raises(EtudeError, match=r"pruner = Median is no pruner of optuna\. .*MedianPruner"):
        Search(tmp_path / "none", replace(METHOD, pruner="Median"), SPACE)
    assert not (tmp_path / "none").exists()
    with pytest.raises(EtudeError, match=r"interval\(2, 1\) is empty"):
        Interval(2, 1)
    with pytest.raises(EtudeError, match="must lie above 0"):
        Interval(0, 1, log=True)
