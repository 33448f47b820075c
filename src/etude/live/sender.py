"""Notes on their way to MIDI outputs: each at its time, each ended, whatever happens."""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import mido

from etude.live.clock import Clock
from etude.live.sounding import Part
from etude.representations.base.survey import DRUMS

DRUM_CHANNEL = 9
CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]
ALL_NOTES_OFF, ALL_SOUND_OFF = 123, 120  # controllers
LATE = 0.010  # seconds after its time at which a message counts as late


class Output(Protocol):
    """Where MIDI messages go."""

    name: str

    def send(self, message: mido.Message) -> None:
        """Send a message. Raises OSError, or what the port raises, where it is lost."""

    def close(self) -> None:
        """Close it."""


@dataclass(order=True)
class _Event:
    time: float
    rank: int  # ends come before starts
    order: int
    on: bool = field(compare=False)
    key: tuple[str, int] = field(compare=False)  # name of the part, pitch
    message: mido.Message = field(compare=False)
    number: int = field(default=0, compare=False)  # of the note, so that its end ends no other one of its pitch
    starts: float = field(default=0.0, compare=False)  # when the note of an end starts
    dropped: bool = field(default=False, compare=False)


@dataclass
class Punctuality:
    """How late messages were sent."""

    sent: int = 0
    late: int = 0  # by more than LATE
    worst: float = 0.0  # seconds

    def count(self, lateness: float) -> None:
        """Count one message."""
        self.sent += 1
        self.late += lateness > LATE
        self.worst = max(self.worst, lateness)


