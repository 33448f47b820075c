"""The voices of a tune in ABC while it is read, and the bars that they make together."""

from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from typing import TypeVar

from etude.core.errors import EtudeError
from etude.scores.abc_fields import TICKS, Time, times
from etude.scores.written import SIGN, Bar, Figure, Jump, Key, Mark, Meter, Note, Part

T = TypeVar("T")
# pitch -> step of notes that are tied to the next chord; None: to one of another layer, which states its accidental
Ties = dict[int, int | None]
MOST_BARS = 16_000
MOST_LAYERS = 64  # overlays of a bar


@dataclass(slots=True)
class Stroke:
    """A note while the length before it may still change."""

    onset: Time
    length: Time
    pitch: int
    step: int
    layer: int
    program: int | None
    held: bool
    fermata: bool
    tied: bool = False


@dataclass(slots=True)
class Filled:
    """A bar of one voice."""

    signs: Bar = field(default_factory=lambda: Bar(Fraction(0)))
    length: Time = 0
    strokes: list[Stroke] = field(default_factory=list)


@dataclass(slots=True)
class Setting:
    """What fields and directives state for a voice, or for all that do not state it."""

    name: str = ""
    meter: Meter | None = None
    unit: Time = TICKS // 2
    alters: tuple[int, ...] = (0,) * 7  # of the key signature, from C
    key: Key | None = None
    octave: int = 0
    clef: int = 0  # octaves that the clef states
    transpose: int = 0  # semitones: of K: and V:, of %%transpose, of %%MIDI transpose
    moved: int = 0
    played: int = 0
    program: int = 0
    percussion: bool = False  # of the clef
    channel: bool = False  # is that of drums

    @property
    def sound(self) -> int:
        """The General MIDI program, from 0; -1: drums."""
        return -1 if self.percussion or self.channel else self.program

    @property
    def semitones(self) -> int:
        """From the written to the sounding key."""
        return self.transpose + self.moved + self.played

    @property
    def sounding(self) -> Key | None:
        """The key as it sounds, with 7 sharps or flats at most."""
        if self.key is None:
            return None
        if self.semitones % 12 == 0:
            return self.key
        return Key((self.key.sharps + 7 * self.semitones + 5) % 12 - 5, self.key.mode)


