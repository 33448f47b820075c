"""Work on items in forked processes with a deadline, so that a hang, a crash or a swelling costs one item."""

import contextlib
import faulthandler
import fcntl
import gc
import os
import pickle
import re
import resource
import select
import signal
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.core.errors import EtudeError

LIFE = 1000  # items that one process works through: what leaks in it stays small, and a fork costs little an item
GRACE = 10.0  # seconds after which the deadline is kept from outside, should the process have switched off its own
HEAD = struct.Struct("<Q")  # the length of an answer, before it

_forking = threading.Lock()  # processes forked in two threads must not inherit each other's ends of pipes


@dataclass(frozen=True)
class Lost:
    """What stands in the place of a result that there is not: the reason, a sentence without places or clocks."""

    reason: str


@dataclass(frozen=True)
class _Suspect:
    """A loss that the items before may have caused: a fresh process may do better."""

    reason: str


def isolated(work: Callable[[Any], Any], items: Sequence[Any], seconds: float, memory: int) -> Iterator[Any]:
    """``work(item)`` for each item, in their order, done in one forked process at a time.

    A hang, a crash, an exception or too much memory costs that item alone, for which a ``Lost`` comes. An item that was
    lost to a crash or to memory is tried once more in a fresh process, so that no result depends on the items before
    it. ``work`` and the items reach the process with the fork and need not be picklable; results come back pickled.
    What ``work`` prints is lost. Any thread may call this, and so may a worker of joblib or dask. No process outlives
    the one that started it (on Linux at once, elsewhere when its item's time is over).

    Args:
        work: the function; an ``EtudeError`` of it is a reason in itself.
        items: its arguments.
        seconds: the deadline of one item.
        memory: bytes of address space that a process may take beyond what the caller has (on Linux).

    Yields:
        A result or a ``Lost`` an item.

    Raises:
        EtudeError: no process can be started.
    """
    done, tried = 0, False
    while done < len(items):
        child = _Child(work, items[done : done + LIFE], seconds, memory)
        try:
            for _ in range(min(LIFE, len(items) - done)):
                answer = child.answer(seconds)
                if isinstance(answer, _Suspect):
                    if not tried:
                        tried = True
                        break
                    answer = Lost(answer.reason)
                yield answer
                done, tried = done + 1, False
                if child.ended:
                    break
        finally:
            child.stop()


def isolated_groups(
    work: Callable[[Any], Sequence[Any]], groups: Sequence[Sequence[Any]], seconds: float, memory: int
) -> Iterator[Any]:
    """The results of ``work(group)`` for each group of items, one an item, in their order; see ``isolated``.

    A group that is lost is taken again item by item, each as a group of its own: so a loss costs one item, and small
    items share what it costs to isolate them. ``work`` itself sees to exceptions, with ``attempted``.

    Args:
        work: takes a group and returns as many results.
        groups: lists of items that do not take long.
        seconds: the deadline of one group.
        memory: as in ``isolated``.
    """
    for group, results in zip(groups, isolated(work, groups, seconds, memory), strict=True):
        if not isinstance(results, Lost):
            yield from results
        elif len(group) == 1:
            yield results
        else:
            for alone in isolated(work, [[item] for item in group], seconds, memory):
                yield alone if isinstance(alone, Lost) else alone[0]


def attempted(work: Callable[[Any], Any], item: Any) -> Any:
    """``work(item)``, or a ``Lost`` with the reason that its exception gives.

    Raises:
        MemoryError: which says nothing about the item, but about the process.
    """
    try:
        return work(item)
    except EtudeError as error:
        return Lost(str(error))
    except MemoryError:
        raise
    except BaseException as error:  # SystemExit as well: no exception may leave the process
        return Lost(f"cannot be read ({_plain(error)})")


