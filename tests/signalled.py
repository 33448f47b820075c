"""A command that is ended by a signal, and what is left of it: for tests, and for a table of all commands."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
# as the script that is installed does it
ETUDE = [sys.executable, "-c", "import sys; sys.argv[0] = 'etude'; from etude.cli.entry import main; main()"]
MARK = "ETUDE_SIGNALLED"  # a variable by which all is found that a command has started, in whichever session it is


@dataclass(frozen=True)
class End:
    """How a command ended."""

    status: int | None  # None: it did not within ``wait``
    said: str  # on standard error
    printed: str  # on standard output
    alive: list[str]  # the command lines of processes that it has started and that are left
    listened: frozenset[str]  # the addresses at which its processes listened, until the signal
    seconds: float  # from the signal to its end

    def faults(self, number: int) -> list[str]:
        """What is not as it should be after the signal ``number``, in words; [] where all is."""
        found = [] if self.status == STATUSES[signal.Signals(number)] else [f"status {self.status}"]
        ends = [line for line in self.said.splitlines() if line.startswith(("etude: interrupted", "etude: stopped by"))]
        if len(ends) != 1:
            found.append(f"{len(ends)} sentences")
        if any(word in self.said for word in ("Traceback", "Exception ignored", "Error", "Warning")):
            found.append("a traceback")
        return [*found, *(f"left: {line}" for line in self.alive)]


def stage(name: str, *arguments: str) -> list[str]:
    """The command of a stage as DVC runs it."""
    return [sys.executable, "-m", f"etude.stages.{name}", *arguments]


def etude(*arguments: str) -> list[str]:
    """The command line of a command."""
    return [*ETUDE, *arguments]


def signalled(
    command: Sequence[str],
    root: Path,
    number: int,
    *,
    group: bool,
    ready: Callable[[], bool] | str,
    after: float = 0.0,
    again: int | None = None,
    environment: Mapping[str, str] | None = None,
    wait: float = 30.0,
    ignored: Sequence[int] = (),
) -> End:
    """Start a command in a session of its own, as a terminal does, and end it by a signal.

    Args:
        command: what is run.
        root: the folder in which it runs.
        number: the signal.
        group: whether all its processes get it, as from a terminal; else the first alone.
        ready: when it is sent: what becomes true, or a text that the command has printed.
        after: seconds from then.
        again: a second signal, sent 0.2 s later.
        environment: further variables.
        wait: seconds until what is left counts as alive.
        ignored: signals that are ignored from the start.
    """

    def begin() -> None:
        for one in STATUSES:
            signal.signal(one, signal.SIG_IGN if one in ignored else signal.SIG_DFL)

    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    own = {**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", **(environment or {}), MARK: mark}
    place = Path(tempfile.mkdtemp(prefix="etude-signalled-"))
    out, err = place / "out", place / "err"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            command, cwd=root, env=own, stdout=to_out, stderr=to_err, start_new_session=True, preexec_fn=begin
        )

    def is_ready() -> bool:
        return ready in out.read_text() + err.read_text() if isinstance(ready, str) else ready()

    until = time.monotonic() + 90
    listened: set[str] = set()
    while not is_ready() and process.poll() is None and time.monotonic() < until:
        listened |= listening(process.pid)
        time.sleep(0.02)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    listened |= listening(process.pid)
    sent = time.monotonic()
    for one in [number] if again is None else [number, again]:
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(process.pid, one)
        if again is not None:
            time.sleep(0.2)
    with suppress(subprocess.TimeoutExpired):
        process.wait(wait)
    seconds = time.monotonic() - sent
    while (left := started(process.pid, mark)) and time.monotonic() < sent + wait:
        time.sleep(0.05)
    lines = []
    for one in left:
        with suppress(psutil.Error):
            lines.append(" ".join(one.cmdline())[-200:])
            one.kill()
    status = process.poll()
    said, printed = err.read_text(errors="replace"), out.read_text(errors="replace")
    shutil.rmtree(place)
    return End(status, said, printed, lines, frozenset(listened), seconds)


def listening(number: int) -> set[str]:
    """The addresses at which a process and all that it has started listen now."""
    found = set()
    with suppress(psutil.Error):
        parent = psutil.Process(number)
        for one in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error):
                found |= {at.laddr.ip for at in one.net_connections("inet") if at.status == psutil.CONN_LISTEN}
    return found


def started(number: int, mark: str = "") -> list[psutil.Process]:
    """The processes of a session, or with a mark in their environment, that are alive."""
    found = []
    for one in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if one.status() == psutil.STATUS_ZOMBIE:
                continue
            if os.getsid(one.pid) == number or (mark and one.environ().get(MARK) == mark):
                found.append(one)
    return found
