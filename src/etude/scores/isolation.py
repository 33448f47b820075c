"""Work on items in forked processes with a deadline, so that a hang, a crash or a memory leak costs one item."""

import contextlib
import faulthandler
import fcntl
import gc
import os
import pickle
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
from typing import Generic, TypeVar

from etude.core.errors import EtudeError
from etude.core.signals import SIGNALS

T = TypeVar("T")
R = TypeVar("R")
LIFE = 1000  # items that one process handles: leaks stay small, and a fork costs little per item
GRACE = 10.0  # seconds after which the parent enforces the deadline, if the process has switched off its own timer
UNFORESEEN = "it is damaged, or written in a way that is not known here"
HEAD = struct.Struct("<Q")  # the length of an answer, before it

_forking = threading.Lock()  # processes forked in two threads must not inherit each other's ends of pipes


@dataclass(frozen=True)
class Lost:
    """The reason for which there is no result: a sentence without places or clocks."""

    reason: str


@dataclass(frozen=True)
class _Suspect:
    """A loss that earlier items may have caused: a fresh process may do better."""

    reason: str


def isolate(work: Callable[[T], R], items: Sequence[T], seconds: float, memory: int) -> Iterator[R | Lost]:
    """Compute ``work(item)`` for each item, in their order, in one forked process at a time.

    A hang, a crash, an exception or too much memory costs that item alone, which gives a ``Lost``. An item lost to a
    crash or to memory is tried once more in a fresh process, so that no result depends on the items before it.
    ``work`` and the items reach the process with the fork and need not be picklable; results come back pickled.
    The output of ``work`` is discarded. Any thread may call this, and so may a worker of joblib or dask. No process
    outlives its parent (on Linux it ends at once, elsewhere when its item's time is over).

    Args:
        work: the function; the message of its ``EtudeError`` is the reason.
        items: its arguments.
        seconds: the deadline of one item.
        memory: bytes of address space that a process may take beyond the caller's (on Linux).

    Yields:
        A result or a ``Lost`` per item.

    Raises:
        EtudeError: no process can be started.
    """
    done, tried = 0, False
    while done < len(items):
        child: _Child[T, R] = _Child(work, items[done : done + LIFE], seconds, memory)
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


def isolate_groups(
    work: Callable[[Sequence[T]], Sequence[R]], groups: Sequence[Sequence[T]], seconds: float, memory: int
) -> Iterator[R | Lost]:
    """Compute ``work(group)`` for each group of items; the results come one per item, in their order; see ``isolate``.

    A lost group is tried again item by item, each as its own group: a loss costs one item, and small items share the
    cost of isolation. ``work`` itself handles exceptions, with ``attempt``.

    Args:
        work: takes a group and returns as many results.
        groups: lists of items that are fast.
        seconds: the deadline of one group.
        memory: as in ``isolate``.
    """
    for group, results in zip(groups, isolate(work, groups, seconds, memory), strict=True):
        if not isinstance(results, Lost):
            yield from results
        elif len(group) == 1:
            yield results
        else:
            for alone in isolate(work, [[item] for item in group], seconds, memory):
                yield alone if isinstance(alone, Lost) else alone[0]


def attempt(work: Callable[[T], R], item: T) -> R | Lost:
    """``work(item)``, or a ``Lost`` with the reason from its exception.

    Raises:
        MemoryError: it concerns the process, not the item.
    """
    try:
        return work(item)
    except EtudeError as error:
        return Lost(str(error))
    except MemoryError:
        raise
    except BaseException as error:  # SystemExit as well: no exception may leave the process
        return Lost(_reason(error))


class _Child(Generic[T, R]):
    """A process that handles some items, as its parent sees it."""

    def __init__(self, work: Callable[[T], R], items: Sequence[T], seconds: float, memory: int) -> None:
        self.ended = False  # no further answer will come
        self.buffer = bytearray()
        with _forking:
            self.source, sink = os.pipe()
            life, self.alive = os.pipe()  # carries no data: it closes when the parent ends
            try:
                self.process: int | None = os.fork()
            except OSError:
                for end in (self.source, sink, life, self.alive):
                    os.close(end)
                raise EtudeError(
                    "No process can be started to read files: there are too many, or the memory is full. End some "
                    "and try again."
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

    def answer(self, seconds: float) -> R | Lost | _Suspect:
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
            answer: R | Lost | _Suspect = pickle.loads(data)
        except Exception as error:
            return Lost(_reason(error))
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
        """End the process, if it still runs, release its resources, and return its exit status."""
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


def _serve(work: Callable[[T], R], items: Sequence[T], seconds: float, memory: int, sink: int, life: int) -> None:
    """Run the process: write one answer per item to the pipe ``sink``."""
    global _forking
    _forking = threading.Lock()  # the inherited one is held, and work may itself use isolate
    _leave_parent(life)
    _limit(memory)
    for item in items:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # ends the process even inside C code
        answer, data = _attempt(work, item)
        signal.setitimer(signal.ITIMER_REAL, 0)
        view = memoryview(HEAD.pack(len(data)) + data)
        while view:
            view = view[os.write(sink, view) :]
        if isinstance(answer, _Suspect):
            return


def _leave_parent(life: int) -> None:
    """Drop the parent's signal handlers and outputs, and end when ``life`` is closed."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGALRM, signal.SIGCHLD, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    for number in SIGNALS:  # a terminal sends them to all: a process that ended by one would count as crashed
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(
        life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC
    )  # closing it sends SIGIO, which ends
    if select.select([life], [], [], 0)[0]:
        os._exit(0)  # it is already closed
    faulthandler.disable()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.stdout = sys.stderr = open(null, "w")  # noqa: SIM115 - the parent flushes its own buffer
    warnings.simplefilter("ignore")
    gc.freeze()  # collections would copy the parent's memory, page by page


def _limit(memory: int) -> None:
    """Bound the address space to the present size plus ``memory`` bytes."""
    with contextlib.suppress(ValueError, OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory,) * 2)


def _attempt(work: Callable[[T], R], item: T) -> tuple[R | Lost | _Suspect, bytes]:
    """The answer for an item, plain and pickled."""
    answer: R | Lost | _Suspect
    try:
        answer = attempt(work, item)
        return answer, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        answer = _Suspect("it takes too much memory to read")
    except BaseException as error:  # the answer cannot be pickled
        answer = Lost(_reason(error))
    return answer, pickle.dumps(answer)


def _late(seconds: float) -> str:
    return f"not read after ingest.seconds = {seconds:g}"


def _reason(error: BaseException) -> str:
    """A sentence about an item that raised an exception nobody foresaw. Calling ``work`` itself shows the exception."""
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read ({error.strerror})"
    return UNFORESEEN
