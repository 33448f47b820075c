"""A clock that goes back, ahead, or both, and files of another year: no result depends on either."""

import os
import random
import shutil
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disturbed import project, works
from injection import Fault, contents, run
from table import Row, part
from tracked_faults import longer

from etude.artifacts.context import Session

YEAR = 365 * 86400.0  # seconds
CLOCKS = ("back", "ahead", "wanders")
FILES = {"a year ahead": YEAR, "of 1970": None}


@dataclass(frozen=True)
class Wandering:
    """Some work by a clock that is set while it goes on."""

    do: Callable[..., Any]
    how: str  # of ``CLOCKS``
    seed: int = 7

    def __call__(self, folder: Path) -> None:
        """Do it."""
        draw, real, real_ns = random.Random(self.seed), time.time, time.time_ns
        calls = 0

        def offset() -> float:
            nonlocal calls
            calls += 1
            if self.how == "wanders":
                return draw.uniform(-YEAR, YEAR)
            sign = -1 if self.how == "back" else 1
            return sign * YEAR * min(1.0, calls / 20)

        time.time = lambda: real() + offset()
        time.time_ns = lambda: real_ns() + int(1e9 * offset())
        try:
            self.do(folder)
        finally:
            time.time, time.time_ns = real, real_ns


def touch(folder: Path, draw: random.Random, ahead: float | None) -> None:
    """Give some files and folders the time of another year; ``ahead`` in seconds from now, None: that of 1970."""
    for path in sorted(folder.rglob("*")):
        if draw.random() < 0.7 and not path.is_symlink():
            seconds = 0.0 if ahead is None else time.time() + ahead
            os.utime(path, (seconds, seconds))


def clocks(folder: Path, share: float, names: Sequence[str] = ()) -> Iterator[Row]:
    """Each work, or those of ``names``, by each clock; and killed somewhere, and done again with files of each year."""
    row = Row("a clock that is set, and files of another year: all stages")
    for name in names or works():
        work, draw = works()[name](), random.Random(name)
        wanted, count = work.undisturbed(folder / name)
        ways = [*CLOCKS, *FILES]
        for way in draw.sample(ways, part(len(ways), share)):
            place = work.fresh(folder / name)
            if way in CLOCKS:
                ended = run(place, Wandering(work.do, way), place)
            else:
                run(place, work.do, place, fault=Fault(draw.randrange(max(1, count))))
                touch(place, draw, FILES[way])
                ended = run(place, work.do, place)
            faults = [f"{name}, {way}: ended with {ended.text[:300]}"] if ended.text else []
            row.count(*faults, *([] if work.made(place) == wanted else [f"{name}, {way}: other bytes"]))
        shutil.rmtree(folder / name)
    yield row


@dataclass(frozen=True)
class Training:
    """A training that logs to the project's own database, and then ``etude track``; or that alone."""

    trains: bool = True

    def __call__(self, folder: Path) -> None:
        """Do it."""
        from etude.stages import track, train
        from etude.tracking import live

        warnings.simplefilter("error", UserWarning)
        live.EVERY = 0.0
        session = Session(root=folder, workers=1, progress=False, samples=0)
        if self.trains:
            train.run(longer(), session, "lstm")
        track.run(longer(), session)


def clocks_of_runs(folder: Path, share: float) -> Iterator[Row]:
    """Runs of MLflow by such clocks: those of one process, and of one that goes on by another clock."""
    row = Row("a clock that is set: runs in MLflow")
    weights: dict[str, bytes] = {}
    for seed in range(part(4, share)):
        for how in CLOCKS:
            for first in ("", "killed", "tracked"):
                place = folder / "place"
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(project(), place, symlinks=True)
                where = f"{how} {seed}, {first or 'once'}"
                if first:  # by a clock that was right, or a year ahead
                    earlier = Wandering(Training(), "ahead" if seed % 2 else "wanders", seed)
                    run(place, earlier, place, fault=Fault(60 + 10 * seed) if first == "killed" else None)
                ended = run(place, Wandering(Training(first != "tracked"), how, seed), place)
                faults = [f"{where}: ended with {ended.text[:300]}"] if ended.text else []
                made = contents(place / "models")
                faults += [f"{where}: other weights"] if made != (weights := weights or made) else []
                row.count(*faults, *(f"{where}: {fault}" for fault in _of_database(place)))
    yield row


def _of_database(place: Path) -> Iterator[str]:
    with closing(sqlite3.connect(place / "mlruns/mlflow.db")) as tables:
        runs = tables.execute("SELECT run_uuid, status, start_time, end_time FROM runs").fetchall()
        if [status for _, status, _, _ in runs] != ["FINISHED"]:
            yield f"runs: {runs}"
        for run_id, _, started, ended in runs:
            if ended < started:
                yield f"a run of {ended - started} ms"
            shown = dict(
                tables.execute("SELECT key, step FROM latest_metrics WHERE run_uuid = ?", (run_id,)).fetchall()
            )
            last = tables.execute("SELECT key, MAX(step) FROM metrics WHERE run_uuid = ? GROUP BY key", (run_id,))
            for key, step in last.fetchall():
                if shown[key] != step:
                    yield f"{key} is shown at step {shown[key]}, not {step}"
            twice = "SELECT key, step, value, COUNT(*) FROM metrics WHERE run_uuid = ? GROUP BY key, step, value"
            for key, step, value, count in tables.execute(twice, (run_id,)).fetchall():
                if count > 1:
                    yield f"{key} = {value} at step {step}, {count} times"
