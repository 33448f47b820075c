"""Random small scores as plain data, and what they sound like by the rules of notation.

The writers (``random_musicxml``, ``random_abc``, ``random_humdrum``) spell them in each format, from the format's own
definition. Neither side knows the readers that they test.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import NamedTuple

QUARTER = 840  # ticks, which hold a 32nd (105), its dot, and tuplets of 2, 3, 4, 5, 6 and 7
LETTERS = "CDEFGAB"
NATURAL = (0, 2, 4, 5, 7, 9, 11)  # semitones above C
ORDER = (3, 0, 4, 1, 5, 2, 6)  # the letters that get sharps, F first


class Pitch(NamedTuple):
    """A spelled pitch."""

    step: int  # letters above the C of octave 0: middle C is 28
    alter: int  # semitones up

    @property
    def midi(self) -> int:
        """The MIDI pitch."""
        return 12 * (self.step // 7 + 1) + NATURAL[self.step % 7] + self.alter

    def moved(self, letters: int, semitones: int) -> "Pitch":
        """The pitch that is an interval higher."""
        plain = Pitch(self.step + letters, 0)
        return Pitch(plain.step, self.midi + semitones - plain.midi)


class Meter(NamedTuple):
    """A time signature."""

    beats: tuple[int, ...]  # more than one: additive
    unit: int

    @property
    def length(self) -> int:
        """Of a bar, in ticks."""
        return 4 * QUARTER * sum(self.beats) // self.unit

    @property
    def compound(self) -> bool:
        """Whether beats have three parts."""
        return self.unit == 8 and self.beats in {(6,), (9,), (12,)}

    def __str__(self) -> str:
        return f"{sum(self.beats)}/{self.unit}"


class Key(NamedTuple):
    """A key signature, at sounding pitch in a ``Bar``."""

    sharps: int  # or minus the flats
    minor: bool

    def alter(self, step: int) -> int:
        """What the signature does to a letter."""
        place = ORDER.index(step % 7)
        return 1 if place < self.sharps else -1 if place >= 7 + self.sharps else 0

    @property
    def tonic(self) -> str:
        """As in ``F#``, ``Bb``."""
        place = self.sharps + (4 if self.minor else 1)  # fifths above F
        return LETTERS[ORDER[place % 7]] + ("#" * (place // 7) if place >= 0 else "b" * -(place // 7))


class Tuplet(NamedTuple):
    """So many notes in the time of so many."""

    actual: int
    normal: int
    value: int  # of one of them


@dataclass
class Event:
    """A note, a chord or a rest of one voice."""

    onset: int  # ticks from the bar line
    value: int  # the note value in ticks, without dots
    dots: int
    tuplet: Tuplet | None = None
    first: bool = False  # of its tuplet
    last: bool = False
    pitches: tuple[Pitch, ...] = ()  # as they are written; none: a rest
    tied: set[Pitch] = field(default_factory=set)  # to the next event
    graces: tuple[Pitch, ...] = ()  # before it; they do not sound
    nominal: int = 0  # ticks with dots, as if there were no tuplet
    length: int = 0  # ticks

    def __post_init__(self) -> None:
        self.nominal = self.value * (2 ** (self.dots + 1) - 1) // 2**self.dots
        self.length = self.nominal * self.tuplet.normal // self.tuplet.actual if self.tuplet else self.nominal

    @property
    def end(self) -> int:
        """Ticks from the bar line."""
        return self.onset + self.length


@dataclass
class Bar:
    """A bar: what is in force in it."""

    meter: Meter
    key: Key
    length: int  # shorter than the meter's in a pickup, and where a repeat ends before one

    @property
    def short(self) -> bool:
        """Whether it lacks something."""
        return self.length < self.meter.length


class Ending(NamedTuple):
    """A volta."""

    bars: range
    passes: tuple[int, ...]


@dataclass
class Section:
    """Bars that are played some times, with their endings after them."""

    body: range
    times: int = 1
    endings: list[Ending] = field(default_factory=list)

    @property
    def stop(self) -> int:
        """The bar after it."""
        return self.endings[-1].bars.stop if self.endings else self.body.stop

    def played(self) -> Iterator[int]:
        """The bars as they are played."""
        for turn in range(1, self.times + 1):
            yield from self.body
            for ending in self.endings:
                if turn in ending.passes:
                    yield from ending.bars


class Instrument(NamedTuple):
    """A General MIDI instrument."""

    name: str
    program: int
    code: str  # of Humdrum


INSTRUMENTS = (
    Instrument("Flute", 73, "flt"), Instrument("Oboe", 68, "oboe"), Instrument("Clarinet", 71, "clars"),
    Instrument("Bassoon", 70, "fagot"), Instrument("Horn", 60, "cor"), Instrument("Trumpet", 56, "tromp"),
    Instrument("Trombone", 57, "tromb"), Instrument("Tuba", 58, "tuba"), Instrument("Violin", 40, "violn"),
    Instrument("Viola", 41, "viola"), Instrument("Cello", 42, "cello"), Instrument("Contrabass", 43, "cbass"),
    Instrument("Harp", 46, "arpa"), Instrument("Piano", 0, "piano"), Instrument("Guitar", 24, "guitr"),
)  # fmt: skip
# from what is written to what sounds: letters, semitones
INTERVALS = ((-1, -2), (-5, -9), (-4, -7), (-2, -3), (2, 3), (-7, -12), (7, 12), (-8, -14))


@dataclass
class Part:
    """What one instrument plays."""

    instrument: Instrument
    letters: int = 0  # it sounds so many higher than it is written
    semitones: int = 0
    staves: int = 1
    voices: list[list[list[Event]]] = field(default_factory=list)  # voice -> bar -> events; the first voice has no gap

    def written(self, key: Key) -> Key:
        """The key signature that the part shows where ``key`` sounds."""
        return Key(key.sharps - (7 * self.semitones - 12 * self.letters), key.minor)


class Tempo(NamedTuple):
    """A tempo mark, where the first part's first voice has an event."""

    bar: int
    onset: int
    bpm: int  # quarter notes a minute


@dataclass
class Score:
    """A score."""

    seed: int
    bars: list[Bar]
    sections: list[Section]
    tempos: list[Tempo]
    parts: list[Part] = field(default_factory=list)

    @property
    def pickup(self) -> bool:
        """Whether the first bar is one."""
        return self.bars[0].short

    def has_graces(self) -> bool:
        """Whether there are grace notes."""
        return any(event.graces for part in self.parts for voice in part.voices for bar in voice for event in bar)

    def opens(self) -> dict[int, Section]:
        """The bars that a repeat starts with."""
        return {section.body.start: section for section in self.sections if section.times > 1}

    def closes(self) -> dict[int, Section]:
        """The bars after which the players go back."""
        last = {
            section.body.stop - 1: section for section in self.sections if section.times > 1 and not section.endings
        }
        for section in self.sections:
            for ending in section.endings:
                if ending.passes != (section.times,):
                    last[ending.bars.stop - 1] = section
        return last

    def endings(self) -> dict[int, Ending]:
        """The endings by their first bars."""
        return {ending.bars.start: ending for section in self.sections for ending in section.endings}


METERS = (
    *(Meter((beats,), 4) for beats in (2, 3, 4, 4, 5)), Meter((2,), 2), Meter((3,), 2), Meter((3,), 8), Meter((6,), 8),
    Meter((6,), 8), Meter((9,), 8), Meter((5,), 8), Meter((7,), 8), Meter((3, 2), 8), Meter((2, 2, 3), 8),
)  # fmt: skip
WHOLE, HALF, EIGHTH, SIXTEENTH, SHORTEST = 3360, 1680, 420, 210, 105
VALUES = (
    (WHOLE, 0, 6), (HALF, 1, 6), (HALF, 0, 12), (QUARTER, 1, 6), (QUARTER, 0, 14), (EIGHTH, 1, 4), (EIGHTH, 0, 8),
    (SIXTEENTH, 0, 2), (HALF, 2, 2), (QUARTER, 2, 1), (EIGHTH, 2, 1), (SIXTEENTH, 1, 1), (SHORTEST, 0, 1),
)  # fmt: skip
LENGTHS = tuple(Event(0, value, dots).length for value, dots, _ in VALUES)
SIMPLE = (
    Tuplet(3, 2, QUARTER), Tuplet(3, 2, EIGHTH), Tuplet(3, 2, EIGHTH), Tuplet(3, 2, SIXTEENTH), Tuplet(5, 4, EIGHTH),
    Tuplet(5, 4, SIXTEENTH), Tuplet(6, 4, SIXTEENTH), Tuplet(7, 4, SIXTEENTH),
)  # fmt: skip
COMPOUND = (Tuplet(2, 3, EIGHTH), Tuplet(4, 3, EIGHTH))
BPM = (40, 48, 50, 60, 72, 75, 80, 90, 96, 100, 120, 125, 144, 150, 160, 200)


def make_score(seed: int) -> Score:
    """A score, the same for the same seed."""
    draw = random.Random(seed)
    number = draw.choice((1, 1, 1, 1, 1, 2, 2, 3, 4))
    bars = _bars(draw, draw.choice({1: (2, 2, 3, 3, 4, 7), 2: (2, 2, 3)}.get(number, (2,))))
    sections = _sections(draw, bars)
    score = Score(seed, bars, sections, [])
    for instrument in draw.sample(INSTRUMENTS, number):
        part = Part(instrument)
        if draw.random() < 0.3:
            part.letters, part.semitones = draw.choice(INTERVALS)
            if any(abs(part.written(bar.key).sharps) > 7 for bar in bars):
                part.letters, part.semitones = 0, 0
        if draw.random() < 0.1:
            part.staves = 2
        part.voices.append([_fill(draw, 0, bar.length, bar.meter) for bar in bars])
        if part.staves == 2 or draw.random() < 0.4:
            part.voices.append([_second(draw, bar) for bar in bars])
        _sing(draw, part, score)
        score.parts.append(part)
    score.tempos = _tempos(draw, score)
    return score


def _bars(draw: random.Random, number: int) -> list[Bar]:
    meter, key = draw.choice(METERS), Key(draw.randint(-7, 7), draw.random() < 0.4)
    bars = []
    for place in range(number):
        if place and draw.random() < 0.1:
            meter = draw.choice(METERS)
        if place and draw.random() < 0.1:
            key = Key(draw.randint(-7, 7), draw.random() < 0.4)
        bars.append(Bar(meter, key, meter.length))
    if draw.random() < 0.3:  # a pickup, of the second bar's meter
        meter = bars[1].meter
        bars[0] = Bar(meter, bars[0].key, draw.choice([x for x in (EIGHTH, QUARTER, 1260) if x < meter.length]))
    return bars


def _sections(draw: random.Random, bars: list[Bar]) -> list[Section]:
    if draw.random() < 0.4:
        return [Section(range(len(bars)))]
    sections: list[Section] = []
    place = 0
    if bars[0].short and draw.random() < 0.5:  # what is repeated starts after the pickup
        sections.append(Section(range(1)))
        place = 1
    while place < len(bars):
        stop = min(len(bars), place + draw.randint(2 if bars[place].short else 1, 3))
        section = Section(range(place, stop), draw.choice((1, 2, 2, 2, 3)))
        passes = draw.choice(([(1,), (2,)], [(1,), (2,)], [(1, 2), (3,)], [(1,), (2, 3)], [(1,), (2,), (3,)]))
        if section.times > 1 and stop + len(passes) <= len(bars) and draw.random() < 0.8:
            for numbers in passes:
                section.endings.append(Ending(range(stop, stop + 1), numbers))
                stop += 1
            section.times = passes[-1][-1]
            if len(passes[-1]) == 1 and stop < len(bars) and draw.random() < 0.3:  # a last ending of two bars
                section.endings[-1] = Ending(range(stop - 1, stop + 1), passes[-1])
                stop += 1
        sections.append(section)
        if bars[place].short and section.times > 1 and not section.endings and bars[stop - 1].meter == bars[0].meter:
            bars[stop - 1].length -= bars[0].length  # the pickup makes it whole
        place = stop
    return sections


def _second(draw: random.Random, bar: Bar) -> list[Event]:
    """A second voice, which comes and goes."""
    start, stop = 0, bar.length
    if draw.random() < 0.35:
        return []
    if draw.random() < 0.3:
        start, stop = sorted(draw.sample(range(0, bar.length + 1, EIGHTH), 2))
    return _fill(draw, start, stop, bar.meter)


def _fill(draw: random.Random, start: int, stop: int, meter: Meter) -> list[Event]:
    """Rests from ``start`` to ``stop``, in a rhythm."""
    events: list[Event] = []
    now = start
    while now < stop:
        left = stop - now
        if draw.random() < 0.12:
            tuplets = [one for one in (COMPOUND if meter.compound else SIMPLE) if one.normal * one.value <= left]
            if tuplets:
                group = _tuplet(draw, now, draw.choice(tuplets))
                events += group
                now = group[-1].end
                continue
        fits = [value for value, length in zip(VALUES, LENGTHS, strict=True) if length <= left]
        value, dots, _ = draw.choices(fits, [weight for _, _, weight in fits])[0]
        events.append(Event(now, value, dots))
        now = events[-1].end
        if dots and now + (value >> dots) <= stop and draw.random() < 0.6:
            events.append(Event(now, value >> dots, 0))
            now = events[-1].end
    return events


def _tuplet(draw: random.Random, now: int, tuplet: Tuplet) -> list[Event]:
    group, left = [], tuplet.actual * tuplet.value
    while left:
        value, dots = tuplet.value, 0
        if left >= 2 * value and draw.random() < 0.15:
            value *= 2
        elif left >= 2 * value and tuplet in SIMPLE and draw.random() < 0.1:
            dots = 1
        elif left % value:
            value //= 2
        group.append(Event(now, value, dots, tuplet))
        now, left = group[-1].end, left - group[-1].nominal
    group[0].first = group[-1].last = True
    return group


def _sing(draw: random.Random, part: Part, score: Score) -> None:
    """Give pitches, ties and grace notes to the events of a part."""
    order = list(played(score))
    after = set(pairwise(order))
    joined = {  # no jump leads away from the bar line after it, nor to it
        place for place, following in after
        if following == place + 1 and sum(pair[0] == place or pair[1] == following for pair in after) == 1
    }  # fmt: skip
    for number, voice in enumerate(part.voices):
        step = draw.randint(30, 35) - 5 * number
        before: Event | None = None
        for place, events in enumerate(voice):
            key = part.written(score.bars[place].key)
            reaches = before is not None and before.end == score.bars[place - 1].length and place - 1 in joined
            if not (reaches and events and events[0].onset == 0):
                before = None
            for event in events:
                if draw.random() < 0.12:
                    before = None
                    continue
                kept = [pitch for pitch in before.pitches if draw.random() < 0.7] if before else []
                if draw.random() < 0.8:
                    kept = []
                if before:
                    before.tied.update(kept)
                pitches = list(kept)
                if number and draw.random() < 0.2:  # in unison with the first voice
                    pitches += [one for other in part.voices[0][place] if other.onset == event.onset
                                for one in other.pitches[:1]]  # fmt: skip
                wanted = draw.choice((1, 1, 1, 1, 1, 1, 2, 3))
                while len(pitches) < wanted:
                    step = max(24 - 5 * number, min(40 - 5 * number, step + draw.choice((-7, -2, -1, 0, 0, 1, 2, 7))))
                    alter = key.alter(step)
                    if draw.random() < 0.2:
                        alter += draw.choice((-1, 1))
                    pitches.append(Pitch(step, alter))
                event.pitches = tuple({pitch.midi: pitch for pitch in reversed(pitches)}.values())
                if not kept and draw.random() < 0.07:  # never between two tied notes
                    event.graces = tuple(
                        Pitch(step + way, key.alter(step + way) + draw.choice((0, 0, 1, -1)))
                        for way in draw.choice(((1,), (-1,), (2, 1)))
                    )
                before = event


def _tempos(draw: random.Random, score: Score) -> list[Tempo]:
    if draw.random() < 0.3:
        return []
    places = [
        Tempo(place, event.onset, draw.choice(BPM))
        for place, events in enumerate(score.parts[0].voices[0])
        for event in events
        if draw.random() < 0.07 and (event.tuplet is None or event.first)
    ]
    # without one at the start, a jump back would lead to a place without a tempo
    if all(section.times == 1 for section in score.sections) and draw.random() < 0.2:
        return places
    return [Tempo(0, 0, draw.choice(BPM)), *(tempo for tempo in places if tempo[:2] != (0, 0))]


def played(score: Score) -> Iterator[int]:
    """The bars in the order in which they are played."""
    for section in score.sections:
        yield from section.played()


class Sounding(NamedTuple):
    """What a score sounds like, in quarter notes from the bar line before a pickup."""

    parts: list[list[tuple[Fraction, Fraction, int]]]  # onset, length, pitch; sorted
    bars: list[tuple[Fraction, str]]  # of those that are full: onset, meter
    irregular: bool  # whether a bar other than the first is short
    tempos: list[tuple[Fraction, int]]  # the changes: quarter notes a minute
    meters: list[tuple[Fraction, str]]  # the changes, as "5/8"
    keys: list[tuple[Fraction, Key]]  # the changes


def sounding(score: Score, repeats: str) -> Sounding:
    """What sounds, with repeats ``played`` or as ``written``: ties joined, no grace notes.

    After a jump back, tempo, meter and key are those that are in force there as the score is written.
    """
    order = list(played(score)) if repeats == "played" else list(range(len(score.bars)))
    onsets = [score.bars[0].meter.length - score.bars[0].length]
    for place in order:
        onsets.append(onsets[-1] + score.bars[place].length)
    visits = list(zip(order, onsets, strict=False))
    tempos = []
    for place, onset in visits:
        earlier = [tempo for tempo in score.tempos if tempo.bar < place]
        tempos += [(onset, earlier[-1].bpm)] if earlier else []
        tempos += [(onset + tempo.onset, tempo.bpm) for tempo in score.tempos if tempo.bar == place]
    return Sounding(
        [sorted(note for voice in part.voices for note in _notes(voice, part, visits)) for part in score.parts],
        [(quarters(onset), str(score.bars[place].meter)) for place, onset in visits if not score.bars[place].short],
        any(score.bars[place].short for place in order[1:]),
        _changes(tempos),
        _changes([(onset, str(score.bars[place].meter)) for place, onset in visits]),
        _changes([(onset, score.bars[place].key) for place, onset in visits]),
    )


@cache
def quarters(ticks: int) -> Fraction:
    """Ticks in quarter notes."""
    return Fraction(ticks, QUARTER)


def _changes(values: list) -> list:
    """What differs from the value before; of several at one time the last."""
    values = [(quarters(onset), value) for onset, value in dict(values).items()]
    return [one for place, one in enumerate(values) if place == 0 or one[1] != values[place - 1][1]]


def _notes(
    voice: list[list[Event]], part: Part, visits: list[tuple[int, int]]
) -> Iterator[tuple[Fraction, Fraction, int]]:
    """The notes of a voice, ties joined."""
    held: dict[Pitch, int] = {}  # onsets of the notes that are tied to the next event
    for place, start in visits:
        for event in voice[place]:
            onset, end = start + event.onset, start + event.end
            for pitch in event.pitches:
                onset_held = held.pop(pitch, onset)
                if pitch in event.tied:
                    held[pitch] = onset_held
                else:
                    yield quarters(onset_held), quarters(end - onset_held), pitch.midi + part.semitones
    assert not held


def shared_ticks(score: Score) -> int:
    """The largest number of ticks of which all onsets and lengths are multiples."""
    events = [event for part in score.parts for voice in part.voices for bar in voice for event in bar]
    bars = [bar.length for bar in score.bars]
    return math.gcd(QUARTER, *bars, *(event.onset for event in events), *(event.length for event in events))
