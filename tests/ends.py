"""Commands and stages that end before their time: rows of benchmarks/faults.py, in small in test_ends.py.

A signal comes at a random moment; or a limit of the system, as ``ulimit`` sets it, is too small. Then the same command
runs again, undisturbed, and must make the bytes of work that nothing has disturbed.

What is tolerated of a signal, and why:

- It comes before etude can set a handler: as Python itself starts, and while ``etude/__init__.py``,
  ``core/signals.py`` and ``core/streams.py`` are imported. TERM and HUP end the process as the system does (status
  -15, -1), INT with Python's own traceback (-2, 130, or 1 where ``site`` is imported). Nothing may have been written.
- It comes as the process ends, when nothing is left to do: its status is 0, and its results must be whole at once.
- Music that plays until Ctrl-C ends by it: its status is 0, and what has sounded is written.
"""

import atexit
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from pathlib import Path

import psutil
import yaml
from conftest import SMALL
from disturbed import Stage, chain, differing, of_one, of_scores, small
from injection import run
from signalled import MARK, STATUSES, End, etude, signalled, stage, started
from table import Row, part

from etude.config.sections import Settings
from etude.core.files import LEFT

LOOPBACK = {"127.0.0.1", "::1"}
MOMENTS = 3  # of each command, signal, and whether the whole group gets it
LONGEST = 600.0  # seconds of any command
PATIENCE = 5.0  # seconds until a process that a command has left counts as alive
PORT = 20000 + os.getpid() % 20000  # of servers
# the settings of ``small`` as a command takes them
TINY = (
    "experiment=smoke",
    *(f"models.lstm.{key}={value}" for key, value in SMALL["lstm"].items()),
    *("generate.pieces=2", "generate.open_bars=4", "generate.max_tokens=40"),
    *("train.max_steps=6", "trainer.steps=null"),
)
ONE = (*TINY, "model=lstm")
TOGETHER = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
DATED = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-\w+-\d+")  # the folder of one command, below runs/
OWN_FRAME = re.compile(r'File "[^"]*/etude/([^"]*)"')  # of a traceback
FIRST = ("__init__.py", "core/__init__.py", "core/signals.py", "core/streams.py")  # imported before a handler is set


@dataclass(frozen=True)
class Command:
    """What is ended."""

    line: Sequence[str]
    results: tuple[str, ...] = ()  # what it makes, as patterns below the project; they are not there before
    settings: Callable[[], Settings] = small  # of params.yaml
    environment: Mapping[str, str] = field(default_factory=dict)
    serves: str = ""  # what it prints once it works until a signal ends it
    ends_well: bool = False  # by a signal: the music is written, with status 0
    again: Sequence[str] = ()  # the next run, where it is another command
    work: Stage | None = None  # the next run of a stage, in a process that has imported all it needs, without MLflow
    removes: tuple[str, ...] = ()  # what is not there before, besides its results
    needs_project: bool = True


def _stage(
    name: str,
    *arguments: str,
    results: tuple[str, ...],
    settings: Callable[[], Settings] = small,
    workers: int = 1,
    removes: tuple[str, ...] = (),
) -> Command:
    """A stage as DVC runs it."""
    own = {"ETUDE_WORKERS": str(workers)}
    work = Stage(name, arguments, settings())
    return Command(stage(name, *arguments), results, settings, own, removes=removes, work=work)


