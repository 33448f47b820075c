"""The live engine: bars that a model writes ahead, played in time, steered from the next bar on, and kept."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from etude.live.bars import TICKS, Bar, Note
from etude.live.clock import Clock
from etude.live.controls import Console, Controls
from etude.live.planner import Planner
from etude.live.player import Player
from etude.live.sender import Sender
from etude.live.session import Recording
from etude.live.sounding import Slot, Sound, sounds_of, tempo_of, within
from etude.live.writers import Writer, rng_of
from etude.representations.base.survey import DRUMS

AHEAD = 2  # bars
LEAD = 0.02  # seconds before a bar line at which its bar is taken
SETTLE = 0.05  # seconds before the first note
LOOK = 0.004  # seconds between two looks at what is played
HELD = 64  # bars after which a note that is held still is taken for a stuck one


class Listener(Protocol):
    """What gets each bar as it is taken, as a renderer of sound does."""

    lead: float  # seconds before a bar line at which it must know the bar

    def bar(self, slot: Slot, sounds: Sequence[Sound], start: float, tempo: float, following: Bar | None) -> None:
        """A bar that starts at a time of the clock; ``following`` is the one that is planned after it."""

    def close(self) -> None:
        """The music has ended."""


@dataclass(frozen=True)
class Bounds:
    """When a session ends by itself."""

    seconds: float | None = None
    bars: int | None = None


ENDLESS = Bounds()


@dataclass(frozen=True)
class _Open:
    """A bar that was taken, and has not ended."""

    number: int
    line: float  # seconds
    tick: float
    ends: float


class Band(Protocol):
    """What plays along with a bar."""

    def play(self, past: Sequence[Bar], bar: Bar, style: str, number: int) -> tuple[Sound, ...]:
        """The notes of a band for a bar."""


class Engine:
    """Plays what a writer writes until it is stopped.

    A change of the controls is heard from the next bar on: bars that wait are written again, as far as the time
    allows, and instruments, tempo and pitch change with the next bar line. Where no bar is there in time, the last one
    is repeated, which is said and kept in the recording.
    """

    def __init__(
        self,
        writer: Writer,
        console: Console,
        recording: Recording,
        sender: Sender,
        clock: Clock,
        listeners: Sequence[Listener] = (),
        band: Band | None = None,
        ahead: int = AHEAD,
        say: Callable[[str], None] = lambda text: None,
        bounds: Bounds = ENDLESS,
        player: Player | None = None,
    ) -> None:
        """Args: who writes; the controls; what is kept; where notes go; the time; who hears and plays; when it ends."""
        self.writer, self.console, self.recording, self.sender, self.clock = writer, console, recording, sender, clock
        self.listeners, self.band, self.say, self.bounds = list(listeners), band, say, bounds
        self.planner = Planner(self._write, console, ahead)
        recording.slots = self.planner.slots
        self.lead = max([LEAD, *(listener.lead for listener in listeners)]) if clock.real else 0.0
        self.stopped = threading.Event()
        self.bar_line = 0.0  # the time at which the present bar has started
        self.player = player
        self.played = 0.0  # seconds
        self._open: list[_Open] = []  # bars that have not ended
        self._held: list[_Open] = []  # bars that have, and in which a note has started that is held still

    def _write(self, past: Sequence[Bar], controls: Controls, number: int) -> tuple[Bar, tuple[Sound, ...]]:
        return write_bar(self.writer, self.band, past, controls, self.recording.seed, number)

    def stop(self) -> None:
        """End the music at once; from any thread."""
        self.stopped.set()
        self.sender.woken.set()

    def run(self) -> None:
        """Play until it is stopped, or as long as asked.

        Raises:
            EtudeError: a bar cannot be written.
        """
        self.planner.start()
        self.planner.ready(bars=min(2, self.planner.ahead), fresh=False)  # the first may be no more than an upbeat
        try:
            self._play()
        finally:
            self.sender.quiet()  # first, as the planner ends with the bar that it writes
            if self.player is not None:
                self.player.close()
            self.planner.close()
            for listener in list(self.listeners):
                self._hand(listener, listener.close)

    def _play(self) -> None:
        line, tempo, first = self.clock.now() + SETTLE + self.lead, self.recording.tempo, True
        while not self.stopped.is_set() and not self._is_over():
            if not self._until(line - self.lead):
                break
            self._amend()
            if not self.clock.real:
                self.planner.ready()
            slot = self.planner.take()
            if slot.repeats:
                self.say(f"bar {len(self.planner.slots)} was not there in time: the one before is repeated")
            tempo = tempo_of(slot, tempo)
            tick = 60 / tempo / TICKS
            sounds = sounds_of(slot, self.recording.voices)
            skipped = _rest_before(sounds) if first else 0  # nobody waits for the rests before an upbeat
            line, first = line - skipped * tick, False
            following = next(iter(self.planner.planned()), None)
            after = following.bar if following else None
            for listener in list(self.listeners):
                self._hand(listener, partial(listener.bar, slot, sounds, line, tempo, after))
            for name, held in zip(self.recording.voices, slot.bar.holds, strict=False):
                if held and not slot.band:
                    self.sender.hold(name, line + held * tick)
            for sound in sounds:
                start = line + sound.onset * tick
                self.sender.note(start, start + sound.length * tick, sound.part, sound.pitch, sound.velocity)
            self.bar_line = line
            self.played += (slot.bar.length - skipped) * tick
            line += slot.bar.length * tick
            self._open.append(_Open(len(self.planner.slots) - 1, self.bar_line, tick, line))
        self._until(line)
        self._amend(to_the_end=True)
        self._prolong(to_the_end=True)

    def _hand(self, listener: Listener, call: Callable[[], None]) -> None:
        """Call a listener. One that fails is left out from then on, which is said."""
        try:
            call()
        except Exception as error:  # as a full disk, in the words of a library
            self.listeners = [one for one in self.listeners if one is not listener]
            self.say(f"the sound is lost ({error}); the music goes on without it")

    def _until(self, time: float) -> bool:
        """Send what is due until a time, and listen to the player; False once it is stopped."""
        if self.player is None:
            return self.sender.advance(time)
        while (now := self.clock.now()) < time:
            if self.player.listen(now):
                self._punch_in(now)
            self._amend()
            if not self.sender.advance(min(now + LOOK, time)):
                return False
        return True

    def _punch_in(self, now: float) -> None:
        """Silence the voices on whose channels somebody plays, up to the end of the bar."""
        assert self.player is not None
        names = list(self.recording.voices)
        taken = {names[note.channel] for note in self.player.held.values() if note.channel < len(names)}
        self.sender.cut(now, sorted(taken))

    def _amend(self, to_the_end: bool = False) -> None:
        """Put what somebody has played into the bars that have ended, or into all: the next one is taken before."""
        now = self.clock.now()
        if self.player is None or not self._open or not (to_the_end or self._open[0].ends <= now):
            return
        if self.player.listen(now):
            self._punch_in(now)
        while self._open and (to_the_end or self._open[0].ends <= now):
            ended = self._open.pop(0)
            self._put_in(ended, now)
            self._held.append(ended)
        self._prolong(to_the_end)

    def _put_in(self, ended: _Open, now: float) -> None:
        """Put what was played in a bar into it."""
        assert self.player is not None
        slot = self.planner.slots[ended.number]
        played = self.player.within(ended.line, ended.tick, slot.bar.length, now)
        if played and played != slot.player:
            self.planner.amend(ended.number, punched(slot, played, self.recording.voices))

    def _prolong(self, to_the_end: bool = False) -> None:
        """Note the length of what was held over bar lines, once it has ended; the model knows it up to the line."""
        if self.player is None or not self._held:
            return
        now, first = self.clock.now(), min((note.start for note in self.player.held.values()), default=math.inf)
        while self._held and (to_the_end or self._held[0].ends <= first or len(self._held) > HELD):
            self._put_in(self._held[0], now)
            self.player.forget(self._held.pop(0).line)

    def _is_over(self) -> bool:
        enough = self.bounds.seconds is not None and self.played >= self.bounds.seconds - 1e-6
        return enough or (self.bounds.bars is not None and len(self.planner.slots) >= self.bounds.bars)


def write_bar(
    writer: Writer,
    band: Band | None,
    past: Sequence[Bar],
    controls: Controls,
    seed: int,
    number: int,
    opening: Bar | None = None,
) -> tuple[Bar, tuple[Sound, ...]]:
    """A bar, and what the band of a style plays along; see ``Writer.write``."""
    bar = writer.write(past, controls, rng_of(seed, number), opening)
    if controls.style is None or band is None:
        return bar, ()
    return bar, band.play(past, bar, controls.style, number)


def _rest_before(sounds: Sequence[Sound]) -> int:
    """Ticks of whole beats before the first note."""
    return min((sound.onset for sound in sounds), default=0) // TICKS * TICKS


def punched(slot: Slot, player: tuple[Note, ...], voices: Mapping[str, int]) -> Slot:
    """A slot in which what somebody plays on the MIDI channel of a voice takes the place of that voice.

    From the first note on a channel the voice is silent for the rest of the bar. What is played on other channels
    changes no voice. The bar is what the model goes on from: notes up to its end, before they are transposed.
    """
    taken = Slot(slot.bar, slot.controls, slot.written, slot.number, player=player).taken(voices)
    if not taken:
        return replace(slot, player=player)
    notes, holds = list(slot.bar.notes), list(slot.bar.holds)
    for voice, since in taken.items():
        drums = list(voices.values())[voice] == DRUMS
        kept = [note for note in notes if note.voice != voice or note.onset < since]
        cut = [
            note._replace(length=min(note.length, since - note.onset)) if note.voice == voice else note for note in kept
        ]
        own = [
            note._replace(
                length=min(note.length, slot.bar.length - note.onset),
                pitch=note.pitch if drums else within(note.pitch - slot.controls.transpose),
            )
            for note in player
            if note.voice == voice
        ]
        notes = [*cut, *own]
        holds[voice : voice + 1] = [min(held, since) for held in holds[voice : voice + 1]]
    return replace(slot, bar=replace(slot.bar.with_notes(notes), holds=tuple(holds)), player=player)
