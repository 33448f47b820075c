"""The random scores as ABC 2.1, and as ABC of no stated version, in its many ways of saying one thing."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise

from scores.random_scores import LETTERS, QUARTER, Bar, Event, Key, Meter, Part, Pitch, Score, Tempo

SIGNS = {-3: "___", -2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
USUAL = {2: 3, 3: 2, 4: 3, 6: 2}  # the q of (p where none is written
BROKEN = {Fraction(3): ">", Fraction(7): ">>", Fraction(1, 3): "<", Fraction(1, 7): "<<"}  # ratio of two lengths
BEATS = (("1/4", Fraction(1)), ("1/2", Fraction(2)), ("3/8", Fraction(3, 2)), ("1/8", Fraction(1, 2)))
UNITS = (Fraction(1, 4), Fraction(1, 2), Fraction(1), None)  # of lengths, in quarter notes; None: the default


def abc(score: Score) -> str:
    """The score as one tune."""
    draw = random.Random(f"abc {score.seed}")
    voices = [voice for part in score.parts for voice in _voices(part, draw)]
    for place, voice in enumerate(voices):
        voice.name = draw.choice((str(place + 1), f"v{place + 1}")) if len(voices) > 1 else ""
    modern = draw.random() < 0.5
    reach = "pitch" if modern else "octave"
    stated = draw.choice(("not", "octave", "pitch")) if draw.random() < 0.15 else None
    unit = draw.choice(UNITS)
    meter = score.bars[0].meter
    header = ["%abc-2.1"] if modern else []
    header += ["X:1", "T:A tune", f"M:{_meter(score.bars[0], draw)}"]
    if unit:
        header.append(f"L:{unit / 4}")
    else:  # by the meter: below 3/4 a 16th
        unit = Fraction(1, 4) if 4 * meter.length < 3 * 4 * QUARTER else Fraction(1, 2)
    if stated:
        header.append(draw.choice(("%%", "I:")) + f"propagate-accidentals {stated}")
    tempos = score.tempos
    if tempos and tempos[0][:2] == (0, 0) and draw.random() < 0.7:
        header.append(f"Q:{_tempo(tempos[0], draw)}")
        tempos = tempos[1:]
    lettered = not score.endings() and len(voices) == 1 and len(score.sections) > 1 and draw.random() < 0.3
    if lettered:
        header.append("P:" + "".join(
            letter * section.times if draw.random() < 0.5 else letter + str(section.times) * (section.times > 1)
            for letter, section in zip("ABCDEFGH", score.sections, strict=False)
        ))  # fmt: skip
    for voice in voices[: draw.randint(0, len(voices)) if len(voices) > 1 else 0]:
        header.append(f"V:{voice.name}" + voice.take_properties(draw))
    key = score.parts[0].written(score.bars[0].key)
    alone = len(voices) == 1 and all(bar.key == score.bars[0].key for bar in score.bars)
    header.append(f"K:{_key(key, draw)}" + (voices[0].take_properties(draw) if alone else ""))

    groups = _groups(len(score.bars), score, lettered, draw)
    writers = [
        _Writer(score, voice, tempos if place == 0 else [], stated or reach, unit, key, lettered, draw).lines(groups)
        for place, voice in enumerate(voices)
    ]
    if len(voices) == 1 or draw.random() < 0.4:
        body = [line for lines in writers for line in lines]
    else:
        body = [line for row in zip(*writers, strict=True) for line in row]
    return "\n".join((*header, *body)) + "\n"


@dataclass
class _Voice:
    """What one V: holds: one voice of a part, or both with the second as an overlay."""

    part: Part
    layers: list[list[list[Event]]]
    name: str = ""
    stated: bool = False  # whether its properties are written

    def take_properties(self, draw: random.Random) -> str:
        """Its transposition, once."""
        if self.stated:
            return ""
        self.stated = True
        clef = draw.choice(("", "", " clef=treble", " treble"))
        name = draw.choice(("", f' name="{self.part.instrument.name}"')) if self.name else ""
        semitones = self.part.semitones
        if semitones == 0:
            return name + clef
        if abs(semitones) == 12 and draw.random() < 0.5:
            sign = "+" if semitones > 0 else "-"
            return name + draw.choice((f" clef=treble{sign}8", f" treble{sign}8", f"{clef} octave={semitones // 12}"))
        return f"{name}{clef} transpose={semitones}"


def _voices(part: Part, draw: random.Random) -> list[_Voice]:
    if len(part.voices) == 1:
        return [_Voice(part, part.voices)]
    crossing = any(bar and bar[-1].tied for bar in part.voices[1])  # an overlay lasts for one bar, and so do its ties
    if crossing or draw.random() < 0.3:
        return [_Voice(part, [voice]) for voice in part.voices]
    return [_Voice(part, part.voices)]


def _groups(number: int, score: Score, lettered: bool, draw: random.Random) -> list[range]:
    """The bars of each line."""
    starts = {section.body.start for section in score.sections} if lettered else set()
    places = [place for place in range(1, number) if place in starts or draw.random() < 0.4]
    return [range(start, stop) for start, stop in pairwise((0, *places, number))]


class _Writer:
    """The lines of one voice."""

    def __init__(
        self, score: Score, voice: _Voice, tempos: Sequence[Tempo], reach: str, unit: Fraction, key: Key,
        lettered: bool, draw: random.Random,
    ) -> None:  # fmt: skip
        self.score, self.voice, self.tempos, self.draw = score, voice, {tempo[:2]: tempo for tempo in tempos}, draw
        self.reach, self.unit, self.lettered = reach, unit, lettered
        self.key = key  # as it is written
        self.opens = {} if lettered else score.opens()
        self.closes = {} if lettered else score.closes()
        self.endings = score.endings()
        self.known: dict[int, set[int]] = {}  # what a letter may mean in this bar, by the accidentals before
        self.held: set[Pitch] = set()  # tied to the next event
        self.after_bar = False  # whether no event was written since the bar line

    def lines(self, groups: Sequence[range]) -> list[str]:
        """Each group of bars, with the fields before it."""
        lines = []
        for group in groups:
            fields, text = self._start(group.start == 0), ""
            for section, letter in zip(self.score.sections, "ABCDEFGH", strict=False):
                if self.lettered and section.body.start == group.start:
                    fields.append(f"P:{letter}")
            changes = self._changes(group.start)
            if group.start == 0 or self.draw.random() < 0.5:
                fields, changes = fields + changes, []
            elif self.voice.name and self.draw.random() < 0.5:
                text, fields = f"[{fields[0]}] ", []
            text += self._opening(group.start, alone=True)
            for place in group:
                text += "".join(f"[{field}] " for field in (changes if place == group.start else self._changes(place)))
                text += self._bar(place) + " " + self._boundary(place, place == group[-1])
            ends = ["", "", " ", " % a remark"]
            if not self.voice.name and group[-1] + 1 < len(self.score.bars):
                ends.append("\\")
            lines.append("\n".join((*fields, text.rstrip() + self.draw.choice(ends))))
        return lines

    def _start(self, first: bool) -> list[str]:
        fields = []
        if self.voice.name:
            fields.append(f"V:{self.voice.name}" + (self.voice.take_properties(self.draw) if first else ""))
        if first:
            fields.append(self.draw.choice(("%%", "I:")) + f"MIDI program {self.voice.part.instrument.program}")
            if not self.voice.stated:
                fields.append("V:1" + self.voice.take_properties(self.draw))
        return fields

    def _changes(self, place: int) -> list[str]:
        """The fields that a bar needs."""
        bar, before = self.score.bars[place], self.score.bars[max(0, place - 1)]
        fields = []
        key, self.key = self.key, self.voice.part.written(bar.key)
        if key != self.key:
            fields.append(f"K:{_key(self.key, self.draw)}")
        if before.meter != bar.meter:
            fields.append(f"M:{_meter(bar, self.draw)}")
        if self.draw.random() < 0.05:
            self.unit = self.draw.choice(UNITS[:3])
            fields.append(f"L:{self.unit / 4}")
        return fields

    def _opening(self, place: int, alone: bool) -> str:
        """What stands at the start of a bar."""
        if place in self.endings:
            return ("[" if alone else "") + _passes(self.endings[place].passes, self.draw) + " "
        if place in self.opens and (place or self.endings or self.draw.random() < 0.5):
            return "|:" + ":" * (self.opens[place].times - 2 if not self.opens[place].endings else 0) + " "
        return ""

    def _boundary(self, place: int, broken: bool) -> str:
        """The bar line after a bar, and what the next bar starts with unless the line ends here."""
        section, last = self.closes.get(place), place + 1 == len(self.score.bars)
        ended = any(ending.bars.stop - 1 == place for ending in self.endings.values())
        if section:
            line = ":" * (1 if section.endings else section.times - 1) + "|"
        else:
            line = "|]" if last else "||" if ended else "|"
        if last or broken:
            return line
        opening = self._opening(place + 1, alone=False)
        if opening and place + 1 in self.endings:
            return line + self.draw.choice(("", "[")) + opening if line != "||" else "|" + opening
        if not opening:
            return line + " "
        if line == ":|" and opening == "|: ":
            return self.draw.choice((":: ", ":|: ", ":||: ", ":| |: "))
        return f"{line} {opening}" if section else opening

    def _bar(self, place: int) -> str:
        bar = self.score.bars[place]
        self.known = {}
        first, *others = self.voice.layers
        text = self._layer(first[place], bar, place)
        for layer in others:
            if not layer[place]:
                continue
            for letters in self.known:  # whether accidentals reach an overlay is not defined: it states its own
                self.known[letters] = self.known[letters] | {self.key.alter(letters)}
            held, self.held = self.held, set()
            text += " & " + self._layer(layer[place], bar, -1)
            self.held = held
        return text

    def _layer(self, events: Sequence[Event], bar: Bar, place: int) -> str:
        if len(events) == 1 and not events[0].pitches and events[0].length == bar.meter.length and place >= 0:
            self.held = set()
            if (place, 0) not in self.tempos and self.draw.random() < 0.5:
                return self.draw.choice(("Z", "Z1"))
        now, text, joined = 0, [], False
        self.after_bar = True
        if not events:
            return "x" + self._length(bar.length)
        for number, event in enumerate(events):
            if event.onset > now:
                text.append("x" + self._length(event.onset - now))
            if (place, event.onset) in self.tempos:
                text.append(f"[Q:{_tempo(self.tempos[place, event.onset], self.draw)}]")
            if event.first:
                text.append(self._tuplet(events[number:], bar))
            if joined:  # the second of two in a broken rhythm
                text[-1] += self._event(event, (events[number - 1].length + event.length) // 2)
                joined = False
            elif sign := self._broken(event, events[number + 1 : number + 2], place):
                text.append(self._event(event, (event.length + events[number + 1].length) // 2) + sign)
                joined = True
            else:
                text.append(self._event(event, event.nominal))
            now = event.end
        if now < bar.length:
            text.append("x" + self._length(bar.length - now))
        return "".join(one + self.draw.choice(("", " ")) for one in text).strip()

    def _broken(self, event: Event, following: Sequence[Event], place: int) -> str:
        if not following or event.tuplet or following[0].tuplet or event.tied or following[0].graces:
            return ""
        if (place, following[0].onset) in self.tempos or self.draw.random() < 0.3:
            return ""
        return BROKEN.get(Fraction(event.length, following[0].length), "")

    def _tuplet(self, events: Sequence[Event], bar: Bar) -> str:
        tuplet = events[0].tuplet
        assert tuplet
        size = next(place for place, event in enumerate(events) if event.last) + 1
        actual, normal = tuplet.actual, tuplet.normal
        usual = USUAL.get(actual, 3 if bar.meter.compound else 2) == normal
        if usual and size == actual:
            return self.draw.choice((f"({actual}", f"({actual}::", f"({actual}:{normal}:{size}", f"({actual}:{normal}"))
        return f"({actual}:{'' if usual else normal}:{'' if size == actual else size}"

    def _event(self, event: Event, ticks: int) -> str:
        held, self.held = self.held, event.tied
        length = self._length(ticks)
        graces = ""
        for pitch in event.graces:
            graces += self._spell(pitch, sure=True, grace=True) + self.draw.choice(("", "", "2", "/"))
        if graces:
            graces = "{" + self.draw.choice(("", "/")) + graces + "}"
        at_bar, self.after_bar = self.after_bar, False
        if not event.pitches:
            return graces + self.draw.choice("zzx") + length
        steps = [pitch.step for pitch in event.pitches]
        notes = [
            self._spell(pitch, sure=steps.count(pitch.step) > 1, carried=at_bar and pitch in held)
            for pitch in event.pitches
        ]
        if len(notes) == 1 and self.draw.random() < 0.98:
            return graces + notes[0] + length + ("-" if event.tied else "")
        outside = len(event.tied) == len(notes) and self.draw.random() < 0.6
        inside = self.draw.random() < 0.3  # the length of each note in the brackets
        notes = [
            note + (length if inside else "") + ("-" if pitch in event.tied and not outside else "")
            for note, pitch in zip(notes, event.pitches, strict=True)
        ]
        return f"{graces}[{''.join(notes)}]{'' if inside else length}" + ("-" if event.tied and outside else "")

    def _spell(self, pitch: Pitch, sure: bool = False, grace: bool = False, carried: bool = False) -> str:
        """A note name, with an accidental where the bar so far does not imply it, or to be ``sure``."""
        place = pitch.step % 7 if self.reach == "pitch" else pitch.step
        known = self.known.get(place, {self.key.alter(pitch.step)})
        implied = known == {pitch.alter} or (carried and self.draw.random() < 0.7)
        sign = ""
        if sure or not implied or self.draw.random() < 0.04:
            sign = SIGNS[pitch.alter]
            if self.reach != "not":  # whether an accidental before a grace note lasts is not defined
                self.known[place] = known | {pitch.alter} if grace else {pitch.alter}
        octave, letter = pitch.step // 7, LETTERS[pitch.step % 7]
        return sign + (letter.lower() + "'" * (octave - 5) if octave > 4 else letter + "," * (4 - octave))

    def _length(self, ticks: int) -> str:
        times = _times(ticks, self.unit)
        if times.denominator == 1:
            return "" if times == 1 else str(times)
        above = "" if times.numerator == 1 and self.draw.random() < 0.8 else str(times.numerator)
        if not above and times.denominator < 8 and self.draw.random() < 0.5:
            return "/" * (times.denominator.bit_length() - 1)
        return f"{above}/{times.denominator}"


@cache
def _times(ticks: int, unit: Fraction) -> Fraction:
    return Fraction(ticks, QUARTER) / unit


def _meter(bar: Bar, draw: random.Random) -> str:
    beats, unit = bar.meter
    if bar.meter in {Meter((4,), 4), Meter((2,), 2)} and draw.random() < 0.5:
        return "C" if unit == 4 else "C|"
    text = "+".join(map(str, beats))
    return f"({text})/{unit}" if len(beats) > 1 and draw.random() < 0.5 else f"{text}/{unit}"


def _key(key: Key, draw: random.Random) -> str:
    modes = ("m", "min", " minor", "Minor") if key.minor else ("", "", "maj", " major")
    return key.tonic + draw.choice(modes)


def _tempo(tempo: Tempo, draw: random.Random) -> str:
    unit, beats = draw.choice([(unit, beats) for unit, beats in BEATS if tempo.bpm % beats == 0])
    return draw.choice(("", "", '"Allegro" ')) + f"{unit}={tempo.bpm / beats}"


def _passes(numbers: tuple[int, ...], draw: random.Random) -> str:
    return draw.choice((",", "-")).join(map(str, numbers))  # at most two