@cache
def commands() -> dict[str, Command]:
    """All that is ended, by the name of its row."""
    two, tokens = {"ETUDE_WORKERS": "2"}, ("data/tokenize/remi", "data/built_from/tokenize/remi.json")
    run, dataset = ("runs/*/models",), ("dataset=folder", f"dataset.path={tunes()}", "ingest.min_notes=4")
    sweep = ("train", "-m", *ONE, "train.seed=1,2")
    return {
        "download": _stage("download", results=("data/download", "data/built_from/download.json"), settings=of_scores),
        "ingest": _stage(
            "ingest", results=("data/ingest", "data/built_from/ingest.json"), settings=of_scores, workers=2
        ),
        "split": _stage("split", results=("data/split", "data/built_from/split.json")),
        "augment": _stage("augment", results=("data/augment", "data/built_from/augment.json")),
        "tokenize, two workers": _stage("tokenize", "remi", results=tokens, workers=2),
        "tokenize, one worker": _stage("tokenize", "remi", results=tokens),
        "train lstm": _stage("train", "lstm", results=("models/lstm",)),
        "train lstm, the first with MLflow": _stage("train", "lstm", results=("models/lstm",), removes=("mlruns",)),
        "train wgan": _stage("train", "wgan", results=("models/wgan",)),
        "generate": _stage("generate", "lstm", results=("data/generate/lstm",)),
        "reference": _stage("reference", results=("data/reference", "reports/reference.json")),
        "evaluate": _stage("evaluate", "lstm", results=("reports/evaluate", "reports/metrics")),
        "control": _stage("control", "conditional", results=("data/control", "reports/control")),
        "harmonize": _stage("harmonize", "voices", results=("data/harmonize", "reports/harmonize")),
        "arrange": _stage("arrange", "lstm", results=("data/arrange", "reports/arrange")),
        "report": _stage(
            "report",
            results=(
                *("reports/index.html", "reports/results.md", "reports/results.json", "reports/cards"),
                "docs/samples",
            ),
            settings=of_report,
        ),
        "etude train": Command(etude("train", *ONE), run),
        "etude train, a sweep": Command(etude(*sweep), ("runs/*/*/models",)),
        "etude train, a sweep in two processes": Command(etude(*sweep, *TOGETHER), ("runs/*/*/models",)),
        "etude train in two processes": Command(etude("train", *ONE, "trainer=ddp", "trainer.devices=2"), run),
        "etude train cv=3": Command(etude("train", *ONE, "cv=3"), ("runs/*-cv3-*/fold-*/models",)),
        "etude tokenize": Command(etude("tokenize", "experiment=smoke", "tokenize=remi"), tokens, environment=two),
        "etude tokenize with dask": Command(
            etude("tokenize", "experiment=smoke", "tokenize=remi", "session.engine=dask"), tokens, environment=two
        ),
        "etude all": Command(etude("all", *ONE, *dataset), ("runs/folder-*/models", "runs/folder-*/reports/evaluate")),
        "etude all, two jobs": Command(
            etude("all", *ONE, *dataset, "session.jobs=2"), ("runs/folder-*/models", "runs/folder-*/reports/evaluate")
        ),
        "etude track": Command(etude("track", *ONE), ("mlruns/published.json",), removes=("mlruns",)),
        "etude studio": Command(etude("studio", f"port={PORT}", "open=false"), serves="Ctrl-C ends it"),
        "etude listen": Command(
            etude("listen", "serve", "page=listen.html", "answers=listen.sqlite", f"port={PORT}"), serves="127.0.0.1"
        ),
        "etude live": Command(
            etude("live", "model=voices", "output=a.mid", "session=s.json", "control=0", "overwrite=true", "tempo=300"),
            ("b.mid",),
            serves="until Ctrl-C",
            ends_well=True,
            again=etude("live", "model=voices", "output=b.mid", "bars=2", "fast=true"),
        ),
        "etude ui": Command(etude("ui", f"port={PORT}"), serves="the runs are at"),
    }


@cache
def of_report() -> Settings:
    """The settings for the report of one model."""
    return replace(of_one(), dataset=of_scores().dataset)


# --- a project in which all has been made, and what a command makes


@cache
def tunes() -> Path:
    """A folder of scores that are tunes of their own, once a process."""
    place, draw = Path(tempfile.mkdtemp(prefix="etude-tunes-")), random.Random(7)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for number in range(12):
        bars = "|".join("".join(draw.choices("CDEFGABcdefg", k=4)) for _ in range(8))
        (place / f"{number}.abc").write_text(f"X:1\nT:{number}\nM:4/4\nL:1/4\nK:C\n{bars}|\n", encoding="utf-8")
    return place


