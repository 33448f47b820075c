"""A training of two processes, of which some are killed: none is left, and the next run goes on to the same bytes."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from conftest import tiny
from disturbed import Stage, chain, differing
from injection import CONTEXT, contents, start_server
from signalled import started
from table import Row, part

from etude.config.sections import Settings

KILLS = 8  # of each row
LONGEST = 180.0  # seconds
PATIENCE = 20.0  # seconds in which the others end after one was killed
WHOM = ("both", "the first", "the second")


@cache
def of_two() -> Settings:
    """The settings of a training in two processes, of a dozen epochs."""
    return tiny(
        generate={"pieces": 2, "open_bars": 4, "max_tokens": 40},
        train={"max_steps": 36, "steps_per_epoch": 3, "patience": 100},
        trainer={"steps": None, "accelerator": "cpu", "devices": 2},
    )


def _train(pipe: Any, folder: Path) -> None:
    from etude.core.errors import EtudeError
    from etude.core.machine_faults import fault_of

    os.setsid()
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    text = ""
    try:
        Stage("train", ("lstm",), settings=of_two())(folder)
    except Exception as error:
        known = isinstance(error, EtudeError) or fault_of(error) is not None
        text = f"{'' if known else 'no sentence, '}{type(error).__name__}: {error}"
    pipe.send(text)


class _Running:
    """A training in a session of its own."""

    def __init__(self, folder: Path) -> None:
        start_server()
        self.pipe, theirs = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_train, args=(theirs, folder))
        self.process.start()
        theirs.close()

    def end(self, seconds: float) -> str | None:
        """What it says at its end; None where it was killed."""
        if not self.pipe.poll(seconds):
            return f"no sentence, it did not end within {seconds} s"
        try:
            return str(self.pipe.recv())
        except EOFError:
            return None

    def forked(self) -> list[psutil.Process]:
        """The processes that train."""
        with suppress(psutil.Error):
            return sorted(psutil.Process(self.process.pid).children(), key=lambda one: one.pid)
        return []

    def clear(self) -> list[str]:
        """Kill what is left of it after a while: the command lines."""
        until = time.monotonic() + PATIENCE
        while (left := started(self.process.pid)) and time.monotonic() < until:
            time.sleep(0.05)
        for one in left:
            with suppress(psutil.Error):
                one.kill()
        self.process.join(10)
        return [str(one.pid) for one in left]


def two_processes(folder: Path, share: float) -> Iterator[Row]:
    """Kills of both, of one, and of the process that has started them, at any time."""
    prepared = folder / "prepared"
    prepared.mkdir(parents=True)
    chain()(prepared)
    place = _fresh(prepared)
    first = time.monotonic()
    training = _Running(place)
    if said := training.end(LONGEST):
        raise RuntimeError(f"Undisturbed, it ended with {said}")
    took, wanted = time.monotonic() - first, contents(place / "models")
    draw = random.Random(7)
    for whom in WHOM:
        row = Row(f"kill -9 of {whom} of two processes that train")
        for _ in range(part(KILLS, share)):
            place, after = _fresh(prepared), draw.uniform(0.2 * took, took)
            training = _Running(place)
            time.sleep(after)
            forked = training.forked()
            where = f"after {after:.1f} of {took:.1f} s"
            if whom == "both":
                for one in started(training.process.pid):
                    with suppress(psutil.Error):
                        one.send_signal(signal.SIGKILL)
            else:
                for one in forked[:1] if whom == "the first" else forked[1:]:
                    with suppress(psutil.Error):
                        one.send_signal(signal.SIGKILL)
            said = training.end(LONGEST)
            faults = [f"{where}: ended with {said[:400]}"] if said and said.startswith("no sentence") else []
            if left := training.clear():
                faults.append(f"{where}: {len(left)} processes are left after {PATIENCE:.0f} s")
            again = _Running(place)
            if said := again.end(LONGEST):
                faults.append(f"{where}: the next run ended with {said[:300]}")
            again.clear()
            made = contents(place / "models")
            differ = differing(wanted, made)
            row.count(*faults, *([f"{where}: other bytes of {', '.join(differ)}"] if differ else []))
        yield row


def _fresh(prepared: Path) -> Path:
    place = prepared.parent / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(prepared, place, symlinks=True)
    return place
