"""Accompany me: a harmony under a melody while it is played, step by step."""

import threading
from collections.abc import Callable

from etude.live.bars import TICKS
from etude.live.clock import Clock
from etude.live.controls import Console
from etude.live.engine import ENDLESS, SETTLE, Bounds
from etude.live.harmony import HOLD_ON, SILENT, Harmony
from etude.live.player import Player
from etude.live.sender import Sender
from etude.live.session import Recording
from etude.live.sounding import Part, Slot, part_of, within

BEATS, STEPS = 4, 4  # of a bar; of a beat: sixteenths
TICK = TICKS // STEPS  # ticks of a step
LOOK = 0.002  # seconds between two looks at what is played
SILENCE = BEATS  # steps without a note of the player after which the harmony is silent, too


class Accompanist:
    """Follows a player step by step: each sixteenth it asks for the harmony's next cells and plays them at once.

    A note of the melody that comes in the first half of a step is taken as of this step, which is then asked for again,
    so that the harmony follows within milliseconds; one in the second half is taken as of the next. Where a step comes
    late, the harmony is held, which is said and kept.
    """

    def __init__(
        self,
        harmony: Harmony,
        console: Console,
        recording: Recording,
        sender: Sender,
        clock: Clock,
        player: Player,
        say: Callable[[str], None] = lambda text: None,
        bounds: Bounds = ENDLESS,
    ) -> None:
        """Args: what plays; the controls; what is kept; where notes go; the time; who plays; when it ends."""
        self.harmony, self.console, self.recording, self.sender = harmony, console, recording, sender
        self.clock, self.player, self.say, self.bounds = clock, player, say, bounds
        self.on_bar: Callable[[int, float, float], None] = lambda number, line, beat: None  # number, its time, a beat's
        self.stopped = threading.Event()
        self.steps = self.late = 0
        self.answered: list[float] = []  # seconds from a note of the melody to the end of its harmony's step
        self._sounding: dict[str, tuple[Part, int]] = {}
        self._used: set[int] = set()  # notes of the player that are in a cell, by number
        self._quiet = SILENCE + 1  # steps since the player's last note
        self._controls = console.controls
        self._cells: list[int] = []
        self._lates: list[int] = []

    def stop(self) -> None:
        """End the music at once; from any thread."""
        self.stopped.set()
        self.sender.woken.set()

    def run(self) -> None:
        """Accompany until it is stopped, the input is over, or as long as asked."""
        line = self.clock.now() + SETTLE
        start = line
        self.sender.advance(line)
        try:
            while not self.stopped.is_set() and not self._is_over(line - start):
                line = self._bar(line)
        finally:
            self._silence()
            self.sender.quiet()
            self.player.close()

    def _is_over(self, passed: float) -> bool:
        if self.bounds.bars is not None and len(self.recording.slots) >= self.bounds.bars:
            return True
        if self.bounds.seconds is not None:
            return passed >= self.bounds.seconds - 1e-6
        return self.player.source.is_over and self._quiet > SILENCE

    def _bar(self, line: float) -> float:
        """A bar from its line; gives the next one's."""
        self._controls = controls = self.console.controls
        seconds = 60 / (controls.tempo or self.recording.tempo) / STEPS
        number, frames = len(self.recording.slots), BEATS * STEPS
        self.on_bar(number, line, STEPS * seconds)
        past = [slot.bar for slot in self.recording.slots]
        self.harmony.open(past, controls, number)
        self._cells, self._lates = [], []
        for frame in range(frames):
            at = line + frame * seconds
            self._wait(at)
            if self.stopped.is_set():
                break
            if self.clock.now() > at + seconds:  # its time is over
                cell = self._cell(at, seconds)
                self.harmony.skip(frame, cell)
                self._cells.append(cell)
                self._lates.append(frame)
                self._say_late()
                continue
            self._step(frame, at, seconds, False)
            self._look_back(frame, at, seconds)
        end = line + frames * seconds
        self._wait(end)
        bar, tick = self.harmony.end(), seconds / TICK
        played = self.player.within(line, tick, frames * TICK, self.clock.now())
        self.recording.slots.append(
            Slot(
                bar, controls, controls, number, player=played, melody=tuple(self._cells),
                late=tuple(self._lates),
            )
        )  # fmt: skip
        self.player.forget(line - 2 * frames * seconds)
        return end

    def _wait(self, until: float) -> None:
        while (now := self.clock.now()) < until and not self.stopped.is_set():
            self.player.listen(now)
            self.sender.advance(min(now + LOOK, until))
        self.player.listen(self.clock.now())

    def _look_back(self, frame: int, at: float, seconds: float) -> None:
        """In the first half of a step: ask for it again when a note of the melody comes."""
        half = at + seconds / 2
        while (now := self.clock.now()) < half and not self.stopped.is_set():
            if self.player.listen(now):
                self._cells.pop()
                self._step(frame, at, seconds, True)
            self.sender.advance(min(now + LOOK, half))

    def _step(self, frame: int, at: float, seconds: float, again: bool) -> None:
        asked = self.clock.now()
        cell = self._cell(at, seconds)
        made = self.harmony.step(frame, cell, again)
        self._cells.append(cell)
        self.steps += not again
        for name, pitch in zip(list(self.harmony.voices)[1:], made, strict=True):
            self._play(name, pitch)
        took = self.clock.now() - asked
        if cell >= 0:
            self.answered.append(took)
        if self.clock.now() > at + seconds and self.clock.real:
            self._say_late()

    def _say_late(self) -> None:
        self.late += 1
        if self.late in (1, 10, 100, 1000, 10000):
            steps = max(self.steps, self.late)
            self.say(f"the harmony was late in {self.late} of {steps} steps: it holds what sounds until then")

    def _cell(self, at: float, seconds: float) -> int:
        """The melody's cell of a step: the newest note that starts in it, or what is held."""
        new = [note for note in self.player.notes if note.number not in self._used and note.start < at + seconds / 2]
        self._used &= {note.number for note in self.player.notes}
        self._used |= {note.number for note in new}
        if new:
            self._quiet = 0
            return new[-1].pitch
        if self._is_held(at):
            self._quiet = 0
            return HOLD_ON
        self._quiet += 1
        return SILENT if self._quiet > SILENCE else HOLD_ON

    def _is_held(self, at: float) -> bool:
        return any(note.end is None or note.end > at for note in self.player.notes if note.number in self._used)

    def _play(self, name: str, pitch: int) -> None:
        """Let a voice start a pitch, hold what it sounds, or be silent."""
        if pitch == HOLD_ON:
            return
        self._end(name)
        if pitch == SILENT or name in self._controls.mute:
            return
        part = part_of(list(self.harmony.voices).index(name), self.harmony.voices, self._controls)
        sounding = within(pitch + self._controls.transpose)
        self.sender.start(part, sounding, 70)
        self._sounding[name] = part, sounding

    def _end(self, name: str) -> None:
        if (before := self._sounding.pop(name, None)) is not None:
            self.sender.finish(*before)

    def _silence(self) -> None:
        for name in list(self._sounding):
            self._end(name)
