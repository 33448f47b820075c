"""A line of the table of faults: what was tried, how often, and what went wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Row:
    """A line of the table."""

    what: str
    attempts: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, *faults: str) -> None:
        """One attempt, and what was wrong with it."""
        self.attempts += 1
        self.failures += faults


# an empty folder, and the share of all attempts that is made, above 0 and at most 1: the lines, as they are measured
Measure = Callable[[Path, float], Iterator[Row]]


def part(attempts: int, share: float) -> int:
    """A share of so many attempts, at least one."""
    return max(1, round(attempts * share))