@cache
def finished() -> Path:
    """A project in which everything has run, once a process."""
    from listening.panel import make_key, tones

    from etude.listening.design import Shape
    from etude.listening.page import Texts, write_page

    place = Path(tempfile.mkdtemp(prefix="etude-finished-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    chain(
        Stage("download", settings=of_scores()),
        *(Stage("train", (name,)) for name in ("ngram", "lstm", "wgan", "conditional", "voices")),
        *(Stage("generate", ("lstm",)), Stage("reference"), Stage("evaluate", ("lstm",)), Stage("arrange", ("lstm",))),
        Stage("split"),  # of which the project of tiny pieces has no report
    )(place)
    test = make_key(("a", "b", "real"), 3, Shape(2, 2, 2)).test
    write_page(place / "listen.html", test, tones(test), Texts(("Please listen.",)))
    _write_params(place, small())
    if said := _run(stage("track"), place).fault():
        raise RuntimeError(said)
    return place


def _write_params(place: Path, settings: Settings) -> None:
    (place / "params.yaml").write_text(yaml.safe_dump(settings.as_dict(), sort_keys=False), encoding="utf-8")


def _fresh(folder: Path, command: Command) -> Path:
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    if not command.needs_project:
        place.mkdir(parents=True)
        return place
    shutil.copytree(finished(), place, symlinks=True)
    for pattern in (*command.results, *command.removes):
        for path in place.glob(pattern):
            _remove(path)
    _write_params(place, command.settings())
    return place


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _made(place: Path, command: Command, before: set[str]) -> dict[str, bytes]:
    """What a command has made, by its path; the folder of one command below runs/ has the name NEW."""
    made = {}
    for pattern in command.results:
        for path in sorted(place.glob(pattern)):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                parts = file.relative_to(place).parts
                if not file.is_file() or any(part.startswith(".") for part in parts):
                    continue
                if parts[0] == "runs" and parts[1] in before:
                    continue
                made["/".join("NEW" if DATED.fullmatch(part) else part for part in parts)] = file.read_bytes()
    return made


def _runs(place: Path) -> set[str]:
    """The folders of commands that are there."""
    return {path.name for path in place.glob("runs/*") if DATED.fullmatch(path.name)}


def _stamp(place: Path) -> tuple[tuple[str, int], ...]:
    """What changes when something is written in a project: its folders' times."""
    return tuple((folder, os.stat(folder).st_mtime_ns) for folder, _, _ in os.walk(place))


# --- undisturbed


@dataclass(frozen=True)
class Whole:
    """A command that nothing has disturbed."""

    status: int | None
    said: str
    first: float  # seconds until it wrote something in the project, or until it served
    seconds: float
    alive: tuple[str, ...] = ()  # the command lines of processes that it has started and that are left

    def fault(self) -> str:
        """What is wrong with it."""
        return "" if self.status == 0 else f"the undisturbed run ended with {self.status}: {self.said[-300:]}"


def _run(line: Sequence[str], place: Path, environment: Mapping[str, str] | None = None) -> Whole:
    """Run a command to its end."""
    before, begun, first = _stamp(place), time.monotonic(), None
    mark = f"{os.getpid()}-{begun}"
    own = {**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", **(environment or {}), MARK: mark}
    with tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as out:
        process = subprocess.Popen(line, cwd=place, env=own, stdout=out, stderr=err, start_new_session=True)
        while process.poll() is None and time.monotonic() < begun + LONGEST:
            if first is None and _stamp(place) != before:
                first = time.monotonic() - begun
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        status, until, lines = process.poll(), time.monotonic() + PATIENCE, []
        while (left := started(process.pid, mark)) and status is not None and time.monotonic() < until:
            time.sleep(0.05)
        for one in left:
            with suppress(psutil.Error):
                lines.append(" ".join(one.cmdline())[-200:])
                one.kill()
        process.wait()
        err.seek(0)
        said = err.read().decode(errors="replace")
        return Whole(status, said, seconds if first is None else first, seconds, tuple(lines))


def _whole(command: Command, place: Path) -> Whole:
    """The run that nothing disturbs; of what serves, until Ctrl-C."""
    if not command.serves:
        return _run(command.again or command.line, place, command.environment)
    begun = time.monotonic()
    end = signalled(command.line, place, signal.SIGINT, group=True, ready=command.serves)
    ready = time.monotonic() - begun - end.seconds
    faults = [] if command.ends_well and end.status == 0 else end.faults(signal.SIGINT)
    if faults or not command.again:
        return Whole(1 if faults else 0, f"{faults} {end.said}", ready, ready)
    return replace(_run(command.again, place, command.environment), first=ready, seconds=ready)


_known: dict[tuple[str, ...], tuple[Whole, dict[str, bytes]]] = {}  # by the command line


def _undisturbed(command: Command, folder: Path) -> tuple[Whole, dict[str, bytes]]:
    """The run that nothing disturbs, and what it makes; once a process."""
    key = (*command.line, *command.results, *command.environment.values())
    if key not in _known:
        place = _fresh(folder, command)
        before = _runs(place)
        whole = _whole(command, place)
        _known[key] = whole, _made(place, command, before)
    return _known[key]


def _again(command: Command, place: Path) -> str:
    """Run it again, undisturbed. Returns what is wrong with that; "" where nothing is."""
    if command.work is None:
        return _whole(command, place).fault()
    return run(place, command.work, place).text


# --- ended by a signal


def signal_row(name: str, folder: Path, share: float) -> Iterator[Row]:
    """One command, ended by each signal, sent to it alone and to its group, at random moments."""
    command = commands()[name]
    row, draw = Row(f"INT, TERM or HUP at any time: {name}"), random.Random(f"7 {name}")
    whole, wanted = _undisturbed(command, folder)
    if said := whole.fault():
        row.count(said)
        yield row
        return
    kinds = [(number, group, moment) for number, group in product(STATUSES, (False, True)) for moment in range(MOMENTS)]
    draw.shuffle(kinds)
    for place_of, (number, group, _) in enumerate(kinds[: part(len(kinds), share)]):
        # in turn: at any time, and after it has begun to write or to serve
        begun = place_of % 2 == 1
        after = draw.uniform(0, whole.seconds - whole.first + 0.2 if begun else whole.seconds)
        row.count(*end_once(command, folder, number, group, begun, after, wanted))
    yield row


def end_once(
    command: Command,
    folder: Path,
    number: int,
    group: bool,
    begun: bool,
    after: float,
    wanted: dict[str, bytes],
    wait: float = 30.0,
) -> Iterator[str]:
    """What is wrong after one signal.

    Args:
        command: what is ended.
        folder: where its project is made.
        number: the signal.
        group: whether all its processes get it.
        begun: whether it must have begun to write, or to serve.
        after: seconds from then, or from the start.
        wanted: what it makes undisturbed.
        wait: seconds until what is left counts as alive.
    """
    place = _fresh(folder, command)
    before, stamp = _runs(place), _stamp(place)
    ready: Callable[[], bool] | str = command.serves or (lambda: _stamp(place) != stamp)
    end = signalled(
        command.line,
        place,
        number,
        group=group,
        ready=ready if begun else lambda: True,
        after=after,
        environment=command.environment,
        wait=wait,
    )
    whom, when = "the group" if group else "it alone", f"{after:.2f} s after {'it began' if begun else 'the start'}"
    where = f"{signal.Signals(number).name} to {whom} {when}"
    for fault in faults_of(end, number, command, untouched=_stamp(place) == stamp):
        yield f"{where}: {fault}: {' '.join(end.said.split())[-400:]}"
    if end.status == 0 and not command.serves and (differ := differing(wanted, _made(place, command, before))):
        yield f"{where}: status 0, and {', '.join(differ)[:200]} differ"
    yield from (f"{where}: a run is {status}" for status in statuses(place) if status not in ("KILLED", "FINISHED"))
    before = _runs(place)
    if said := _again(command, place):
        yield f"{where}: the next run: {said}"
        return
    if differ := differing(wanted, _made(place, command, before)):
        yield f"{where}: the next run made other bytes of {', '.join(differ)[:200]}"
    if left := left_in(place):
        yield f"{where}: the next run left {', '.join(left)[:200]}"


def faults_of(end: End, number: int, command: Command, untouched: bool) -> list[str]:
    """What is wrong with an end by a signal, but for what this module's docstring tolerates."""
    faults = end.faults(number)
    if not faults:
        return []
    left = [fault for fault in faults if fault.startswith("left: ")]
    is_quiet = "Traceback" not in end.said and "Error" not in end.said
    if end.status == 0 and is_quiet and "etude: interrupted" not in end.said and "etude: stopped" not in end.said:
        return left if not command.serves or command.ends_well else faults
    by_python = end.status in ((-number, 130, 1) if number == signal.SIGINT else (-number,))
    if by_python and untouched and {*OWN_FRAME.findall(end.said)[-1:]} <= {*FIRST} and "etude: " not in end.said:
        return left
    return faults


def statuses(place: Path) -> list[str]:
    """How the runs of a project stand in MLflow."""
    file = place / "mlruns/mlflow.db"
    if not file.is_file():
        return []
    with closing(sqlite3.connect(file)) as tables, suppress(sqlite3.OperationalError):  # no table yet
        return [status for (status,) in tables.execute("SELECT status FROM runs")]
    return []


def left_in(place: Path) -> list[str]:
    """What is half-written in a project."""
    return [
        str(file.relative_to(place)) for file in place.rglob("*") if LEFT.fullmatch(file.name) or file.suffix == ".part"
    ]


def signals(folder: Path, share: float) -> Iterator[Row]:
    """All commands and stages, ended by signals."""
    for name in commands():
        yield from signal_row(name, folder, share)


# --- where commands listen

# whether something must be seen to listen: else nothing would have been measured
SOCKETS = {
    "etude ui": True,
    "etude studio": True,
    "etude listen": True,
    "etude live": True,
    "etude train in two processes": True,
    "etude tokenize with dask": True,
    "etude train, a sweep in two processes": False,
    "tokenize, two workers": False,
}


def sockets(folder: Path, share: float) -> Iterator[Row]:
    """The addresses at which commands listen: none but this machine's own may be among them."""
    row = Row("listens to this machine alone")
    chosen = random.Random(7).sample(list(SOCKETS), part(len(SOCKETS), share))
    for name in chosen:
        row.count(*listens(name, folder))
    yield row


def listens(name: str, folder: Path) -> Iterator[str]:
    """What is wrong with where a command listens, from its start until it ends or serves."""
    command = commands()[name]
    place = _fresh(folder, command)
    end = signalled(
        command.line,
        place,
        signal.SIGINT,
        group=True,
        ready=command.serves or (lambda: False),
        after=1.0,
        environment=command.environment,
    )
    if others := end.listened - LOOPBACK:
        yield f"{name} listens at {', '.join(sorted(others))}"
    if SOCKETS[name] and not end.listened:
        yield f"{name} was not seen to listen: {end.status} {' '.join(end.said.split())[-300:]}"


# --- limits that are too small

VALUES = 20  # of each limit and command
LIMITS = {"v": (20_000, 6_000_000), "n": (3, 300), "f": (1, 40_000), "u": (1, 64)}  # tiny, and more than enough
# root may start any number of processes; another user may read this Python, wherever it is installed
RIGHTS = "+dac_override,+dac_read_search"
OTHER = ["setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={RIGHTS}", f"--ambient-caps={RIGHTS}"]
BARE = [sys.executable, "-c", "import ctypes, typing, pathlib, traceback, threading, shutil"]  # as all commands do


HELP = Command(etude("--help"), needs_project=False)


@cache
def limited() -> dict[str, Command]:
    """All that is limited, by the name of its row."""
    return {
        "etude --help": HELP,
        "etude generate": Command(etude("generate", *ONE), ("runs/*/data/generate",)),
        **{name: commands()[name] for name in ("tokenize, two workers", "etude train")},
    }


def limits(folder: Path, share: float) -> Iterator[Row]:
    """Commands under limits from tiny to more than enough."""
    for limit, (name, command) in product(LIMITS, limited().items()):
        yield from limit_row(limit, name, command, folder, share)


def limit_row(limit: str, name: str, command: Command, folder: Path, share: float) -> Iterator[Row]:
    """One command under one limit; nothing where no other user can be had, whom ulimit -u would bind."""
    if limit == "u" and os.getuid() == 0 and not is_bound():
        print(f"left out: ulimit -u, {name}: nobody can be had whom it binds", file=sys.stderr)
        return
    row, draw = Row(f"ulimit -{limit}: {name}"), random.Random(f"7 {limit} {name}")
    whole, wanted = _undisturbed(command, folder)
    if said := whole.fault():
        row.count(said)
        yield row
        return
    low, high = LIMITS[limit]
    for _ in range(part(VALUES, share)):
        value = round(low * (high / low) ** draw.random())
        row.count(*limit_once(command, folder, limit, value, wanted))
    yield row


@cache
def is_bound() -> bool:
    """Whether another user can be had, whom ulimit -u binds. In a namespace of users there may be none."""
    if shutil.which("setpriv") is None:
        return False
    code = "import threading, time\nfor _ in range(9): threading.Thread(target=time.sleep, args=(0.5,)).start()"
    done = subprocess.run(under("u", 5, [sys.executable, "-c", code]), capture_output=True, text=True, check=False)
    return "can't start new thread" in done.stderr


def under(limit: str, value: int, line: Sequence[str]) -> list[str]:
    """A command line under a limit."""
    user = OTHER if limit == "u" and os.getuid() == 0 else []
    return [*user, "bash", "-c", f'ulimit -{limit} {value}; exec "$@"', "bash", *line]


def limit_once(command: Command, folder: Path, limit: str, value: int, wanted: dict[str, bytes]) -> Iterator[str]:
    """What is wrong with a command under one limit."""
    place = _fresh(folder, command)
    before, stamp = _runs(place), _stamp(place)
    end = _run(under(limit, value, command.line), place, command.environment)
    where = f"ulimit -{limit} {value}"
    yield from (f"{where}: left: {line}" for line in end.alive)
    sentences = [line for line in end.said.splitlines() if line.startswith("etude: ")]
    if end.status == 0:
        if differ := differing(wanted, _made(place, command, before)):
            yield f"{where}: status 0, and {', '.join(differ)[:200]} differ"
    elif end.status != 2 or len(sentences) != 1 or "Traceback" in end.said:
        bare = subprocess.run(under(limit, value, BARE), capture_output=True, check=False)
        if bare.returncode == 0 or _stamp(place) != stamp:  # else Python itself does not start
            yield f"{where}: status {end.status}: {' '.join(end.said.split())[-500:]}"
    if _stamp(place) == stamp:
        return
    before = _runs(place)
    if said := _again(command, place):
        yield f"{where}: the next run: {said}"
    elif differ := differing(wanted, _made(place, command, before)):
        yield f"{where}: the next run made other bytes of {', '.join(differ)[:200]}"
    elif left := left_in(place):
        yield f"{where}: the next run left {', '.join(left)[:200]}"
