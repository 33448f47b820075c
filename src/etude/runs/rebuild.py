"""``make repro``: rebuild everything that is out of date by DVC, with several stage instances side by side.

DVC decides what is out of date and keeps dvc.lock. It runs one instance at a time, so each chain of instances is a
``dvc repro`` of its own; DVC's locks keep them apart. A last ``dvc repro`` over everything finds nothing to do.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.process import FAULT
from etude.core.progress import SHARED_LINE_EVERY
from etude.runs.graph import Instance, edges, instances
from etude.runs.schedule import Clock, run_side_by_side
from etude.runs.verify import summarize

STARTED = re.compile(r"^(?:Running stage|Stage) '([^']+)'")
PROGRESS = re.compile(r"^\S.*: \d+/\d+, (\d+ s left|time left unknown)")  # a line of etude.core.progress
PATIENCE = 6.0  # seconds that DVC and its stages have to end
LOCK = ".cache/rebuild.lock"  # one rebuild of a project at a time
BUSY = re.compile(r"ERROR: .*(Unable to acquire lock|is busy, it is being blocked by)")  # what DVC says of its locks
WHOLE_MACHINE = ("download", "ingest", "split", "augment")  # nothing else runs meanwhile


class Chain(tuple[Instance, ...]):
    """The instances that one ``dvc repro`` runs in turn."""

    def __str__(self) -> str:
        return ", ".join(one.target for one in self)


def rebuild(root: Path, jobs: int | None = None) -> int:
    """Rebuild what is out of date and print a line for each instance. Returns the exit status.

    A second one in the same project waits for the first.
    """
    file = root / LOCK
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("etude: another rebuild of this project is at work; waiting for it.", flush=True)
        lock.acquire()
    try:
        return _rebuild(root, jobs)
    finally:
        lock.release()


def _rebuild(root: Path, jobs: int | None) -> int:
    jobs = jobs or max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    started = time.monotonic()
    _dvc(root, "repro", "params")
    settings = Settings.from_params(root / "params.yaml")
    found = instances(root, settings)
    stale = out_of_date(root, found)
    if not stale:
        print("Everything is up to date.")
        return 0
    print(f"{len(stale)} of {len(found)} stage instances are out of date.", flush=True)
    chains = cut_into_chains(stale)
    needs = edges(found)
    clock = Clock(root, [one.target for one in stale], jobs)
    owner = {one: chain for chain in chains for one in chain}
    wanted = {
        chain: {owner[need] for one in chain for need in needs[one] if need in owner and owner[need] is not chain}
        for chain in chains
    }
    failed = run_side_by_side(
        wanted,
        lambda chain: run_chain(root, chain, clock),
        jobs,
        lambda chain: sum(clock.known.get(one.target, 10.0) for one in chain),
        stop,
    )
    if not failed:
        _dvc(root, "repro")
    count = f"{len(stale)} stage instance{'s' if len(stale) > 1 else ''}"
    print(f"{count} in {(time.monotonic() - started) / 60:.1f} min with {jobs} jobs.")
    if not failed and (sentence := summarize(root)):
        print(sentence)
    for chain, reason in failed.items():
        print(f"FAILED {chain}: {reason}", file=sys.stderr)
    return 1 if failed else 0


def stop() -> None:
    """Stop what this process has started, as Ctrl-C at a terminal does, and wait for it.

    Again and again: DVC ignores the signal while it waits for a stage, and goes on where the stage has just ended.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and (left := _running()):
        for process in left:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGINT)
        again = time.monotonic() + 1.0
        while time.monotonic() < again and _running():
            time.sleep(0.05)


def _running() -> list[psutil.Process]:
    """What this process has started and has not ended; the status of what has is for the thread that waits for it."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def out_of_date(root: Path, found: list[Instance]) -> list[Instance]:
    """The instances that are out of date for DVC, and all that depend on them, in order."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise EtudeError(f"dvc status failed: {_reason(done.stderr.strip().splitlines())[-300:]}")
    changed = set(json.loads(done.stdout))
    needs = edges(found)
    stale: list[Instance] = []
    for one in found:
        if one.target in changed or needs[one] & {*stale}:
            stale.append(one)
    return stale


def cut_into_chains(stale: list[Instance]) -> list[Chain]:
    """Group the instances of one model, and successive data stages."""
    groups: dict[str, list[Instance]] = {}
    for one in stale:
        if one.stage in ("train", "generate", "evaluate", "arrange"):
            groups.setdefault(f"model {one.name}", []).append(one)
        elif one.stage in ("download", "ingest", "split", "augment"):
            groups.setdefault("data", []).append(one)
        elif one.stage in ("report", "track"):
            groups.setdefault("report", []).append(one)
        else:
            groups.setdefault(one.target, []).append(one)
    return [Chain(group) for group in groups.values()]


def run_chain(root: Path, chain: Chain, clock: Clock) -> None:
    """Run one ``dvc repro`` over the instances of a chain; each is recorded when the next one starts.

    Of the progress that the instances print, one line a minute is shown.
    """
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "-s", *(one.target for one in chain)]
    process = subprocess.Popen(
        command,
        cwd=root,
        env={
            **os.environ,
            **({} if chain[0].stage in WHOLE_MACHINE else {"ETUDE_WORKERS": "1"}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    left = [one.target for one in chain]
    running: tuple[str, float] | None = None
    tail: list[str] = []
    shown = time.monotonic()
    for line in process.stdout:
        if PROGRESS.match(line):
            if time.monotonic() - shown >= SHARED_LINE_EVERY:
                shown = time.monotonic()
                print(f"  {line.rstrip()}", flush=True)
            continue
        tail = [*tail[-40:], line.rstrip()]
        match = STARTED.match(line)
        if match is None or match[1] not in left:
            continue
        if running is not None:
            clock.record(running[0], time.monotonic() - running[1])
        left.remove(match[1])
        if line.startswith("Running"):
            running = (match[1], time.monotonic())
        else:  # did not change, or was restored from the run cache
            running = None
            clock.record(match[1], None)
    if process.wait():
        name = running[0] if running else chain[0].target
        clock.record(name, time.monotonic() - running[1] if running else None, "FAILED")
        raise EtudeError(_reason(tail))
    if running is not None:
        clock.record(running[0], time.monotonic() - running[1])


def _reason(lines: list[str]) -> str:
    """The error in the output of a failed ``dvc repro``: the sentence of etude, else the last lines."""
    if any(BUSY.match(line) for line in lines):
        return "another DVC command is at work in this project. Wait for its end, and give the same command again."
    errors = [line for line in lines if line.startswith("etude: ") and FAULT not in line]
    return errors[-1].removeprefix("etude: ") if errors else " ".join(line for line in lines[-3:] if line)


def _dvc(root: Path, *arguments: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said, _ = process.communicate()
    except KeyboardInterrupt:
        stop()
        raise
    if process.returncode:
        raise EtudeError(f"dvc {' '.join(arguments)} failed: {_reason(said.splitlines())}")
