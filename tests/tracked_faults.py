"""MLflow under faults: many writers on one database, a server that dies or hangs, a sweep of many jobs at once."""

import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from conftest import tiny
from disturbed import differing, project
from hanging import ANSWERS, hanging
from injection import Outcome, contents, run
from table import Row, part

from etude.artifacts.context import Session
from etude.config.sections import Settings

WRITERS = (16, 64)
STEPS = 30  # of each writer
LOST = 4  # one writer in so many is killed
LONGEST = 300.0  # seconds
KILLS, HANGS, SWEEPS = 12, 2, (8, 16)  # of each row; HANGS of each way to hang
AWAY = 90.0  # seconds that a server which hangs may cost a training
SPEED = "train/steps_per_second"  # differs each time


# --- many writers on a fresh database


def _write(root: Path, number: int, to: Connection, dies: bool) -> None:
    from etude import tracking

    warnings.simplefilter("ignore")
    run = tracking.start(Session(root=root, experiment="etude"), "lstm", f"k{number}", {}, {})
    to.send(run.id)
    for step in range(STEPS):
        run.metrics({"train/loss": float(step)}, step)
        run.send()
        if dies and step == STEPS // 2:
            os.kill(os.getpid(), signal.SIGKILL)
    run.finish(None)


def _reap(root: Path, until: Connection) -> None:
    from etude import tracking

    warnings.simplefilter("ignore")
    while not until.poll(0.05):
        tracking.reap(Session(root=root, experiment="etude"))


