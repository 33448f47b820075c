"""Progress bars with the time that remains; plain lines where there is no terminal."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

T = TypeVar("T")
LINE_EVERY = 10.0  # seconds between lines where there is no terminal
SHARED_LINE_EVERY = 60.0  # where several tasks share a terminal or a log
_place: ContextVar[str] = ContextVar("place", default="")
_shared: ContextVar[bool] = ContextVar("shared", default=False)
Watch = Callable[[str, int, int], None]  # what is done, how much of it, and of how much
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def at_place(place: str, shared: bool = False) -> Iterator[None]:
    """Show ``place``, as ``[5/60]``, before each task inside. ``shared``: in lines, one a minute, as others run too."""
    tokens = _place.set(place), _shared.set(shared)
    try:
        yield
    finally:
        _place.reset(tokens[0])
        _shared.reset(tokens[1])


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Report the progress of tasks inside to ``watch`` instead of showing it; what it raises ends the task."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


class Bar(Protocol):
    """The callback of a long task."""

    def __call__(self, done: int, note: str = "") -> None:
        """Report that ``done`` units of the total are done, with a short note (a loss, a file)."""


@contextmanager
def bar(what: str, total: int, show: bool = True) -> Iterator[Bar]:
    """Show a progress bar over ``total`` units on standard error.

    The note gives way in a narrow terminal; what is done and the time that remains stay.
    """
    what = f"{_place.get()} {what}".lstrip()
    if (watch := _watch.get()) is not None:
        yield lambda done, note="": watch(what, done, total)
    elif not show:
        yield lambda done, note="": None
    elif sys.stderr and sys.stderr.isatty() and not _shared.get():
        with Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(None, table_column=Column(ratio=1, min_width=8, max_width=40)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn("left", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[note]}", markup=False, table_column=Column(ratio=2, no_wrap=True)),
            console=Console(stderr=True),
            expand=True,
        ) as progress:
            task = progress.add_task(what, total=total, note="")
            yield lambda done, note="": progress.update(task, completed=done, note=note)
    else:
        yield _Lines(what, total, SHARED_LINE_EVERY if _shared.get() else LINE_EVERY)


class _Lines:
    def __init__(self, what: str, total: int, every: float) -> None:
        self.what, self.total, self.every = what, total, every
        self.start = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self.start = done, now  # a resumed task does not start at 0
        if now - self.last < self.every:
            return
        self.last = now
        fresh = done - self.first
        left = f"{(self.total - done) * (now - self.start) / fresh:.0f} s left" if fresh else "time left unknown"
        with suppress(OSError):  # a terminal that has closed, a log on a full disk: they end no work
            print(f"{self.what}: {done}/{self.total}, {left} {note}".rstrip(), file=sys.stderr, flush=True)


def follow(items: Iterable[T], what: str, total: int, show: bool = True) -> Iterator[T]:
    """Yield ``items`` under a progress bar."""
    with bar(what, total, show) as advance:
        for done, item in enumerate(items, start=1):
            yield item
            advance(done)
