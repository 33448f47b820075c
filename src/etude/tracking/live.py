"""A run while it is trained, and the parent run of a sweep."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.artifacts.context import Session
from etude.tracking.alive import gate, hold, reap_inside, release
from etude.tracking.describe import PARENT, PARENT_RUN, Training, describe, parent, surroundings
from etude.tracking.disk import Trained
from etude.tracking.machine import Speed, watch
from etude.tracking.record import Point, complete, now, send, take
from etude.tracking.server import NOTE, Server, server

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

EVERY = 2.0  # seconds between two sendings
SOURCE = "etude train"


class Run:
    """One training in MLflow, while it goes on. Nothing that it does raises an error; see ``start``."""

    def __init__(self, tracker: Server, training: Training) -> None:
        """Ask nothing of MLflow yet; the first ``send`` does."""
        self.id = ""  # until MLflow has it
        self._tracker, self._training = tracker, training
        self._waiting: list[Point] = []
        self._before: set[tuple[str, int]] = set()  # what an earlier process recorded
        self._due = 0.0
        self._speed = Speed()
        self._monitor: SystemMetricsMonitor | None = None

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Take values measured at ``step``, and add the steps a second. They are sent every 2 s, and kept while MLflow
        is away.
        """
        values = {**values, **self._speed.measure(values, step)}
        self._waiting += [Point(name, float(value), step, now()) for name, value in values.items()]
        started = time.monotonic()
        if started >= self._due:
            self.send()
            ended = time.monotonic()
            self._due = ended + max(
                EVERY, 20 * (ended - started)
            )  # a slow server costs a twentieth of the time at most

    def send(self) -> None:
        """Send what waits, unless MLflow was away a moment ago."""
        self._tracker.attempt(self._send)

    def _send(self, client: "MlflowClient", experiment: str) -> None:
        if not self.id:
            self._take(client, experiment)
        send(client, self.id, (point for point in self._waiting if point.where not in self._before))
        self._waiting.clear()

    def _take(self, client: "MlflowClient", experiment: str) -> None:
        with gate(self._tracker.root):
            reap_inside(client, experiment, self._tracker.root)
            self.id, self._before = take(client, experiment, self._training, self._tracker.root)
        self._monitor = watch(self.id, self._tracker.uri)

    def finish(self, folder: Path | None, status: str = "FINISHED") -> None:
        """End the run.

        Args:
            folder: models/V, whose config.json, history.csv, result.json and samples/ become artifacts (not the
                weights), whose result becomes metrics, and whose history fills gaps; None after a failure.
            status: FINISHED, FAILED or KILLED.
        """

        def work(client: "MlflowClient", experiment: str) -> None:
            self._send(client, experiment)
            if folder is not None:
                trained = Trained.read(folder)
                complete(client, self.id, trained.points, trained.result, trained.files)
            client.set_terminated(self.id, status)

        if self._monitor is not None:
            self._monitor.finish()  # raises nothing
        self._tracker.attempt(work, at_once=True)
        release(self.id)  # if MLflow is away the run stays RUNNING for the next reap, and unfinished for publish


def start(session: Session, model_name: str, key: str, settings: Mapping[str, Any], tags: Mapping[str, str]) -> Run:
    """Start the run of one training, or resume the unfinished one of the same key and place.

    Args:
        session: where the results will lie, which is the run's place.
        model_name: its name.
        key: digest of all that the training depends on.
        settings: all sections, as in params.yaml.
        tags: further tags, as the digest of the tokens; "overrides", where there is one, gives the run its name.

    A server that is away, now or later, costs a warning; metrics wait and are sent when it is back.
    """
    training = describe(session, session.out or session.root, model_name, key, settings, tags, SOURCE)
    run = Run(server(session), training)
    run.send()
    return run


@contextmanager
def children_of(
    session: Session, name: str, tags: Mapping[str, str]
) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """A parent run, of which the trainings inside are children; it is a child itself where there is a sweep around.

    Gives what logs metrics to it.
    """
    outer = parent()
    run = start_parent(session, name, {**tags, **({PARENT_RUN: outer} if outer else {})})
    status = "FAILED"

    def metrics(values: Mapping[str, float]) -> None:
        if run:
            points = [Point(name, float(value), 0, now()) for name, value in values.items()]
            server(session).attempt(lambda client, experiment: send(client, run, points), at_once=True)

    try:
        yield metrics
        status = "FINISHED"
    finally:
        finish_parent(session, run, status)
        if outer:
            os.environ[PARENT] = outer


def start_parent(session: Session, name: str, tags: Mapping[str, str]) -> str:
    """Make the parent run of a sweep and let the trainings of this process and its workers be its children.

    Gives its id, or "" where MLflow is away: the children then run without a parent.
    """
    tracker, made = server(session), []

    def work(client: "MlflowClient", experiment: str) -> None:
        with gate(tracker.root):
            reap_inside(client, experiment, tracker.root)
            swept = tags.get("etude.overrides", "")
            note = f"The parent of several trainings{f': {swept}' if swept else ''}. They are the runs below it."
            own = {**surroundings(session, SOURCE), NOTE: note, **tags}
            run = client.create_run(experiment, run_name=name, tags=own)
            hold(tracker.root, run.info.run_id)
            made.append(str(run.info.run_id))

    os.environ.pop(PARENT, None)  # a sweep is nobody's child
    tracker.attempt(work)
    if not made:
        return ""
    os.environ[PARENT] = made[0]
    return made[0]


def finish_parent(session: Session, run_id: str, status: str = "FINISHED") -> None:
    """End a parent run; "" (there is none) is ignored."""
    if not run_id:
        return
    os.environ.pop(PARENT, None)
    server(session).attempt(lambda client, experiment: client.set_terminated(run_id, status), at_once=True)
    release(run_id)