def many_writers(folder: Path, share: float) -> Iterator[Row]:
    """Processes that log to a database which none of them finds there, while the runs of killed ones are reaped."""
    import multiprocessing

    import mlflow  # noqa: F401  a fork has it, which takes seconds else

    fork = multiprocessing.get_context("fork")
    for many in WRITERS:
        count, root = max(4, part(many, share)), folder / f"of-{many}"
        root.mkdir(parents=True)
        row = Row(f"{count} processes log to a fresh database, of which {count // LOST} are killed")
        stop, stopped = fork.Pipe()
        reaper = fork.Process(target=_reap, args=(root, stopped))
        pipes = [fork.Pipe(duplex=False) for _ in range(count)]
        writers = [
            fork.Process(target=_write, args=(root, number, there, number % LOST == 0))
            for number, (_, there) in enumerate(pipes)
        ]
        for one in (reaper, *writers):
            one.start()
        for number, one in enumerate(writers):
            one.join(LONGEST)
            if one.exitcode is None:
                one.kill()
            expected = -signal.SIGKILL if number % LOST == 0 else 0
            row.failures += [] if one.exitcode == expected else [f"writer {number} ended with {one.exitcode}"]
        stop.send(None)
        reaper.join(LONGEST)
        last = fork.Process(target=_reap_once, args=(root,))
        last.start()
        last.join(LONGEST)
        runs = {key: (status, points) for key, status, points in _runs(root / "mlruns/mlflow.db")}
        for number in range(count):
            dies = number % LOST == 0
            status, points = runs.get(f"k{number}", ("no run", []))
            wanted = ("KILLED", STEPS // 2 + 1) if dies else ("FINISHED", STEPS)
            row.count(*([] if (status, len(points)) == wanted else [f"k{number}: {status}, {len(points)} points"]))
        row.failures += [f"{len(runs)} runs"] if len(runs) != count else []
        yield row


def _reap_once(root: Path) -> None:
    from etude import tracking

    tracking.reap(Session(root=root, experiment="etude"))


def _runs(database: Path) -> list[tuple[str, str, list[tuple[str, int, float]]]]:
    """The key, the status and the points of each run; points that are there twice are twice in the list."""
    with closing(sqlite3.connect(database)) as tables:
        found = []
        for run_id, status in tables.execute("SELECT run_uuid, status FROM runs").fetchall():
            keys = tables.execute(
                "SELECT value FROM tags WHERE run_uuid = ? AND key = 'etude.key'", (run_id,)
            ).fetchall()
            points = tables.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ?", (run_id,)).fetchall()
            found.append((keys[0][0] if keys else "", status, sorted(point for point in points if point[0] != SPEED)))
    return found


# --- a server that dies or hangs


@cache
def longer() -> Settings:
    """A training of two dozen rows."""
    return tiny(
        generate={"pieces": 2, "open_bars": 4, "max_tokens": 40},
        train={"max_steps": 24, "steps_per_epoch": 4, "patience": 100},
        trainer={"steps": None},
    )


@dataclass(frozen=True)
class Tracked:
    """A training that logs to ``uri``, some 3 s long; a server that is away is tried again after ``retry`` seconds."""

    uri: str
    retry: float = 1.0

    def __call__(self, folder: Path) -> None:
        """Train."""
        from etude.stages import train
        from etude.tracking import server

        warnings.simplefilter("ignore")
        os.environ["MLFLOW_TRACKING_URI"], server.RETRY = self.uri, self.retry
        session = Session(root=folder, workers=1, progress=False, samples=0, watch=lambda *_: time.sleep(0.2))
        train.run(longer(), session, "lstm")


@dataclass(frozen=True)
class Publish:
    """``etude track`` with MLflow at ``uri``."""

    uri: str

    def __call__(self, folder: Path) -> None:
        """Track."""
        from etude.stages import track

        warnings.simplefilter("ignore")
        os.environ["MLFLOW_TRACKING_URI"] = self.uri
        track.run(longer(), Session(root=folder, progress=False))


class Served:
    """MLflow's server of one database on a port of this machine."""

    def __init__(self, folder: Path) -> None:
        """Args: where its database and its artifacts lie."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        folder.mkdir(parents=True)
        self.database, self.uri = folder / "mlflow.db", f"http://127.0.0.1:{self.port}"
        self.command = [
            *_command(f"sqlite:///{self.database}", self.port),
            "--artifacts-destination",
            str(folder / "a"),
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        from etude.tracking.ui import QUIET, _answers

        null = subprocess.DEVNULL
        environment = {**os.environ, **QUIET}
        self.process = subprocess.Popen(self.command, env=environment, stdout=null, stderr=null, start_new_session=True)
        until = time.monotonic() + LONGEST
        while not _answers(self.port):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("MLflow's server does not start.")
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill it and what it has started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _command(uri: str, port: int) -> list[str]:
    from etude.tracking.ui import command

    return command(uri, port)


def _fresh(folder: Path) -> Path:
    place = folder / "project"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(project(), place, symlinks=True)
    return place


def killed_server(folder: Path, share: float) -> Iterator[Row]:
    """A server that is killed at any time of a training, and started again in it or after it; then ``etude track``."""
    row, draw = Row("a tracking server is killed in a training and started again"), random.Random(7)
    place = _fresh(folder)
    undisturbed = f"sqlite:///{folder}/mlflow.db"
    _require(run(place, Tracked(undisturbed), place))
    weights = contents(place / "models")
    _require(run(place, Publish(undisturbed), place))
    ((_, status, wanted),) = _runs(folder / "mlflow.db")
    assert status == "FINISHED" and wanted
    served = Served(folder / "server")
    try:
        served.start()
        place = _fresh(folder)
        started = time.monotonic()
        _require(run(place, Tracked(served.uri), place))
        took = time.monotonic() - started
        for _ in range(part(KILLS, share)):
            place = _fresh(folder)
            served.kill()
            for file in served.database.parent.glob("mlflow.db*"):
                file.unlink()
            served.start()
            after, later = draw.uniform(0.3, took), draw.choice([0.5, 2.0, LONGEST])
            where = f"killed after {after:.1f} of {took:.1f} s"
            done: list[Outcome] = []
            training = threading.Thread(target=_train, args=(place, served.uri, done))
            training.start()
            time.sleep(after)
            served.kill()
            training.join(later)
            served.start()
            training.join()
            faults = [] if not done[0].text else [f"{where}: the training ended with {done[0].text[:300]}"]
            if contents(place / "models") != weights:
                faults.append(f"{where}: other weights")
            for _ in range(2):  # the second changes nothing
                tracked = run(place, Publish(served.uri), place)
                faults += [f"{where}: etude track ended with {tracked.text[:300]}"] if tracked.text else []
            row.count(*faults, *(f"{where}: {fault}" for fault in _compared(served.database, wanted)))
    finally:
        served.kill()
    yield row


def _train(place: Path, uri: str, done: list[Outcome]) -> None:
    done.append(run(place, Tracked(uri), place))


def _require(outcome: Outcome) -> None:
    if outcome.text:
        raise RuntimeError(f"Undisturbed, it ended with {outcome.text}")


def _compared(database: Path, wanted: list[tuple[str, int, float]]) -> Iterator[str]:
    runs = _runs(database)
    if [status for _, status, _ in runs] != ["FINISHED"]:
        yield f"runs: {', '.join(status for _, status, _ in runs)}"
    for _, _, points in runs[:1]:
        if points != wanted:
            more = [point for point in points if points.count(point) > wanted.count(point)]
            less = [point for point in wanted if wanted.count(point) > points.count(point)]
            yield f"points too many: {more[:5]}, missing: {less[:5]}"


def hanging_server(folder: Path, share: float) -> Iterator[Row]:
    """Servers that hang in several ways: the training ends as without one, and ``etude track`` records it later."""
    row = Row("a tracking server that hangs or answers nonsense")
    place = _fresh(folder)
    undisturbed = f"sqlite:///{folder}/mlflow.db"
    started = time.monotonic()
    _require(run(place, Tracked(undisturbed), place))
    took, weights = time.monotonic() - started, contents(place / "models")
    _require(run(place, Publish(undisturbed), place))
    ((_, _, wanted),) = _runs(folder / "mlflow.db")
    for number in range(part(HANGS, share)):
        for what, answer in ANSWERS.items():
            place, faults = _fresh(folder), []
            with hanging(answer) as uri:
                for name, work in (("training", Tracked(uri, retry=30.0)), ("etude track", Publish(uri))):
                    started = time.monotonic()
                    ended = run(place, work, place, seconds=took + 2 * AWAY)
                    cost = time.monotonic() - started
                    if ended.text or cost > took + AWAY:
                        faults.append(f"{what}: {name} ended after {cost:.0f} s with {ended.text[:300] or 'success'}")
            later = folder / f"later-{number}-{what[:12]}.db"
            _require(run(place, Publish(f"sqlite:///{later}"), place))
            if contents(place / "models") != weights:
                faults.append(f"{what}: other weights")
            row.count(*faults, *(f"{what}: {fault}" for fault in _compared(later, wanted)))
    yield row


# --- a sweep of many jobs at once


def _sweep(root: Path, jobs: int, *more: str) -> tuple[int, str, Path]:
    """``etude train -m`` of so many seeds: its status, what it said, and its folder."""
    from signalled import etude

    seeds = ",".join(str(1 + number) for number in range(jobs))
    # as ``small`` has it, in one word each
    tiny = ["experiment=smoke", "model=lstm", "models.lstm.hidden=8", "models.lstm.layers=1", "train.max_steps=4"]
    command = etude("train", "-m", *tiny, f"seed={seeds}", "session.samples=0", "session.progress=false", *more)
    before = {*(root / "runs").glob("*")}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=4 * LONGEST, check=False)
    (folder,) = {*(root / "runs").glob("*")} - before
    return done.returncode, done.stdout + done.stderr, folder


def joblib_sweep(folder: Path, share: float) -> Iterator[Row]:
    """Hydra's joblib launcher with many jobs at once on a fresh database, against the same jobs in turn."""
    root = _fresh(folder)
    counts = sorted({max(2, part(many, share)) for many in SWEEPS})
    status, said, one_by_one = _sweep(root, counts[-1])
    if status:
        raise RuntimeError(f"The sweep in turn ended with {said[-600:]}")
    of_one = {points for _, _, points in map(_frozen, _runs(root / "mlruns/mlflow.db")) if points}
    for many in counts:
        row = Row(f"{many} jobs of Hydra's joblib launcher at once, on a fresh database")
        shutil.rmtree(root / "mlruns")
        status, said, at_once = _sweep(root, many, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={many}")
        row.failures += [f"status {status}: {said[-600:]}"] if status else []
        runs = [_frozen(one) for one in _runs(root / "mlruns/mlflow.db")]
        children = [(state, points) for key, state, points in runs if key]
        row.failures += [f"{len(children)} runs"] if len(children) != many else []
        row.failures += [f"a run is {state}" for _, state, _ in runs if state != "FINISHED"]
        row.failures += [f"other points: {points}"[:300] for _, points in children if points not in of_one]
        for job in range(many):
            made, wanted = (contents(place / str(job) / "models") for place in (at_once, one_by_one))
            differ = differing(wanted, made)
            row.count(*([f"job {job}: other bytes of {', '.join(differ)[:300]}"] if differ or not made else []))
        yield row


def _frozen(
    found: tuple[str, str, list[tuple[str, int, float]]],
) -> tuple[str, str, tuple[tuple[str, int, float], ...]]:
    key, status, points = found
    return key, status, tuple(points)