@dataclass(slots=True)
class Voice(Setting):
    """A voice as far as it is read. A layer is an overlay (&), counted from 1; 0 is the voice itself."""

    bars: list[Filled] = field(default_factory=lambda: [Filled()])
    place: int = 0  # of the bar that is read
    time: Time = 0  # in it
    layer: int = 0
    front: int = 0  # the bar after which the overlay ends
    span: tuple[int, Time] | None = None  # the bar, and the time in it, where (& started
    shift: int = 0  # semitones from the written pitch
    base: int | None = None  # the sound of the first note
    other: int | None = None  # the sound now, where it is not that
    accidentals: dict[int, int] = field(default_factory=dict)
    last: list[Stroke] | None = None  # the last chord; a rest is []
    lasting: Time = 0  # its length
    where: int = 0  # its bar
    ties: Ties = field(default_factory=dict)
    carried: dict[int, Ties] = field(default_factory=dict)  # layer -> those that the bar before ends with
    leaving: dict[int, Ties] = field(default_factory=dict)  # likewise, of the layers of this bar that are left
    before_endings: Ties = field(default_factory=dict)  # those that all endings go on with
    tuplets: list[list[int]] = field(default_factory=list)  # p, q and how many notes are left
    share: tuple[int, int] | None = None  # of its length that broken rhythm leaves to the next note
    fermata: bool = False
    signs: list[str] = field(default_factory=list)  # stand before the next note
    due: list[str] = field(default_factory=list)  # stood before the last note and hold at its end
    ending: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()  # of the last ending
    open: bool = False  # a repeat started and has not ended
    double: int = 0  # the bar after the last double bar line, where a repeat without a start goes back to
    turns: int = 1  # colons after the bar line that started the repeat
    codas: list[int] = field(default_factory=list)  # bars that coda signs stand in front of
    symbols: list[tuple[int, Time, Figure]] = field(default_factory=list)
    keys: list[tuple[int, Time, Key]] = field(default_factory=list)
    meters: list[tuple[int, Time, Meter]] = field(default_factory=list)
    tempos: list[tuple[int, Time, float]] = field(default_factory=list)

    def settle(self) -> None:
        """Take over what the setting has become."""
        self.shift = 12 * (self.octave + self.clef) + self.semitones
        self.other = None if self.base in (None, self.sound) else self.sound
        key = self.sounding
        if key is not None and (not self.keys or self.keys[-1][2] != key):
            self.keys.append((self.place, self.time, key))

    def filled(self) -> bool:
        """Whether something stands in the bar that is read."""
        return bool(self.time or self.bars[self.place].length)

    def close(self) -> Filled:
        """End the bar."""
        bar = self.bars[self.place]
        bar.length = max(bar.length, self.time)
        self.place += 1
        self.time = 0
        if self.place > MOST_BARS:
            raise EtudeError(f"a voice has more than {MOST_BARS} bars")
        if self.place == len(self.bars):
            self.bars.append(Filled(Bar(Fraction(0), endings=self.ending)))
        self.carried = {**self.leaving, self.layer: self.ties}
        if self.place > self.front:
            self.layer = 0
        if self.leaving:
            self.ties, self.leaving = self._waiting(), {}
        return bar

    def _waiting(self) -> Ties:
        """What ties of the bar before wait for in this layer."""
        others: Ties = {pitch: None for ties in self.carried.values() for pitch in ties}
        return others | self.carried.get(self.layer, {})

    def split(self) -> None:
        """End the bar where no bar line is, if something stands in it."""
        if self.time and not self.layer:
            bar = self.close()
            self.mark(bar, self.due)
            self.due = []

    def mark(self, bar: Filled, signs: list[str]) -> None:
        """Let signs hold: some at the end of ``bar``, some at the start of the one that is read."""
        for sign in signs:
            if sign == "segno":
                self.bars[self.place].signs.segno = SIGN
            elif sign == "coda":
                self.codas.append(self.place)
            elif sign == "fine":
                bar.signs.fine = True
            elif sign == "to_coda":
                bar.signs.to_coda = SIGN
            else:
                to, _, until = sign.partition(" al ")
                bar.signs.jump = Jump("capo" if to == "capo" else "segno", until=until)

    def line(self, left: int, right: int, ends: bool) -> None:
        """A bar line.

        Args:
            left: how many colons stand before it.
            right: and after it.
            ends: whether it is a double one, which ends an ending.
        """
        bar = self.close() if self.filled() else self.bars[max(self.place - 1, 0)]
        if self.signs or self.due:
            self.mark(bar, self.due + self.signs)
            self.signs, self.due = [], []
        self.accidentals = {}
        self.fermata = False
        now = self.bars[self.place].signs
        if left or right or ends:
            self.ending = now.endings = ()
        if left and self.place:
            bar.signs.times = max(left, self.turns) + 1
            if not self.open and self.double:
                self.bars[self.double].signs.repeat = True
            self.turns, self.open, self.double = 1, False, 0
        if right:
            now.repeat = self.open = True
            self.turns = right
            self.numbers = ()
        elif ends:
            self.double = self.place

    def start_ending(self, numbers: tuple[int, ...]) -> None:
        """An ending starts here."""
        self.split()
        if 1 in numbers:
            self.before_endings = self.ties
        else:
            self.ties = self.before_endings
        self.ending = self.numbers = self.bars[self.place].signs.endings = numbers

    def overlay(self, text: str) -> bool:
        """Go back to a bar line: ``&`` to the last one, ``&&`` to the one before, within ``(& &)`` to its start.

        Returns:
            Whether there is such a bar line, and no absurd number of overlays.
        """
        if text in ("(&", "&)"):
            self.span = (self.place, self.time) if text == "(&" else None
            return True
        if not self.layer:
            self.front = self.place if self.filled() else self.place - 1
        target = self.place if self.filled() else self.place - 1
        target, start = (target - len(text) + 1, 0) if self.span is None else self.span
        if target < 0 or self.layer == MOST_LAYERS:
            return False
        bar = self.bars[self.place]
        bar.length = max(bar.length, self.time)
        self.leaving[self.layer] = self.ties
        self.layer += 1
        self.ties = self._waiting() if target == self.place else {}
        self.place = target
        self.time = start
        self.accidentals = {}
        self.last = None
        return True

    def play(self, notes: list[tuple[int, int, bool]], length: Time) -> list[Stroke]:
        """A chord, or a rest, which has no notes; each note is (pitch, step, whether it has a fermata)."""
        if self.due and self.time:
            self.split()
        if self.signs:
            self._attach()
        if self.tuplets:
            for tuplet in self.tuplets:
                length = times(length, tuplet[1], tuplet[0])
                tuplet[2] -= 1
            self.tuplets = [tuplet for tuplet in self.tuplets if tuplet[2] > 0]
        if self.share:
            length = times(length, *self.share)
            self.share = None
        ties, layer, onset = self.ties, self.layer, self.time
        strokes = []
        if length and notes:
            if self.base is None:
                self.base = self.sound
            strokes = [
                Stroke(onset, length, pitch, step, layer, self.other, pitch in ties, fermata or self.fermata)
                for pitch, step, fermata in notes
            ]
            self.bars[self.place].strokes += strokes
            self.fermata = False
        self.last, self.lasting, self.where = strokes, length, self.place
        self.time = onset + length
        if ties:
            self.ties = {}
        return strokes

    def _attach(self) -> None:
        """Attach the signs to the note that comes."""
        signs, self.signs = self.signs, []
        if "segno" in signs:
            self.split()
        later = self.place + 1 if self.time else self.place
        for sign in signs:
            if sign == "segno":
                self.bars[self.place].signs.segno = SIGN
            elif sign == "coda":
                self.codas.append(later)
            else:
                self.due.append(sign)

    def tie(self, strokes: list[Stroke]) -> None:
        """Some notes of the last chord are tied to the next."""
        for stroke in strokes:
            stroke.tied = True
        self.ties = {**self.ties, **{stroke.pitch: stroke.step for stroke in strokes}}

    def dot(self, marks: str) -> bool:
        """``>`` or ``<``: lengthen the last chord or rest and shorten the next, or the reverse.

        Returns:
            Whether there is one to lengthen.
        """
        if self.last is None or self.share is not None:
            return False
        half = 2 ** min(len(marks), 6)
        shares = [(2 * half - 1, half), (1, half)]
        own, self.share = shares if marks[0] == ">" else reversed(shares)
        length = times(self.lasting, *own)
        for stroke in self.last:
            stroke.length = length
        if self.where == self.place:
            self.time += length - self.lasting
        else:
            self.bars[self.where].length += length - self.lasting
        self.lasting = length
        return True

    def finish(self) -> None:
        """End the last bar."""
        if self.filled():
            self.front = self.place
            self.close()
        if self.place:
            self.mark(self.bars[self.place - 1], [sign for sign in self.due + self.signs if sign != "segno"])
        if self.bars and not self.bars[-1].length:
            self.bars.pop()
        first = any(bar.signs.to_coda for bar in self.bars)
        for number, place in enumerate(self.codas, 1):
            if number == len(self.codas) or first:
                if place < len(self.bars):
                    self.bars[place].signs.coda = SIGN
            elif place:
                self.bars[place - 1].signs.to_coda = SIGN


