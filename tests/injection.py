"""Faults on purpose, in a process of its own: a kill, or an error of the disk, at any file operation of some work.

A file operation is what changes a folder or opens a file to write it, as Python's audit events name it. The work is
done once to count them, and then once for each: it ends before the first, before the second, and so on, as SQLite's
tests do it.
"""

import errno
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

# a server without threads forks the processes: each starts at once, with what is imported here
CONTEXT: Any = multiprocessing.get_context("forkserver")
PRELOAD = ["disturbed", "pytorch_lightning", "etude.stages.train", "etude.stages.generate", "etude.stages.arrange"]
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
LONGEST = 120.0  # seconds of any work
KILL = 0  # in place of the number of an error
FULL, READ_ONLY, RIGHTS, BROKEN = errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO


@dataclass(frozen=True)
class Fault:
    """What happens at a file operation."""

    at: int  # the operation, from 0
    kind: int = KILL  # or the number of an error
    lasts: bool = False  # an error: of all that is written from there on, as on a disk that stays full


@dataclass(frozen=True)
class Outcome:
    """How the work ended: ``text`` is "" where it was done, else the error; ``operations`` counts those of files."""

    killed: bool
    operations: int
    text: str
    known: bool  # the error is a sentence, or one that the command line makes a sentence


class _Operations:
    """Counts the file operations below a folder, and brings the fault about."""

    def __init__(self, folder: Path, fault: Fault | None) -> None:
        self.folder, self.fault, self.count, self.on = str(folder), fault, 0, True
        self.process = os.getpid()  # not those that it starts: one that reads a score may end, which costs that score

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook of Python."""
        if not self.on or not self._changes(event, args) or os.getpid() != self.process:
            return
        number, fault = self.count, self.fault
        self.count += 1
        if fault is None or number < fault.at or (number > fault.at and not fault.lasts):
            return
        if fault.kind == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == FULL and event in ("os.remove", "os.rmdir", "os.rename"):
            return  # a full disk takes these
        raise OSError(fault.kind, os.strerror(fault.kind), os.fsdecode(args[0]))

    def _changes(self, event: str, args: tuple[Any, ...]) -> bool:
        if event == "open":
            path, mode, flags = args
            writes = (isinstance(mode, str) and mode[0] in "wxa") or bool((flags or 0) & WRITES)
            return writes and self._inside(path)
        return event in CHANGES and (self._inside(args[0]) or -1 not in args[1:])  # relative to an open folder

    def _inside(self, path: Any) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self.folder)


def _run(pipe: Any, folder: Path, fault: Fault | None, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    from etude.core.errors import EtudeError
    from etude.core.machine_faults import reason_of

    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    operations = _Operations(folder, fault)
    sys.addaudithook(operations)
    text, known = "", True
    try:
        work(*args)
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        known = isinstance(error, EtudeError) or (isinstance(error, OSError) and reason_of(error) is not None)
    operations.on = False
    pipe.send((operations.count, text, known))


@cache
def start_server() -> None:
    """Start the server, which must find this folder for what it imports."""
    CONTEXT.set_forkserver_preload(PRELOAD)
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), before]))
    ensure_running()
    os.environ["PYTHONPATH"] = before


def run(
    folder: Path,
    work: Callable[..., Any],
    *args: Any,
    fault: Fault | None = None,
    seconds: float = LONGEST,
    kill: bool = False,
) -> Outcome:
    """Do ``work(*args)``, a function of a module, in a process of its own.

    Args:
        folder: below which file operations count.
        work: what is done.
        args: its arguments.
        fault: what happens at one of them.
        seconds: after which it is given up.
        kill: it is killed then, which is no fault of it.
    """
    start_server()
    mine, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_run, args=(theirs, folder, fault, work, args))
    process.start()
    theirs.close()
    try:
        if mine.poll(seconds):
            count, text, known = mine.recv()
        elif kill:
            process.kill()
            count, text, known = 0, "", True
        else:
            count, text, known = 0, f"did not end within {seconds} s", False
    except EOFError:  # it has been killed
        count, text, known = 0, "", True
    process.join(10)
    if process.is_alive():
        process.kill()
        process.join()
    killed = process.exitcode == -signal.SIGKILL
    if not killed and process.exitcode:
        text, known = text or f"ended with {process.exitcode}", False
    return Outcome(killed, count, text, known)


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, but for those that are hidden, and what stands in them."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    inside = ((file.relative_to(folder), file) for file in files)
    return {str(name): file.read_bytes() for name, file in inside if not any(part[0] == "." for part in name.parts)}
