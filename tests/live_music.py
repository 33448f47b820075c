"""Stand-ins for tests of music that is written while it plays: writers without a model, and a time that is a script."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import mido
import numpy as np

from etude.live.bars import TICKS, Bar, Note
from etude.live.clock import Clock, FastClock
from etude.live.controls import Console, Controls, Surface
from etude.live.engine import ENDLESS, Bounds, Engine
from etude.live.player import Player
from etude.live.ports import Input, Loop
from etude.live.sender import Sender
from etude.live.session import Recording

VOICES = {"Top": 0, "Bass": 32}
BAR = 4 * TICKS
SECONDS = 2.0  # of a bar at 120 BPM


class Quarters:
    """Writes four quarter notes over a bass, at once: random ones that depend on the past; loud by temperature."""

    def __init__(self, remembers: bool = True) -> None:
        self.voices: dict[str, int] = dict(VOICES)
        self.remembers = remembers  # the past, all of it
        self.tempo = 120.0
        self.asked: list[tuple[int, Controls]] = []

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        self.asked.append((len(past), controls))
        read = past if self.remembers else past[-1:]
        before = sum(note.pitch * (place + 1) for bar in read for place, note in enumerate(bar.notes))
        loud = round(10 * controls.temperature)
        since = 0 if opening is None else opening.length
        top = [Note(TICKS * beat, TICKS, 60 + int(rng.integers(12)), loud, 0) for beat in range(4)]
        notes = [note for note in (*top, Note(0, BAR, 36 + before % 12, loud, 1)) if note.onset >= since]
        return Bar(tuple(sorted([*(opening.notes if opening else ()), *notes])), BAR, tokens=())

    def read(self, past: Sequence[Bar]) -> None:
        """There is nothing to read."""


class Waits(Quarters):
    """Writes a bar only when it may: ``permit`` lets it write one more."""

    def __init__(self, permits: int = 0) -> None:
        super().__init__()
        self.may = threading.Semaphore(permits)
        self.started = self.done = 0

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        self.started += 1
        self.may.acquire()
        bar = super().write(past, controls, rng, opening)
        self.done += 1
        return bar


class Fails(Quarters):
    """Cannot write the bar of a number."""

    def __init__(self, number: int, error: Exception) -> None:
        super().__init__()
        self.number, self.error = number, error

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        if len(past) == self.number:
            raise self.error
        return super().write(past, controls, rng, opening)


class Script(FastClock):
    """Time that passes when somebody waits, as if it were the real one; things happen at times of it."""

    real = True

    def __init__(self, *happens: tuple[float, Callable[[], object]]) -> None:
        super().__init__()
        self.happens = sorted(happens, key=lambda one: one[0])

    def wait(self, until: float, woken: threading.Event) -> bool:
        while self.happens and self.happens[0][0] <= until:
            at, call = self.happens.pop(0)
            super().wait(at, woken)
            call()
        return super().wait(until, woken)


class Desk:
    """An engine with all that it needs, and what it said and sent."""

    def __init__(
        self,
        writer: Any = None,
        clock: Clock | None = None,
        bars: int | None = 4,
        seconds: float | None = None,
        source: str | Path | None = None,
        conditional: bool = False,
        seed: int = 1,
        ahead: int = 2,
        **more: Any,
    ) -> None:
        made: Any = writer or Quarters()
        self.writer = made
        self.clock = FastClock() if clock is None else clock
        self.said: list[str] = []
        surface = Surface("quarters", tuple(VOICES), conditional, styles=("bossa", "swing"))
        self.console = Console(surface)
        self.recording = Recording("quarters", "", seed, voices=dict(VOICES))
        self.loop = Loop(self.clock)
        self.sender = Sender([self.loop], self.clock, self.said.append)
        self.player = None
        if source is not None:
            self.player = Player(Input(str(source), self.clock, self.said.append), self.console, self.said.append)
        bounds = ENDLESS if bars is None and seconds is None else Bounds(seconds, bars)
        self.engine = Engine(
            cast(Any, self.writer), self.console, self.recording, self.sender, self.clock, ahead=ahead,
            say=self.said.append, bounds=bounds, player=self.player, **more,
        )  # fmt: skip

    def run(self) -> "Desk":
        self.engine.run()
        return self

    def set(self, name: str, text: str) -> Callable[[], None]:
        return lambda: self.console.set(name, text)

    def starts(self) -> list[tuple[float, int, int]]:
        """Time, pitch and velocity of each note that started."""
        found = [(at, one) for at, one in self.loop.sent if one.type == "note_on"]
        return [(round(at, 6), one.note, one.velocity) for at, one in found]


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is true, which happens in another thread."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.001)


def hanging(messages: Sequence[mido.Message]) -> set[tuple[int, int]]:
    """Channel and pitch of what sounds after some messages. Each start must find silence, each end a note."""
    sounding: set[tuple[int, int]] = set()
    for one in messages:
        if one.type not in ("note_on", "note_off"):
            continue
        key = (one.channel, one.note)
        if one.type == "note_on" and one.velocity:
            assert key not in sounding, f"{one} starts twice"
            sounding.add(key)
        else:
            assert key in sounding, f"{one} ends nothing"
            sounding.remove(key)
    return sounding


def tune(path: Path, notes: Sequence[tuple[float, float, int]], channel: int = 0, tempo: float = 120.0) -> Path:
    """A MIDI file of notes: start and end in quarter notes, and pitch."""
    file, track = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / tempo)))
    events = []
    for start, end, pitch in notes:
        events.append((round(480 * start), 1, mido.Message("note_on", channel=channel, note=pitch, velocity=90)))
        events.append((round(480 * end), 0, mido.Message("note_off", channel=channel, note=pitch)))
    at = 0
    for time_of, _, message in sorted(events, key=lambda one: one[:2]):
        track.append(message.copy(time=time_of - at))
        at = time_of
    file.tracks.append(track)
    file.save(path)
    return path
