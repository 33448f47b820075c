"""The time of a session: the real one, or one that passes as fast as the work is done."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds, from any start."""

    real: bool  # whether time passes by itself

    def now(self) -> float:
        """The time."""

    def wait(self, until: float, woken: threading.Event) -> bool:
        """Wait until a time, or until an event is set, and tell whether it was."""


class RealClock:
    """The time of the day."""

    real = True

    def now(self) -> float:
        """See Clock."""
        return time.monotonic()

    def wait(self, until: float, woken: threading.Event) -> bool:
        """See Clock."""
        return woken.wait(max(0.0, until - time.monotonic()))


class FastClock:
    """Time passes at once when somebody waits."""

    real = False

    def __init__(self) -> None:
        """Start at 0."""
        self._now = 0.0

    def now(self) -> float:
        """See Clock."""
        return self._now

    def wait(self, until: float, woken: threading.Event) -> bool:
        """See Clock."""
        self._now = max(self._now, until)
        return woken.is_set()
