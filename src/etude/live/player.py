"""What somebody plays: notes with their times, as they are held, and controllers that set controls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mido

from etude.core.errors import EtudeError
from etude.live.bars import Note
from etude.live.controls import CONTROLLERS, Console
from etude.live.ports import Input

CHANNEL = 15  # on which notes are sent on


@dataclass
class Played:
    """A note that somebody plays, in seconds of the clock."""

    start: float
    pitch: int
    velocity: int
    channel: int
    number: int  # among all that were played
    end: float | None = None  # None while it is held


class Player:
    """Follows an input. Notes are sent on at once, where asked, so that they are heard with the music."""

    def __init__(
        self,
        source: Input,
        console: Console,
        say: Callable[[str], None],
        echo: Callable[[mido.Message], None] | None = None,
        controllers: Mapping[int, str] = CONTROLLERS,
    ) -> None:
        """Args: where it comes from; what controllers set; what gets sentences; where notes go; the controllers."""
        self.source, self.console, self.say, self.echo, self.controllers = source, console, say, echo, controllers
        self.notes: list[Played] = []  # in the order of their starts; the oldest are forgotten by ``forget``
        self.held: dict[tuple[int, int], Played] = {}
        self._count = 0
        self._passed: set[int] = set()  # pitches that were sent on, and sound
        source.at_once = self._pass if echo is not None and source.is_live else None

    def listen(self, now: float) -> bool:
        """Take what has come up to now. Returns whether a note has started."""
        started = False
        for at, message in self.source.take(now):
            if self.source.at_once is None and self.echo is not None:
                self._pass(message)
            started |= self._hear(at, message)
        return started

    def _hear(self, at: float, message: mido.Message) -> bool:
        if message.type == "control_change" and message.control in self.controllers:
            try:
                self.console.turn(self.controllers[message.control], message.value)
            except EtudeError as error:
                self.say(str(error))
            return False
        if message.type not in ("note_on", "note_off"):
            return False
        key = (message.channel, message.note)
        if (before := self.held.pop(key, None)) is not None:
            before.end = max(at, before.start + 0.001)
        if message.type == "note_off" or not message.velocity:
            return False
        note = Played(at, message.note, message.velocity, message.channel, self._count)
        self._count += 1
        self.held[key] = note
        self.notes.append(note)
        return True

    def _pass(self, message: mido.Message) -> None:
        echo = self.echo
        if echo is not None and message.type in ("note_on", "note_off"):
            if message.type == "note_on" and message.velocity:
                self._passed.add(message.note)
            else:
                self._passed.discard(message.note)
            echo(message.copy(channel=CHANNEL))

    def within(self, line: float, tick: float, length: int, now: float) -> tuple[Note, ...]:
        """What was played in a bar of ``length`` ticks that started at ``line``; a note that is held lasts until now.

        ``voice`` is the MIDI channel.
        """
        found = []
        for note in self.notes:
            onset = round((note.start - line) / tick)
            end = round(((now if note.end is None else note.end) - line) / tick)
            if 0 <= onset < length:
                found.append(Note(onset, max(1, end - onset), note.pitch, note.velocity, note.channel))
        return tuple(sorted(found))

    def forget(self, before: float) -> None:
        """Forget the notes that ended before a time."""
        self.notes = [note for note in self.notes if note.end is None or note.end >= before]

    def close(self) -> None:
        """Take nothing more, and end what was sent on."""
        echo, self.echo = self.echo, None
        self.source.close()
        if echo is not None:
            for pitch in sorted(self._passed):
                echo(mido.Message("note_off", channel=CHANNEL, note=pitch))
        self._passed.clear()
        self.held.clear()
