"""A run while it is trained, and the parent run of a sweep."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.artifacts.context import Session
from etude.core.errors import Pruned
from etude.core.signals import deferred
from etude.tracking.alive import gate, hold, reap_inside, release, search
from etude.tracking.describe import PARENT, PARENT_RUN, Training, describe, parent, surroundings
from etude.tracking.disk import Trained
from etude.tracking.machine import watch
from etude.tracking.record import Point, complete, send, take
from etude.tracking.server import NOTE, Server, server
from etude.tracking.times import end, now

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Record
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

EVERY = 2.0  # seconds between two sendings
SOURCE = "etude train"


class Run:
    """One training in MLflow, while it goes on. Nothing that it does raises an error; see ``start``.

    Only ``watch``, which sees each row of metrics, may end the training: with ``Pruned``.
    """

    def __init__(
        self, tracker: Server, training: Training, watch: Callable[[Mapping[str, float], int], None] | None = None
    ) -> None:
        """Ask nothing of MLflow yet; the first ``send`` does."""
        self.id = ""  # until MLflow has it
        self._tracker, self._training, self._watch = tracker, training, watch
        self._pruned: Pruned | None = None
        self._waiting: list[Point] = []
        self._before: dict[tuple[str, int], int] = {}  # what an earlier process recorded
        self._due = 0.0
        self._monitor: SystemMetricsMonitor | None = None

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Take values measured at ``step``. They are sent every 2 s, and kept while MLflow is away."""
        self._waiting += [Point(name, float(value), step, now()) for name, value in values.items()]
        started = time.monotonic()
        if started >= self._due:
            self.send()
            ended = time.monotonic()
            self._due = ended + max(
                EVERY, 20 * (ended - started)
            )  # a slow server costs a twentieth of the time at most
        if self._watch is not None:
            try:
                self._watch(values, step)
            except Pruned as pruned:
                self._pruned = pruned
                raise

    def send(self) -> None:
        """Send what waits, unless MLflow was away a moment ago."""
        self._tracker.attempt(self._send)

    def _send(self, client: "MlflowClient", experiment: str) -> None:
        if not self.id:
            self._take(client, experiment)
        send(client, self.id, (point for point in self._waiting if point.where not in self._before))
        self._waiting.clear()

    def _take(self, client: "MlflowClient", experiment: str) -> None:
        with gate(self._tracker.root), deferred():
            reap_inside(client, experiment, self._tracker.root)
            self.id, self._before = take(client, experiment, self._training, self._tracker.root)
        self._monitor = watch(self.id, self._tracker.uri)

    def finish(self, folder: Path | None, status: str = "FINISHED") -> None:
        """End the run.

        Args:
            folder: models/V, whose config.json, history.csv, result.json and samples/ become artifacts (not the
                weights), whose result becomes metrics, and whose history fills gaps; None after a failure.
            status: FINISHED, FAILED or KILLED. A training that was pruned is KILLED, with the tag etude.pruned.
        """
        if self._pruned is not None:
            status = "KILLED"

        def work(client: "MlflowClient", experiment: str) -> None:
            self._send(client, experiment)
            if folder is not None:
                trained = Trained.read(folder)
                complete(client, self.id, trained.points, trained.result, trained.files)
            if self._pruned is not None:
                client.set_tag(self.id, "etude.pruned", f"at step {self._pruned.step}")
            end(client, self.id, status)

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
    run = Run(server(session), training, session.watch)
    try:
        run.send()
    except KeyboardInterrupt:  # nobody else knows of it yet
        if run.id:
            run.finish(None, "KILLED")
        raise
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
    status = "KILLED"

    def metrics(values: Mapping[str, float]) -> None:
        if run:
            points = [Point(name, float(value), 0, now()) for name, value in values.items()]
            server(session).attempt(lambda client, experiment: send(client, run, points), at_once=True)

    try:
        yield metrics
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        finish_parent(session, run, status)
        if outer:
            os.environ[PARENT] = outer


def start_parent(session: Session, name: str, tags: Mapping[str, str], resume: bool = False) -> str:
    """Make the parent run of a sweep and let the trainings of this process and its workers be its children.

    Args:
        session: of the project.
        name: the name of the run.
        tags: further tags.
        resume: go on with the project's last parent run of this name, if there is one.

    Gives its id, or "" where MLflow is away: the children then run without a parent.
    """
    tracker, made = server(session), []

    def work(client: "MlflowClient", experiment: str) -> None:
        with gate(tracker.root), deferred():
            reap_inside(client, experiment, tracker.root)
            old = _parents(client, experiment, tracker.root, name) if resume else []
            if old:
                run_id = str(old[0].info.run_id)
                client.update_run(run_id, status="RUNNING")
            else:
                swept = tags.get("etude.overrides", "")
                note = f"The parent of several trainings{f': {swept}' if swept else ''}. They are the runs below it."
                own = {**surroundings(session, SOURCE), NOTE: note, **tags}
                run_id = str(client.create_run(experiment, now(), own, name).info.run_id)
            hold(tracker.root, run_id)
            made.append(run_id)

    os.environ.pop(PARENT, None)  # a sweep is nobody's child
    try:
        tracker.attempt(work)
    except KeyboardInterrupt:  # nobody else knows of it yet
        finish_parent(session, "".join(made), "KILLED", started=False)
        raise
    if not made:
        return ""
    os.environ[PARENT] = made[0]
    return made[0]


def _parents(client: "MlflowClient", experiment: str, root: Path, name: str) -> "list[Record]":
    """The parent runs of a name in a project, the youngest first."""
    found = search(client, experiment, f"attributes.run_name = '{name}'")
    return [run for run in found if "etude.key" not in run.data.tags and run.data.tags.get("etude.root") == str(root)]


def finish_parent(session: Session, run_id: str, status: str = "FINISHED", started: bool = True) -> None:
    """End a parent run; "" (there is none) is ignored.

    Args:
        session: of the project.
        run_id: what ``start_parent`` gave.
        status: FINISHED, FAILED or KILLED.
        started: whether any training has started; a parent without one and without a child in MLflow is deleted.
    """
    if not run_id:
        return

    def work(client: "MlflowClient", experiment: str) -> None:
        end(client, run_id, status)
        if not started and not search(client, experiment, f"tags.`{PARENT_RUN}` = '{run_id}'"):
            client.delete_run(run_id)

    os.environ.pop(PARENT, None)
    server(session).attempt(work, at_once=True)
    release(run_id)


def add_to_parent(session: Session, name: str, file: Path) -> bool:
    """Log a file to the project's last parent run of a name. False where there is none, or MLflow is away."""
    tracker, done = server(session), []

    def work(client: "MlflowClient", experiment: str) -> None:
        for run in _parents(client, experiment, tracker.root, name)[:1]:
            client.log_artifact(run.info.run_id, str(file))
            done.append(run)

    tracker.attempt(work, at_once=True)
    return bool(done)


def name_of_parent(session: Session, run_id: str) -> str:
    """The name of a parent run, which is that of its folder below runs/; "" where MLflow has no such run."""
    found: list[str] = []

    def work(client: "MlflowClient", experiment: str) -> None:
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):  # no such run
            found.append(str(client.get_run(run_id).info.run_name))

    server(session).attempt(work, at_once=True)
    return found[0] if found else ""