class Grid:
    """The bars of the score, which are those of the first voice."""

    def __init__(self, voices: list[Voice]) -> None:
        """Take the voices of the tune; all have bars."""
        self.first = voices[0]
        self.starts = list(accumulate((bar.length for bar in self.first.bars), initial=0))
        count = max(len(voice.bars) for voice in voices if not self._apart(voice))
        self.signs = [bar.signs for bar in self.first.bars]
        self.signs += [Bar(Fraction(0)) for _ in range(count - len(self.first.bars))]
        self.lengths: list[Time] = [0] * count
        self.quarters: dict[Time, Fraction] = {}

    def part(self, voice: Voice, name: str) -> Part:
        """The part of a voice. Its bar lines are taken for those of the first voice, unless only times agree."""
        base = voice.sound if voice.base is None else voice.base
        part = Part(name, max(base, 0), base < 0)
        apart = self._apart(voice)
        for place, bar in enumerate(voice.bars):
            if not apart:
                self.lengths[place] = max(self.lengths[place], bar.length)
                self._unite(place, bar.signs)
            for stroke in bar.strokes:
                where, onset = self._place(apart, place, stroke.onset) if apart else (place, stroke.onset)
                layer = str(stroke.layer + 1) if stroke.layer else ""
                times = self._quarters(onset), self._quarters(stroke.length)
                note = Note(*times, stroke.pitch, layer, stroke.tied, stroke.held, stroke.fermata, stroke.program)
                part.add(where, note)
        part.keys = self.marks(voice, voice.keys)
        part.symbols = self.marks(voice, voice.symbols)
        return part

    def filled(self, voice: Voice) -> list[Fraction]:
        """How far a voice fills the bars of the score; those of one that has bars of its own are full."""
        own = [] if self._apart(voice) else [bar.length for bar in voice.bars]
        return [self._quarters(length) for length in own + self.lengths[len(own) :]]

    def marks(self, voice: Voice, marks: list[tuple[int, Time, T]]) -> list[Mark[T]]:
        """Marks at their places. One at the end of a bar holds from the next."""
        apart = self._apart(voice)
        found = []
        for place, time, value in marks:
            if place < len(voice.bars) and time >= voice.bars[place].length:
                place, time = place + 1, 0
            if place < len(voice.bars):
                where, onset = self._place(apart, place, time) if apart else (place, time)
                found.append(Mark(where, self._quarters(onset), value))
        return found

    def bars(self) -> list[Bar]:
        """The bars, as long as the longest voice."""
        for signs, length in zip(self.signs, self.lengths, strict=True):
            signs.length = self._quarters(length)
        return self.signs

    def _apart(self, voice: Voice) -> list[Time]:
        """The starts of a voice's bars where it has others than the first voice in the same time; else none."""
        if len(voice.bars) == len(self.first.bars):
            return []
        starts = list(accumulate((bar.length for bar in voice.bars), initial=Fraction(0)))
        return starts if starts[-1] == self.starts[-1] else []

    def _place(self, starts: list[Time], place: int, time: Time) -> tuple[int, Time]:
        time += starts[place]
        where = min(bisect_right(self.starts, time), len(self.first.bars)) - 1
        return where, time - self.starts[where]

    def _unite(self, place: int, signs: Bar) -> None:
        """Let what any voice states of a bar hold."""
        own = self.signs[place]
        own.times = max(own.times, signs.times)
        own.endings, own.jump = own.endings or signs.endings, own.jump or signs.jump
        for name in ("repeat", "segno", "coda", "to_coda", "fine"):
            setattr(own, name, getattr(own, name) or getattr(signs, name))

    def _quarters(self, time: Time) -> Fraction:
        if time not in self.quarters:
            self.quarters[time] = Fraction(time, TICKS)
        return self.quarters[time]
