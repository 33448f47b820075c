"""Progress bars with the time that remains; plain lines where there is no terminal."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
LINE_EVERY = 10.0  # seconds between lines where there is no terminal


class Bar(Protocol):
    """The callback of a long task."""

    def __call__(self, done: int, note: str = "") -> None:
        """Report that ``done`` units of the total are done, with a short note (a loss, a file)."""


@contextmanager
def bar(what: str, total: int, show: bool = True) -> Iterator[Bar]:
    """Show a progress bar over ``total`` units on standard error."""
    if not show:
        yield lambda done, note="": None
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        left = (TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
        with Progress(*columns, *left, console=Console(stderr=True)) as progress:
            task = progress.add_task(what, total=total, note="")
            yield lambda done, note="": progress.update(task, completed=done, note=note)
    else:
        yield _Lines(what, total)


class _Lines:
    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.start = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self.start = done, now  # a resumed task does not start at 0
        if now - self.last < LINE_EVERY:
            return
        self.last = now
        fresh = done - self.first
        left = f"{(self.total - done) * (now - self.start) / fresh:.0f} s left" if fresh else "time left unknown"
        print(f"{self.what}: {done}/{self.total}, {left} {note}".rstrip(), file=sys.stderr, flush=True)


def follow(items: Iterable[T], what: str, total: int, show: bool = True) -> Iterator[T]:
    """Yield ``items`` under a progress bar."""
    with bar(what, total, show) as advance:
        for done, item in enumerate(items, start=1):
            yield item
            advance(done)
