"""Live logging: one run a training, continued after a failure, and the parent run of a sweep."""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tracking.tracked import SETTINGS, all_runs, artifacts_of, points_of, start, write_training

from etude import tracking
from etude.artifacts.context import Session
from etude.core.errors import Pruned
from etude.tracking.server import server


@pytest.mark.usefixtures("quiet")
def test_a_training_is_one_run_with_its_settings_metrics_and_files(session: Session) -> None:
    run = start(session)
    assert all_runs(session)[0].info.status == "RUNNING"
    run.metrics({"train/loss": 4.5}, 1)
    assert points_of(session, run.id, "train/loss") == [(1, 4.5)]  # live
    run.metrics({"train/loss": 3.5, "valid/nats_per_note": 2.0}, 2)
    assert points_of(session, run.id, "train/loss") == [(1, 4.5)]  # not a call a step
    run.finish(write_training(session.root))
    (made,) = all_runs(session)
    assert made.info.status == "FINISHED" and made.info.run_name == "lstm seed=3"
    assert made.data.params == {
        "model": "lstm", "seed": "3", "optim.lr": "0.002",
        "augment.stretch": "[0.9, 1.0]", "augment.transpose": "true",
        "model.hidden": "8", "model._target_": "etude.models.lstm.LSTM",
    }  # fmt: skip
    tags = made.data.tags
    assert (tags["etude.key"], tags["etude.place"], tags["etude.model"], tags["tokens"]) == (
        "k1",
        "",
        "lstm",
        "digest",
    )
    assert points_of(session, run.id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]  # step 3 from history.csv
    assert made.data.metrics == {"train/loss": 2.5, "valid/nats_per_note": 1.25, "best/step": 3.0}
    wanted = ["config.json", "history.csv", "result.json", "samples/00.html", "samples/00.mid", "samples/00.mp3"]
    assert artifacts_of(session, run.id) == wanted


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_an_unfinished_run_is_continued_and_steps_are_not_doubled(session: Session, status: str) -> None:
    first = start(session)
    first.metrics({"train/loss": 4.5}, 1)
    first.metrics({"train/loss": 3.5}, 2)
    first.finish(None, status)
    second = start(session)
    assert second.id == first.id and all_runs(session)[0].info.status == "RUNNING"
    second.metrics({"train/loss": 3.5}, 2)  # again, from the last checkpoint on
    second.metrics({"train/loss": 2.5}, 3)
    second.finish(None)
    assert points_of(session, first.id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]
    third = start(session)  # a finished run is left alone
    third.finish(None)
    assert third.id != first.id


def test_a_run_continued_with_other_settings_outside_its_key_keeps_its_own(session: Session) -> None:
    start(session).finish(None, "FAILED")
    start(session, settings={**SETTINGS, "seed": 4, "more": 1}).finish(None)
    (run,) = all_runs(session)
    assert run.data.params["seed"] == "3" and run.data.params["more"] == "1"


