"""Signals that end a process: INT (Ctrl-C), TERM and HUP (a terminal that closes) leave as little behind as an error.

The first one raises ``Ended`` in the main thread, so that what is half-written is removed and runs are closed. Later
ones are ignored meanwhile. What takes too long, or swallows the exception, is ended by force. A signal that is ignored
from the start, as under nohup, stays ignored.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import FrameType

from etude.core.streams import tell

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 8.0  # seconds that a process has to end by itself
GRACE_OF_WORKERS = 5.0  # less, so that they have ended before the process that waits for them
NOT_OURS = "resource_tracker"  # ends by itself after all others, and removes what they left in shared memory


class Ended(KeyboardInterrupt):
    """The process was asked to end. ``number`` is the signal."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        """Args: the signal."""
        super().__init__(number)
        self.number = number


class _State:
    """What this process knows of its end."""

    def __init__(self) -> None:
        self.process = 0  # whose handlers these are; a fork of it has another number
        self.number: int | None = None  # the signal that ends it
        self.waiting: int | None = None  # a signal that waits for the end of ``deferred``
        self.deferring = 0
        self.grace = GRACE
        self.said = False
        self.left = ""  # what the process leaves behind, in a sentence
        self.reason = ""  # why it ends, where nobody sent a signal
        self.at_once = False  # nothing is there yet that would have to be removed


_state = _State()


def ending() -> int | None:
    """The signal by which this process is ending; None while it is not."""
    return _state.number


def handle(number: int, frame: FrameType | None = None) -> None:
    """Raise ``Ended`` for the first signal, and ignore all that follow: a handler for ``signal.signal``."""
    state = _state
    if state.number is not None or state.waiting is not None:
        return
    if state.at_once:
        say(number)
        os._exit(128 + number)
    forked = os.getpid() != state.process
    with suppress(RuntimeError):  # no further thread can be started
        _thread.start_new_thread(_force, (state, number, 2.0 if forked else state.grace))
    if state.deferring:
        state.waiting = number
        return
    _end(number)


def _end(number: int) -> None:
    _state.number = number
    threading.excepthook = _ignore  # what other threads miss from here on is no news
    sys.unraisablehook = _end_again
    raise Ended(number)


def _ignore(what: object) -> None:
    """Print nothing."""


def _end_again(unraisable: object) -> None:
    """``Ended`` was raised where no exception gets out, as in ``__del__``: raise it once more, a moment later."""
    number = _state.number
    if isinstance(getattr(unraisable, "exc_value", None), Ended) and number is not None:
        with suppress(RuntimeError):
            _thread.start_new_thread(_send_again, (number,))


def _send_again(number: int) -> None:
    time.sleep(0.02)
    _state.number = None
    os.kill(os.getpid(), number)


def _force(state: _State, number: int, grace: float) -> None:
    """End the process if it has not ended after ``grace`` seconds; not where another task has started meanwhile."""
    time.sleep(grace)
    if state is not _state:
        return
    if os.getpid() == state.process:
        with suppress(Exception):
            end_children(0.0)
        say(number)
    os._exit(128 + number)


def say(number: int) -> None:
    """Print why this process ends and what it leaves behind, once."""
    if _state.said or os.getpid() != _state.process:
        return
    _state.said = True
    how = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
    tell(f"etude: {_state.reason or how}. {_state.left}".rstrip())


def end_children(patience: float) -> None:
    """End all processes that this one has started: by SIGTERM, and after ``patience`` seconds by SIGKILL."""
    import psutil

    left = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if not any(NOT_OURS in word for word in child.cmdline()):
                left.append(child)
    for child in left if patience else []:
        with suppress(psutil.Error):
            child.terminate()
    for child in psutil.wait_procs(left, patience)[1] if left else []:
        with suppress(psutil.Error):
            child.kill()


@contextmanager
def ended_by_signals(left: str = "", grace: float = GRACE, for_good: bool = False) -> Iterator[None]:
    """Have INT, TERM and HUP raise ``Ended`` meanwhile; in the main thread alone, and once where it is nested.

    Args:
        left: what the process leaves behind when it ends, in a sentence.
        grace: seconds after which it is ended by force.
        for_good: the process ends after this; a signal ends it at once then, and by force where one has come before.
    """
    global _state
    if threading.current_thread() is not threading.main_thread() or handles():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    hooks = threading.excepthook, sys.unraisablehook
    _state = state = _State()
    state.process, state.left, state.grace = os.getpid(), left, grace
    _set()
    try:
        yield
    finally:
        if for_good and not state.number:
            end_at_once(left)
        elif not for_good:
            for number, earlier in before.items():
                signal.signal(number, earlier or signal.SIG_DFL)
            threading.excepthook, sys.unraisablehook = hooks
            _state = _State()


def handles() -> bool:
    """Whether this process, not one that it is a fork of, ends as this module says."""
    return _state.process == os.getpid() and not _state.at_once


def end_at_once(left: str) -> None:
    """Have INT, TERM and HUP end the process with its sentence: as long as it imports, there is nothing to remove."""
    global _state
    _state = _State()
    _state.process, _state.left, _state.at_once = os.getpid(), left, True
    _set()


def starts_etude() -> bool:
    """Whether this process was started as ``etude``, or for a module of it, whose packages Python imports first."""
    if sys.argv[:1] == ["-m"]:  # so it is until the module has been found; the packages that it lies in come first
        return any(one == "-m" and name.split(".")[0] == "etude" for one, name in pairwise(sys.orig_argv))
    return os.path.basename("".join(sys.argv[:1])) == "etude"


def ignore() -> None:
    """Ignore INT, TERM and HUP: all is done, and Python is being taken down, which would end by the signal itself."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _set() -> None:
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)


@contextmanager
def deferred() -> Iterator[None]:
    """Have a signal wait until the end of this, which is short: no step inside is done without the others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.deferring += 1
    try:
        yield
    finally:
        _state.deferring -= 1
        if not _state.deferring and _state.waiting is not None:
            number, _state.waiting = _state.waiting, None
            _end(number)


@contextmanager
def shield(numbers: Iterable[int] = SIGNALS) -> Iterator[None]:
    """Have processes and threads that are started meanwhile get no signals: those who start them end them.

    A terminal sends its signals to all processes. Workers that die of them would leave their traceback, and the process
    that waits for them would take it for a fault.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def obey_parent() -> None:
    """Let TERM alone end this process: in a worker that was started under a ``shield``."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def end_with(parent: int, reason: str, every: float = 1.0) -> None:
    """End this process, as by SIGTERM, when the process ``parent`` has gone.

    Args:
        parent: its number.
        reason: the sentence on it, without its full stop.
        every: seconds between two looks.
    """
    import psutil

    try:
        watched = psutil.Process(parent)
    except psutil.Error:
        return

    def look() -> None:
        while watched.is_running() and watched.status() != psutil.STATUS_ZOMBIE:
            time.sleep(every)
        _state.reason = reason
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()
