"""Writing one training into MLflow: resume its run or make one, send points, add what it lacks."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etude.artifacts import catalog
from etude.core.files import digest, digest_of
from etude.tracking.alive import hold, release, search
from etude.tracking.describe import OURS, Training, label
from etude.tracking.times import now

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Record

DIGEST = 16  # characters of a dataset's digest in MLflow, which takes 36 at most; its profile has all


class Point(NamedTuple):
    """A metric's value at a step. ``time`` is in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time: int

    @property
    def where(self) -> tuple[str, int]:
        """What identifies it among the run's points."""
        return label(self.name), self.step


def runs_of(client: "MlflowClient", experiment: str, training: Training) -> "list[Record]":
    """The runs of a training, the youngest first."""
    found = search(client, experiment, f"tags.`etude.key` = '{training.key}'")
    return [run for run in found if run.data.tags.get("etude.place", "") == training.place]


def take(
    client: "MlflowClient", experiment: str, training: Training, root: Path
) -> tuple[str, dict[tuple[str, int], int]]:
    """Resume the youngest unfinished run of a training, or make a new one; it is RUNNING and held.

    Call it inside the gate, after the reap: what is still RUNNING, another process writes. Gives the run's id and the
    points that it has, with their times.
    """
    old = [run for run in runs_of(client, experiment, training) if run.info.status in ("KILLED", "FAILED")]
    run = old[0] if old else client.create_run(experiment, now(), training.tags, training.name)
    run_id = str(run.info.run_id)
    hold(root, run_id)
    try:
        if old:
            client.update_run(run_id, status="RUNNING")
        _introduce(client, run, training)
        return run_id, known_points(client, run_id, run.data.metrics)
    except Exception:
        release(run_id)  # the next attempt resumes it
        raise


def _introduce(client: "MlflowClient", run: "Record", training: Training) -> None:
    """Log parameters and tags that the run lacks: MLflow lets no parameter change."""
    from mlflow.entities import RunTag

    add_params(client, run, training.params)
    tags = {name: text for name, text in training.tags.items() if name in OURS or name not in run.data.tags}
    client.log_batch(run.info.run_id, tags=[RunTag(name, text) for name, text in tags.items()])
    add_data(client, run, training)


def add_params(client: "MlflowClient", run: "Record", params: Mapping[str, str]) -> None:
    """Log the parameters that a run lacks; those that it has stay, as MLflow lets none change."""
    from mlflow.entities import Param

    if new := [Param(name, text) for name, text in params.items() if name not in run.data.params]:
        client.log_batch(run.info.run_id, params=new)


def add_data(client: "MlflowClient", run: "Record", training: Training) -> None:
    """Log what a training read as the run's dataset, if the run has none."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = training.data
    if data is None or (run.inputs is not None and run.inputs.dataset_inputs):
        return
    source = {"uri": catalog.tokens(data.representation).place}
    dataset = Dataset(
        name=data.name,
        digest=data.digest[:DIGEST],
        source_type="local",
        source=json.dumps(source),
        profile=json.dumps({"representation": data.representation, "sha256": data.digest}),
    )
    client.log_inputs(run.info.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def known_points(client: "MlflowClient", run_id: str, names: Iterable[str]) -> dict[tuple[str, int], int]:
    """The (metric, step) pairs that a run has already, each with its time."""
    known = client.get_run(run_id).data.metrics
    wanted = sorted({label(name) for name in names} & set(known))
    return {(name, point.step): point.timestamp for name in wanted for point in client.get_metric_history(run_id, name)}


def send(client: "MlflowClient", run_id: str, points: Iterable[Point]) -> None:
    """Send points. What is not finite is sent as nan: MLflow would turn infinity into 1.8e308, which ruins a plot."""
    from mlflow.entities import Metric

    metrics = [
        Metric(label(point.name), point.value if math.isfinite(point.value) else math.nan, point.time, point.step)
        for point in points
    ]
    client.log_batch(run_id, metrics=metrics)


def complete(
    client: "MlflowClient",
    run_id: str,
    points: list[Point],
    summary: Mapping[str, float],
    files: Mapping[str, Path],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add to a run what it lacks; nothing is sent twice.

    Args:
        client: of the server that has the run.
        run_id: the run.
        points: the whole history.
        summary: final values, logged at the last step. Where the history has the name too, the final value is what
            MLflow's table shows.
        files: name among the artifacts (with folders) -> file.
        tags: further tags; a tag of the run that differs is replaced.
    """
    have = known_points(client, run_id, {point.name for point in points})
    send(client, run_id, [point for point in points if point.where not in have])
    data = client.get_run(run_id).data
    last = max((point.step for point in points), default=int(summary.get("steps", 0)))
    news = {name: value for name, value in summary.items() if not _equal(data.metrics.get(label(name)), value)}
    # than the history, and what it replaces: of two values at one step MLflow shows the later
    later = max([now(), *have.values(), *known_points(client, run_id, news).values()]) + 1
    send(client, run_id, [Point(name, value, last, later) for name, value in news.items()])
    mark = digest_of([[name, digest(file)] for name, file in sorted(files.items())])
    if data.tags.get("etude.files") != mark:
        for name, file in sorted(files.items()):
            client.log_artifact(run_id, str(file), name.rpartition("/")[0] or None)
        client.set_tag(run_id, "etude.files", mark)
    for name, text in (tags or {}).items():
        if data.tags.get(label(name)) != text:
            client.set_tag(run_id, label(name), text)


def _equal(known: float | None, value: float) -> bool:
    if known is None or math.isfinite(value):
        return known == value
    return math.isnan(known)