def test_another_key_place_or_living_process_is_another_run(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    living = start(session)
    beside = start(session)
    other = start(session, "k2")
    swept = start(Session(root=session.root, out=session.root / "outputs" / "1", experiment="etude"))
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    named = start(session)
    runs = [living, beside, other, swept, named]
    assert len({run.id for run in runs}) == 5
    places = {run.info.run_id: run.data.tags["etude.place"] for run in all_runs(session)}
    assert [places[run.id] for run in runs] == ["", "", "", "outputs/1", "puffy-daks"]
    for run in runs:
        run.finish(None)


def test_an_outage_in_the_middle_of_the_start_makes_no_second_run(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = server(session)
    tracking.reap(session)
    log_batch, failures = place.client.log_batch, iter([True])  # type: ignore[union-attr]

    def flaky(*args: Any, **more: Any) -> None:
        if next(failures, False):
            raise ConnectionError("gone")
        log_batch(*args, **more)

    monkeypatch.setattr(place.client, "log_batch", flaky)
    with pytest.warns(UserWarning, match="gone"):
        run = start(session)
    place.retry_at = 0
    run.send()
    (made,) = all_runs(session)
    assert made.info.run_id == run.id and made.data.params["model.hidden"] == "8"
    run.finish(None)


@pytest.mark.usefixtures("quiet")
def test_a_parent_and_its_children(session: Session) -> None:
    parent = tracking.start_parent(session, "lr", {"sweep": "optim.lr=1,2"})
    assert os.environ["ETUDE_PARENT_RUN"] == parent
    children = [start(session, key) for key in ("k1", "k2")]
    for child in children:
        child.finish(None)
    tracking.finish_parent(session, parent)
    assert "ETUDE_PARENT_RUN" not in os.environ
    runs = {run.info.run_id: run for run in all_runs(session)}
    assert {run.info.status for run in runs.values()} == {"FINISHED"} and len(runs) == 3
    assert {runs[child.id].data.tags["mlflow.parentRunId"] for child in children} == {parent}
    assert runs[parent].data.tags["sweep"] == "optim.lr=1,2" and runs[parent].info.run_name == "lr"
    assert runs[parent].data.tags["mlflow.note.content"].startswith("The parent of several trainings")
    table = tracking.runs(session)
    assert list(table["model"]) == ["lstm", "lstm"] and parent not in set(table["run_id"])
    assert list(table["params.model.hidden"]) == ["8", "8"]


@pytest.mark.usefixtures("quiet")
def test_a_parent_is_resumed_by_its_name_and_one_without_a_child_is_deleted(session: Session) -> None:
    first = tracking.start_parent(session, "search-1", {})
    start(session, "k1").finish(None)
    tracking.finish_parent(session, first, "KILLED")
    assert tracking.start_parent(session, "search-1", {}, resume=True) == first
    tracking.finish_parent(session, first, started=False)
    other = tracking.start_parent(session, "search-2", {}, resume=True)
    tracking.finish_parent(session, other, "FAILED", started=False)
    runs = {run.info.run_id: run.info.status for run in all_runs(session)}
    assert len(runs) == 2 and runs[first] == "FINISHED", "it has a child, whatever the caller thinks"
    assert other not in runs and other != first


@pytest.mark.usefixtures("quiet")
def test_a_table_is_added_to_the_parent_that_has_its_name(session: Session, tmp_path: Path) -> None:
    parent = tracking.start_parent(session, "sweep-1", {})
    child = start(session)
    child.finish(None)
    tracking.finish_parent(session, parent)
    page = tmp_path / "sweep.md"
    page.write_text("a table")
    assert tracking.add_to_parent(session, "sweep-1", page) and artifacts_of(session, parent) == ["sweep.md"]
    assert not tracking.add_to_parent(session, "lstm seed=3", page), "a training is no parent"
    assert tracking.name_of_parent(session, parent) == "sweep-1" and tracking.name_of_parent(session, "0" * 32) == ""


@pytest.mark.usefixtures("quiet")
def test_who_watches_a_training_may_end_it(session: Session) -> None:
    seen: list[tuple[dict[str, float], int]] = []

    def watch(row: Mapping[str, float], step: int) -> None:
        seen.append((dict(row), step))
        if step == 2:
            raise Pruned(step, "valid/x", 5.0)

    run = start(replace(session, watch=watch))
    run.metrics({"valid/x": 4.0}, 1)
    with pytest.raises(Pruned):
        run.metrics({"valid/x": 5.0}, 2)
    run.finish(None, "FAILED")
    (made,) = all_runs(session)
    assert seen == [({"valid/x": 4.0}, 1), ({"valid/x": 5.0}, 2)]
    assert made.info.status == "KILLED" and made.data.tags["etude.pruned"] == "at step 2"
    assert points_of(session, run.id, "valid/x") == [(1, 4.0), (2, 5.0)]


@pytest.mark.usefixtures("quiet")
def test_long_and_odd_values_do_not_stop_a_run(session: Session) -> None:
    settings = {"seed": 1, "long": "x" * 300, "longest": "y" * 9000, "none": None, "odd#key": 1, "empty": {}}
    run = tracking.start(session, "lstm", "k1", settings, {"long": "z" * 9000})
    run.metrics({"a": math.nan, "b": math.inf, "c": 1.0, "odd#metric": 2.0}, 1)
    run.finish(None)
    (made,) = all_runs(session)
    params = made.data.params
    assert params["long"] == "x" * 300 and len(params["longest"]) == 6000
    assert (params["none"], params["odd_key"], params["empty"]) == ("null", "1", "{}")
    assert math.isnan(made.data.metrics["a"]) and math.isnan(made.data.metrics["b"])
    assert made.data.metrics["c"] == 1.0 and made.data.metrics["odd_metric"] == 2.0


def test_a_clock_that_goes_back_changes_no_order(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    run, time_of = start(session), time.time
    for step, late in ((1, 0.0), (2, -3600.0), (3, -3600.0)):
        monkeypatch.setattr("etude.tracking.times.time.time", lambda late=late: time_of() + late)
        run.metrics({"train/loss": float(step)}, step)
    run.finish(None)
    monkeypatch.undo()
    client = server(session).client
    assert client is not None
    found = sorted(client.get_metric_history(run.id, "train/loss"), key=lambda point: point.step)
    assert [point.timestamp for point in found] == sorted(point.timestamp for point in found)
    ended = client.get_run(run.id)
    assert ended.data.metrics["train/loss"] == 3.0 and ended.info.end_time >= found[-1].timestamp