class _Child:
    """A process that works through some items, as its parent sees it."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any], seconds: float, memory: int) -> None:
        self.ended = False  # no further answer will come
        self.buffer = bytearray()
        with _forking:
            self.source, sink = os.pipe()
            life, self.alive = os.pipe()  # nothing goes through it: its closing says that the parent has gone
            try:
                self.process: int | None = os.fork()
            except OSError:
                for end in (self.source, sink, life, self.alive):
                    os.close(end)
                raise EtudeError(
                    "No process can be started to read files in: there are too many, or the memory is full."
                ) from None
            if self.process == 0:
                try:
                    os.close(self.source)
                    os.close(self.alive)
                    _serve(work, items, seconds, memory, sink, life)
                finally:
                    os._exit(0)  # whatever happened: the caller's code must not go on in a second process
            os.close(sink)
            os.close(life)
        self.poll = select.poll()
        self.poll.register(self.source, select.POLLIN)

    def answer(self, seconds: float) -> Any:
        """The next item's result, ``Lost`` or ``_Suspect``."""
        until = time.monotonic() + seconds + GRACE
        try:
            data = self._take(HEAD.unpack(self._take(HEAD.size, until))[0], until)
        except TimeoutError:
            self.stop()
            return Lost(_late(seconds))
        except EOFError:
            status = self.stop()
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
                return Lost(_late(seconds))
            name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "it ended by itself"
            return _Suspect(f"the process that read it crashed ({name})")
        try:
            answer = pickle.loads(data)
        except Exception as error:
            return Lost(f"cannot be read ({_plain(error)})")
        self.ended = isinstance(answer, _Suspect)
        return answer

    def _take(self, size: int, until: float) -> bytes:
        while len(self.buffer) < size:
            if not self.poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise TimeoutError
            data = os.read(self.source, 1 << 20)
            if not data:
                raise EOFError
            self.buffer += data
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def stop(self) -> int:
        """End the process, if it has not ended, and leave nothing of it: the status with which it ended."""
        status = 0
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)  # one that is already ending keeps its own status
            with contextlib.suppress(ChildProcessError):  # the caller may have SIGCHLD ignored
                status = os.waitpid(self.process, 0)[1]
            os.close(self.source)
            os.close(self.alive)
        self.ended, self.process = True, None
        return status


def _serve(work: Callable[[Any], Any], items: Sequence[Any], seconds: float, memory: int, sink: int, life: int) -> None:
    """The life of the process: an answer an item into the pipe ``sink``."""
    global _forking
    _forking = threading.Lock()  # the inherited one is held, and work may itself use isolated
    _leave_parent(life)
    _limit(memory)
    for item in items:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # ends the process, even one that is deep in C code
        answer, data = _attempt(work, item)
        signal.setitimer(signal.ITIMER_REAL, 0)
        view = memoryview(HEAD.pack(len(data)) + data)
        while view:
            view = view[os.write(sink, view) :]
        if isinstance(answer, _Suspect):
            return


def _leave_parent(life: int) -> None:
    """Take the signals, outputs and threads of the parent away, and end when ``life`` is closed, as it will be."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(
        life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC
    )  # closing it sends SIGIO, which ends
    if select.select([life], [], [], 0)[0]:
        os._exit(0)  # it was closed before
    faulthandler.disable()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.stdout = sys.stderr = open(null, "w")  # noqa: SIM115 - what the parent has not flushed, it will flush
    warnings.simplefilter("ignore")
    gc.freeze()  # collections would copy the parent's memory, page by page


def _limit(memory: int) -> None:
    """Bound the address space: what the process starts with, and ``memory`` bytes."""
    with contextlib.suppress(ValueError, OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory,) * 2)


def _attempt(work: Callable[[Any], Any], item: Any) -> tuple[Any, bytes]:
    """The answer for an item, and that pickled."""
    answer: Any
    try:
        answer = attempted(work, item)
        return answer, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        answer = _Suspect("it takes too much memory to read")
    except BaseException as error:  # it cannot be pickled
        answer = Lost(f"cannot be read ({_plain(error)})")
    return answer, pickle.dumps(answer)


def _late(seconds: float) -> str:
    return f"not read after ingest.seconds = {seconds:g}"


def _plain(error: BaseException) -> str:
    """An exception's text without what differs from run to run: folders and addresses."""
    text = " ".join(str(error).split())
    text = re.sub(r"(/[^\s/'\"]+)+/", "", re.sub(r" at 0x[0-9a-fA-F]+", "", text))
    return f"{type(error).__name__}: {text[:200]}"