class Sender:
    """Sends notes at their times, from one thread; ``stop`` may come from any."""

    def __init__(self, outputs: Sequence[Output], clock: Clock, say: Callable[[str], None]) -> None:
        """Args: where messages go; the time; what gets a sentence when an output is lost."""
        self.outputs, self.clock, self.say = list(outputs), clock, say
        self.punctuality = Punctuality()
        self.woken = threading.Event()  # ends every wait
        self._events: list[_Event] = []
        self._orders = itertools.count()
        self._ends: dict[tuple[str, int], _Event] = {}  # of what sounds, or will
        self._newest: dict[str, _Event] = {}  # the last end of each part
        self._sounding: dict[tuple[str, int], tuple[mido.Message, int]] = {}  # what is to be ended -> how, its number
        self._losing = threading.Lock()
        self._channels: dict[str, int] = {}
        self._programs: dict[str, int] = {}

    def channel(self, part: Part) -> int:
        """The MIDI channel of a part. More parts than channels share the last one."""
        if part.program == DRUMS:
            return DRUM_CHANNEL
        if part.name not in self._channels:
            self._channels[part.name] = CHANNELS[min(len(self._channels), len(CHANNELS) - 1)]
        return self._channels[part.name]

    def part_on(self, channel: int) -> str:
        """The name of the first part on a channel."""
        return next((name for name, own in self._channels.items() if own == channel), "")

    def note(self, start: float, end: float, part: Part, pitch: int, velocity: int) -> None:
        """Let a note sound from one time to another. One that sounds at its start, on the same pitch, ends there."""
        channel, key = self.channel(part), (part.name, pitch)
        if part.program != DRUMS and self._programs.get(part.name) != part.program:
            self._programs[part.name] = part.program
            change = mido.Message("program_change", channel=channel, program=part.program)
            heapq.heappush(self._events, _Event(start, 1, next(self._orders), False, ("", -1), change))
        before = self._ends.get(key)
        if before is not None and not before.dropped and before.starts <= start < before.time:
            self._move(before, start)
        number = next(self._orders)
        on = mido.Message("note_on", channel=channel, note=pitch, velocity=min(max(velocity, 1), 127))
        off = mido.Message("note_off", channel=channel, note=pitch, velocity=0)
        heapq.heappush(self._events, _Event(start, 1, next(self._orders), True, key, on, number))
        self._newest[part.name] = self._end(max(end, start + 0.001), key, off, number, start)

    def start(self, part: Part, pitch: int, velocity: int) -> None:
        """Let a note sound at once, until ``finish``."""
        channel, key = self.channel(part), (part.name, pitch)
        if part.program != DRUMS and self._programs.get(part.name) != part.program:
            self._programs[part.name] = part.program
            self.send(mido.Message("program_change", channel=channel, program=part.program))
        self.finish(part, pitch)
        self._sounding[key] = mido.Message("note_off", channel=channel, note=pitch, velocity=0), -1
        self.send(mido.Message("note_on", channel=channel, note=pitch, velocity=velocity))

    def finish(self, part: Part, pitch: int) -> None:
        """End a note of ``start`` at once."""
        if (sounding := self._sounding.pop((part.name, pitch), None)) is not None:
            self.send(sounding[0])

    def hold(self, name: str, until: float) -> None:
        """Let the last note of a part sound on until a time, if it has not ended."""
        end = self._newest.get(name)
        if end is not None and not end.dropped and end.time < until:
            self._newest[name] = self._move(end, until)

    def cut(self, since: float, names: Sequence[str] | None = None) -> None:
        """Let nothing start from a time on, and end then what sounds; of some parts, or of all."""
        for event in list(self._events):
            if event.dropped or event.key[1] < 0 or (names is not None and event.key[0] not in names):
                continue
            if event.on and event.time >= since:
                event.dropped = True
            elif not event.on and event.time > since:
                self._move(event, since)

    def _end(self, time: float, key: tuple[str, int], message: mido.Message, number: int, starts: float) -> _Event:
        event = _Event(time, 0, next(self._orders), False, key, message, number, starts)
        self._ends[key] = event
        heapq.heappush(self._events, event)
        return event

    def _move(self, end: _Event, time: float) -> _Event:
        end.dropped = True
        return self._end(time, end.key, end.message, end.number, end.starts)

    def advance(self, until: float) -> bool:
        """Send all that is due until a time, each at its own. Returns early, with False, once ``woken`` is set."""
        while self._events and self._events[0].time <= until:
            event = self._events[0]
            if not event.dropped and self.clock.wait(event.time, self.woken):
                return False
            event = heapq.heappop(self._events)
            if event.dropped:
                continue
            self.punctuality.count(max(0.0, self.clock.now() - event.time))
            self._pass(event)
        return not self.clock.wait(until, self.woken)

    @property
    def next(self) -> float | None:
        """The time of the next message; None where there is none."""
        return self._events[0].time if self._events else None

    def _pass(self, event: _Event) -> None:
        sounding = self._sounding.get(event.key)
        if event.on:
            if sounding is not None:
                self.send(sounding[0])
            off = mido.Message("note_off", channel=event.message.channel, note=event.message.note, velocity=0)
            self._sounding[event.key] = off, event.number
        elif event.key[1] >= 0:
            if self._ends.get(event.key) is event:
                del self._ends[event.key]
            if sounding is None or sounding[1] != event.number:
                return  # it never started, or has ended
            del self._sounding[event.key]
        self.send(event.message)

    def send(self, message: mido.Message) -> None:
        """Send a message at once. An output that is lost is closed and left out from then on, which is said."""
        for output in list(self.outputs):
            try:
                output.send(message)
            except Exception as error:  # a port raises what its library raises
                with self._losing:  # a player's notes come from another thread
                    if output not in self.outputs:
                        continue
                    self.outputs.remove(output)
                with suppress(Exception):
                    output.close()
                self.say(f"the output {output.name} is lost ({error}); the music goes on without it")

    def quiet(self) -> None:
        """End all notes: those that sound one by one, then all of each channel that was used."""
        for message, _ in self._sounding.values():
            self.send(message)
        for kept in (self._sounding, self._events, self._ends, self._newest):
            kept.clear()
        used = sorted({*self._channels.values(), DRUM_CHANNEL})
        for channel in used:
            for control in (ALL_NOTES_OFF, ALL_SOUND_OFF):
                self.send(mido.Message("control_change", channel=channel, control=control, value=0))

    def close(self) -> None:
        """End all notes, and close the outputs."""
        self.quiet()
        for output in self.outputs:
            with suppress(Exception):  # that of one is no reason to leave the others open
                output.close()
