"""Signals that end a command: SIGTERM leaves as little behind as Ctrl-C does."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM raise ``Terminated`` meanwhile, which removes what is half-written; in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: object) -> None:
    raise Terminated
