"""The random scores as Humdrum **kern (humdrum.org), in its many ways of saying one thing.

**kern holds sounding pitches, of transposing instruments as well: *ITr states only how their parts are written.
"""

import random
from collections.abc import Callable
from fractions import Fraction

from scores.random_scores import LETTERS, Bar, Event, Key, Part, Pitch, Score, Section

WHOLE = 3360  # ticks
SIGNS = {-1: "-", 1: "#"}


def humdrum(score: Score) -> str:
    """The score: a spine for each part, the lowest first, and for some of them a spine of text next to it."""
    return _Writer(score, random.Random(f"humdrum {score.seed}")).text()


class _Column:
    """A spine: of a part, or of text (``part`` is ``None``)."""

    def __init__(self, part: Part | None, number: int, draw: random.Random) -> None:
        self.part, self.number = part, number
        self.kind = "**kern" if part else draw.choice(("**text", "**dynam", "**fing"))
        self.voices = [0]  # of its sub-spines
        self.held: dict[int, set[Pitch]] = {0: set(), 1: set()}  # tied to the next event, by voice


class _Writer:
    def __init__(self, score: Score, draw: random.Random) -> None:
        self.score, self.draw = score, draw
        self.columns: list[_Column] = []
        for number, part in reversed(list(enumerate(score.parts))):
            self.columns.append(_Column(part, number, draw))
            if draw.random() < 0.1:
                self.columns.append(_Column(None, number, draw))
        self.rows: list[str] = []
        # by signs alone only what they state without doubt
        signs = all(section.times < 3 and not section.endings for section in score.sections)
        self.labelled = len(score.sections) > 1 or score.sections[0].times > 1
        if self.labelled and signs and draw.random() < 0.3:
            self.labelled = False

    def text(self) -> str:
        """The whole file."""
        if self.draw.random() < 0.3:
            self.rows.append("!!!OTL: A piece")
        self._row(lambda column, voice: column.kind)
        self._heads()
        for place, bar in enumerate(self.score.bars):
            self._bar(place, bar)
        for column in self.columns:
            self._merge(column)
        end = len(self.score.bars) - 1 in self.score.closes()
        if end or self.draw.random() < 0.8:
            self._row(lambda column, voice: "==:|!" if end else "==")
        self._row(lambda column, voice: "*-")
        return "\n".join(self.rows) + "\n"

    def _row(self, field: Callable[[_Column, int], str]) -> None:
        """A line with a field for each sub-spine."""
        self.rows.append("\t".join(field(column, voice) for column in self.columns for voice in column.voices))

    def _state(self, field: Callable[[Part], str]) -> None:
        """A line of interpretations of the parts."""
        self._row(lambda column, voice: field(column.part) if column.part else "*")

    def _heads(self) -> None:
        if self.draw.random() < 0.5:
            self._row(lambda column, voice: f"*staff{column.number + 1}")
        if self.draw.random() < 0.5:
            self._state(lambda part: f'*I"{part.instrument.name}')
        self._state(lambda part: f"*I{part.instrument.code}")
        if any(part.semitones for part in self.score.parts):
            self._state(lambda part: f"*ITrd{-part.letters}c{-part.semitones}" if part.semitones else "*")
        if self.labelled:
            names = self._names()
            order = [name for section in self.score.sections for name in self._played(section, names)]
            short = [name for place, name in enumerate(order) if name not in order[:place]]
            self._row(lambda column, voice: f"*>[{','.join(order)}]")
            if self.draw.random() < 0.5:
                self._row(lambda column, voice: f"*>norep[{','.join(short)}]")
        if self.draw.random() < 0.5:
            self._state(lambda part: "*clefG2")

    def _names(self) -> dict[int, str]:
        """The label of each first bar of a section or an ending."""
        names = {}
        for letter, section in zip("ABCDEFGH", self.score.sections, strict=False):
            names[section.body.start] = letter
            names |= {ending.bars.start: f"{letter}{number + 1}" for number, ending in enumerate(section.endings)}
        return names

    def _played(self, section: Section, names: dict[int, str]) -> list[str]:
        return [names[place] for place in section.played() if place in names]

    def _bar(self, place: int, bar: Bar) -> None:
        self._line_before(place)
        if self.labelled and place in self._names():
            self._row(lambda column, voice: f"*>{self._names()[place]}")
        before = self.score.bars[place - 1] if place else None
        if before is None or before.key != bar.key:
            self._state(lambda part: _signature(bar.key))
            self._state(lambda part: _key(bar.key))
        if before is None or before.meter != bar.meter:
            sign = f"*M{'+'.join(map(str, bar.meter.beats))}/{bar.meter.unit}"
            self._state(lambda part: sign)
            if sign in {"*M4/4", "*M2/2"} and self.draw.random() < 0.5:
                self._state(lambda part: "*met(c)" if sign == "*M4/4" else "*met(c|)")
        layers = {
            (column.number, voice): self._filled(column.part, place) if voice else events[place]
            for column in self.columns if column.part
            for voice, events in enumerate(column.part.voices)
        }  # fmt: skip
        tempos = {tempo.onset: tempo.bpm for tempo in self.score.tempos if tempo.bar == place}
        times = {event.onset for events in layers.values() for event in events}
        times |= {events[-1].end for events in layers.values() if events and events[-1].end < bar.length}
        for time in sorted(times):
            self._paths(layers, time)
            if time in tempos:
                self._state(lambda part: f"*MM{tempos[time]}")  # noqa: B023
            starting = {key: event for key, events in layers.items() for event in events if event.onset == time}
            self._graces(starting)
            if starting:
                self._row(lambda column, voice: self._token(column, voice, starting))  # noqa: B023
        for column in self.columns:
            self._close(column, place, layers)

    def _filled(self, part: Part, place: int) -> list[Event]:
        """A second voice in a bar, with rests around it unless it comes and goes between notes of the first."""
        first, filled = part.voices[0][place], list(part.voices[1][place])
        if filled:
            steps = {event.end for event in first}
            before, after = range(filled[0].onset), range(filled[-1].end, self.score.bars[place].length)
            if before and (before.stop not in steps or self.draw.random() < 0.4):
                filled.insert(0, _Rest(before))
            if after and (after.start not in steps or self.draw.random() < 0.4):
                filled.append(_Rest(after))
        return filled

    def _line_before(self, place: int) -> None:
        """The bar line at the start of a bar."""
        if place == 0 and (self.score.pickup or self.draw.random() < 0.3):
            return
        section = self.score.closes().get(place - 1)
        opens = self.score.opens().get(place)
        if place == 0 and self.draw.random() < 0.5:
            opens = None
        number = str(place if self.score.pickup else place + 1) if self.draw.random() < 0.9 else ""
        sign = f"{':|' if section else ''}!{'|:' if opens else ''}" if section or opens else ""
        if place == 0 and not sign and self.draw.random() < 0.5:
            sign = "-"
        self._row(lambda column, voice: f"={number}{sign}")

    def _paths(self, layers: dict[tuple[int, int], list[Event]], time: int) -> None:
        """Join the second voices that have ended, and split for those that start."""
        splits = []
        for column in self.columns:
            events = layers.get((column.number, 1), []) if column.part else []
            here = bool(events) and events[0].onset <= time < events[-1].end
            if not here:
                self._merge(column)
            elif len(column.voices) == 1:
                splits.append(column)
        if splits:
            self._row(lambda column, voice: "*^" if column in splits else "*")
            for column in splits:
                column.voices = [0, 1]

    def _merge(self, column: _Column) -> None:
        if len(column.voices) > 1:
            self._row(lambda other, voice: "*v" if other is column else "*")
            column.voices = [0]

    def _close(self, column: _Column, place: int, layers: dict[tuple[int, int], list[Event]]) -> None:
        """At the end of a bar: join the voices, or let them go on over the bar line."""
        if len(column.voices) == 1 or not column.part:
            return
        upper, lower = layers[column.number, 0][-1], layers[column.number, 1][-1]
        shared = {pitch.midi for pitch in lower.tied} & {pitch.midi for pitch in upper.pitches}
        following = column.part.voices[1][place + 1] if place + 1 < len(self.score.bars) else []
        goes_on = bool(following) and following[0].onset == 0
        if not goes_on or (not shared and self.draw.random() < 0.5):
            self._merge(column)

    def _graces(self, starting: dict[tuple[int, int], Event]) -> None:
        """A line for each grace note."""
        for key, event in starting.items():
            for pitch in event.graces:
                value = self.draw.choice(("8", "16", ""))
                self._row(
                    lambda column, voice: (
                        value + "q" + self._name(column.part, pitch)  # noqa: B023
                        if column.part and (column.number, voice) == key  # noqa: B023
                        else "."
                    )
                )

    def _token(self, column: _Column, voice: int, starting: dict[tuple[int, int], Event]) -> str:
        if not column.part:
            return self.draw.choice((".", ".", "la", "p"))
        event = starting.get((column.number, voice))
        if event is None:
            return "."
        held, column.held[voice] = column.held[voice], event.tied
        length = self._length(event)
        if not event.pitches:
            return length + "r" + ("yy" if isinstance(event, _Rest) else "")
        notes = []
        for pitch in event.pitches:
            name = length + self._name(column.part, pitch) + self.draw.choice(("", "", "", "L", "J", "/", "\\"))
            starts, ends = pitch in event.tied, pitch in held
            notes.append(f"[{name}" if starts and not ends else name + ("_" if starts else "]" if ends else ""))
        return " ".join(notes)

    def _length(self, event: Event) -> str:
        """The length as a part of a whole note."""
        if isinstance(event, _Rest):
            return _recip(Fraction(WHOLE, event.length))
        tuplet = event.tuplet
        recip = Fraction(WHOLE, event.value)
        if tuplet and tuplet.actual == 2 and event.dots == 0 and self.draw.random() < 0.5:
            return f"{recip}."  # two in the time of three are dotted
        if tuplet:
            recip *= Fraction(tuplet.actual, tuplet.normal)
        return _recip(recip) + "." * event.dots

    def _name(self, part: Part, written: Pitch) -> str:
        """A pitch as it sounds."""
        pitch = written.moved(part.letters, part.semitones)
        octave, letter = pitch.step // 7, LETTERS[pitch.step % 7]
        name = letter.lower() * (octave - 3) if octave > 3 else letter * (4 - octave)
        natural = "n" if pitch.alter == 0 and self.draw.random() < 0.1 else ""
        return name + natural + SIGNS.get(1 if pitch.alter > 0 else -1, "") * abs(pitch.alter)


class _Rest(Event):
    """A rest that is not shown, of any length."""

    def __init__(self, span: range) -> None:
        super().__init__(span.start, 0, 0)
        self.length = len(span)


def _recip(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}%{value.denominator}"


def _signature(key: Key) -> str:
    names = "fcgdaeb" if key.sharps > 0 else "beadgcf"
    return "*k[" + "".join(name + ("#" if key.sharps > 0 else "-") for name in names[: abs(key.sharps)]) + "]"


def _key(key: Key) -> str:
    tonic = key.tonic.replace("b", "-")
    return f"*{tonic.lower() if key.minor else tonic}:"
