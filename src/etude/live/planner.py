"""Bars written ahead of time, in a thread of their own, and what is taken when one is not there in time."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etude.live.bars import Bar
from etude.live.controls import Console, Controls
from etude.live.sounding import Slot, Sound

Write = Callable[[Sequence[Bar], Controls, int], tuple[Bar, tuple[Sound, ...]]]  # past, controls, number


@dataclass(frozen=True)
class Planned:
    """A bar that waits."""

    bar: Bar
    band: tuple[Sound, ...]
    controls: Controls  # under which it was written
    number: int  # for which place
    known: int  # bars of the past that were known as they were heard


class Planner:
    """Keeps some bars ahead. A change of the controls has those written again, which are kept until then."""

    def __init__(self, write: Write, console: Console, ahead: int) -> None:
        """Args: what writes a bar; the controls; how many bars are kept ahead."""
        self.write, self.console, self.ahead = write, console, ahead
        self.slots: list[Slot] = []
        self.fault: Exception | None = None
        self.repeats = 0
        self._heard: list[Bar] = []  # the past, as it was heard as far as that is known
        self._amended = 0  # number of bars that are known as they were heard
        self._planned: list[Planned] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="planner", daemon=True)
        console.watch(self._wake)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread after the bar that it writes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def planned(self) -> list[Planned]:
        """What waits, in its order."""
        with self._changed:
            return list(self._planned)

    def ready(self, patience: float | None = None, bars: int = 1, fresh: bool = True) -> bool:
        """Wait until so many bars wait, of the present controls if ``fresh``; None: for as long as it takes."""

        def there() -> bool:
            if self._closed or self.fault is not None:
                return True
            waiting = self._planned[:bars]
            return len(waiting) == bars and (not fresh or all(self._is_fresh(one) for one in waiting))

        with self._changed:
            return self._changed.wait_for(there, patience)

    def take(self) -> Slot:
        """The next bar: the planned one, though it be written for earlier controls, or the last one once more."""
        with self._changed:
            if self.fault is not None:
                raise self.fault
            played = self.console.controls
            if self._planned:
                one = self._planned.pop(0)
                slot = Slot(one.bar, played, one.controls, one.number, one.known, band=one.band)
            else:
                last = self.slots[-1] if self.slots else Slot(Bar(()), played, played, 0)
                slot = Slot(last.bar, played, last.written, len(self.slots), repeats=True, band=last.band)
                self.repeats += 1
            self.slots.append(slot)
            self._heard.append(slot.bar)
            self._changed.notify_all()
            return slot

    def amend(self, number: int, slot: Slot) -> None:
        """Put what was heard in the place of a bar, so that what comes next goes on from it."""
        with self._changed:
            self.slots[number] = slot
            if slot.bar != self._heard[number]:
                self._heard[number] = slot.bar
                self._amended = number + 1
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_fresh(self, one: Planned) -> bool:
        return one.controls.written() == self.console.controls.written() and one.known >= self._amended

    def _next(self) -> int | None:
        """The place of the bar to be written: the first that is not fresh, or the one after the last."""
        for place, one in enumerate(self._planned):
            if not self._is_fresh(one):
                return place
        return len(self._planned) if len(self._planned) < self.ahead else None

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next() is not None)
                if self._closed:
                    return
                place = self._next()
                assert place is not None
                number, known = len(self.slots) + place, self._amended
                past = [*self._heard, *(one.bar for one in self._planned[:place])]
                controls = self.console.controls
            try:
                bar, band = self.write(past, controls, number)
            except Exception as error:
                with self._changed:
                    self.fault = error
                    self._changed.notify_all()
                return
            made = Planned(bar, band, controls, number, known)
            with self._changed:
                place = number - len(self.slots)
                if place >= 0:
                    self._planned[place:] = [made]
                elif not self._planned:  # late: its place has passed, it takes the next one
                    self._planned = [made]
                self._changed.notify_all()
