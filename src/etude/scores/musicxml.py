"""Reading MusicXML (``.xml``, ``.musicxml``, ``.mxl``), by the definition of W3C MusicXML 4.0."""

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element

from etude.core.errors import EtudeError
from etude.music.chords import STEPS
from etude.scores.instruments import KIT, SNARE, drum_of, program_of
from etude.scores.mxl import document
from etude.scores.reading import SHARPS
from etude.scores.signs import AT_END, Sign, place_signs
from etude.scores.symbols import chord_of
from etude.scores.written import MODE_NAMES, SIGN, Bar, Jump, Key, Mark, Meter, Note, Part, Sheet, fill, reduced

T = TypeVar("T")
DRUM_CHANNEL = 10
TIMED = ("note", "backup", "forward")
MOST_COPIED = 200_000  # notes of measures that stand for those before
MOST_TIMES = 99  # that a repeat or an ending states
FINEST = 10**12  # parts of a quarter note in which all times are whole numbers
UNITS = {"maxima": 32, "long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1}  # in quarter notes
UNITS_OF_METERS = ("1", "2", "4", "8", "16", "32", "64")
UNITS_BELOW = ("eighth", "16th", "32nd", "64th", "128th", "256th")
BACK = re.compile(  # at the end of a text, or before "al Fine", "senza repetizione"
    r"\b(?:d\.\s?c\b|dc\b|da\s*capo|(d\.\s?s\b|ds\b|d\.s\.s\b|dal\s*segno))\W*(?:\d+\w*\W*)?"
    r"(?:$|(?:al|alla|and|e|fin|ma|senza|sin|to|without)\b(?:.*?\b(fine|coda)\b)?)",
    re.IGNORECASE | re.DOTALL,
)
FINE = re.compile(r"\W*fine?\b.{0,20}", re.IGNORECASE | re.DOTALL)
TO_CODA = re.compile(r"\W*to\s+coda.{0,4}", re.IGNORECASE | re.DOTALL)
SIGNS = re.compile(r"\W*(coda|segno)\W*", re.IGNORECASE)


def read_sheet(path: Path, part: str | None) -> Sheet:
    """Read a MusicXML file.

    Notes are at sounding pitch, and keys are those that sound. Grace and cue notes do not sound.

    Raises:
        EtudeError: this is no MusicXML.
    """
    return sheet_of(document(path))


def sheet_of(root: Element) -> Sheet:
    """The score in a MusicXML document, by parts or by measures.

    Raises:
        EtudeError: it is no score, or a number in it is none.
    """
    if root.tag not in ("score-partwise", "score-timewise"):
        raise EtudeError(
            f"its root element is {root.tag}, not score-partwise or score-timewise: it is no MusicXML score"
        )
    sheet = Sheet()
    measures = _measures(root)
    listed = {entry.get("id", ""): entry for entry in root.iter("score-part")}
    readers = []
    for name in [*filter(measures.get, listed), *(name for name in measures if name not in listed)]:
        readers.append(_PartReader(sheet, listed.get(name, Element("score-part"))))
        readers[-1].read(measures[name])
    if sheet.bars and not sheet.bars[0].length:
        sheet.bars[0].length = max(reader.resting for reader in readers)
    first, second = ([bars[place] for bars in measures.values() if len(bars) > place] for place in (0, 1))
    pickup = any(bar.get("implicit") == "yes" or bar.get("number") == "0" for bar in first)
    sheet.split = not pickup and any(bar.get("implicit") == "yes" for bar in second)
    sheet.meters, sheet.tempos = _in_order(sheet.meters), _in_order(sheet.tempos)
    meters, meter = {mark.bar: mark.value for mark in sheet.meters}, Meter(4, 4)
    free = {place for reader in readers for place in reader.free_places}
    full = set[int]()  # places of bars that are as long as their meter
    for place, bar in enumerate(sheet.bars):
        meter = meters.get(place, meter)
        notes = [note for part in sheet.parts for note in part.notes.get(place, [])]
        sounding = max((note.onset + note.length for note in notes), default=Fraction(0))
        if not bar.length:  # nothing stands in it
            bar.length = meter.length
        elif place not in free and bar.length > meter.length >= sounding:
            bar.length = meter.length
            sheet.changes["long_rests"] += 1
        if bar.length == meter.length:
            full.add(place)
    if lcm(*(bar.length.denominator for bar in sheet.bars)) > FINEST:
        raise EtudeError("its divisions of the quarter note fit no grid")
    sheet.changes["filled"] += sum(fill(reader.part, reader.filled, sheet.bars) for reader in readers)
    place_signs(sheet, [sign for reader in readers for sign in reader.signs], full)
    codas = [place for place, bar in enumerate(sheet.bars) if bar.coda]
    if len(codas) > 1 and not any(bar.to_coda for bar in sheet.bars):  # two signs: from the first to the last
        sheet.bars[max(codas[0] - 1, 0)].to_coda, sheet.bars[codas[0]].coda = SIGN, ""
    sheet.changes = +sheet.changes
    return sheet


def _in_order(marks: list[Mark[T]]) -> list[Mark[T]]:
    """Marks in the order of their places, the first of several at one place: parts may each state the same."""
    places: dict[tuple[int, Fraction], Mark[T]] = {}
    for mark in marks:
        places.setdefault((mark.bar, mark.onset), mark)
    return [places[place] for place in sorted(places)]


def _measures(root: Element) -> dict[str, list[Element]]:
    """The measures of each part, by its id."""
    found: dict[str, list[Element]] = {}
    if root.tag == "score-partwise":
        for part in root.findall("part"):
            found.setdefault(part.get("id", ""), []).extend(part.findall("measure"))
        return found
    for number, measure in enumerate(root.findall("measure")):
        for part in measure.findall("part"):
            own = found.setdefault(part.get("id", ""), [])
            own += [Element("measure") for _ in range(number - len(own))]
            own.append(part)
    return found


@dataclass
class _Instrument:
    names: tuple[str, ...] = ()
    program: int | None = None
    drums: bool = False
    unpitched: int | None = None  # the MIDI pitch of its unpitched notes


@dataclass
class _PartReader:
    """Reads the measures of one part into the sheet. Positions are in quarter notes from the start of the measure."""

    sheet: Sheet
    entry: Element  # in the list of parts
    part: Part = field(init=False)
    divisions: Fraction = Fraction(1)  # of a quarter note
    shifts: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # staff -> semitones and steps; "": all
    ending: tuple[int, ...] = ()
    filled: list[Fraction] = field(default_factory=list)  # how far each measure is
    signs: list[Sign] = field(default_factory=list)  # after the starts of measures
    free: bool = False  # there is no meter now
    free_places: set[int] = field(default_factory=set)  # of such measures
    resting: Fraction = Fraction(0)  # the length of a first measure that is one rest
    repeating: int = 0  # measures that stand for those before, as the sign % does, repeat so many
    copied: int = 0  # notes of these
    ended: bool = False  # no note follows in the measure
    place: int = 0  # of the measure
    now: Fraction = Fraction(0)
    onset: Fraction = Fraction(0)  # of the note before
    percussion: dict[str, bool] = field(default_factory=dict)  # staff -> whether it has a percussion clef now

    def __post_init__(self) -> None:
        self.instruments = {name.get("id", ""): _Instrument() for name in self.entry.iter("score-instrument")}
        for sound in self.entry.iter("midi-instrument"):
            self._sound(sound)
        self.first = next(iter(self.instruments.values()), _Instrument())
        name = self.entry.findtext("part-name") or ""
        for stated in self.entry.findall("score-instrument"):
            own = self.instruments[stated.get("id", "")]
            own.names = stated.findtext("instrument-name") or "", name
            if own.program is None and not own.drums:
                family = (stated.findtext("instrument-sound") or "").replace(".", " ")
                own.program = program_of(stated.findtext("instrument-name"), name, family)
        program = self.first.program
        self.part = Part(name, program_of(name) if program is None else program, self.first.drums)
        self.sheet.parts.append(self.part)

    def _sound(self, sound: Element) -> None:
        """What ``midi-instrument`` states of an instrument."""
        own = self.instruments.setdefault(sound.get("id", ""), _Instrument())
        program, key = _whole(sound, "midi-program"), _whole(sound, "midi-unpitched")
        own.drums = _whole(sound, "midi-channel") == DRUM_CHANNEL or own.drums
        if program is not None and 1 <= program <= 128:
            own.program = program - 1
        if key is not None and 1 <= key <= 128:
            own.unpitched = key - 1

    def read(self, measures: list[Element]) -> None:
        self.sheet.bars += [Bar(Fraction(0)) for _ in range(len(measures) - len(self.sheet.bars))]
        for self.place, measure in enumerate(measures):
            bar = self.sheet.bars[self.place]
            self.now = end = Fraction(0)
            sounding = [number for number, element in enumerate(measure) if element.tag in TIMED]
            for number, element in enumerate(measure):
                self.ended = bool(sounding) and number > sounding[-1]
                reader = READERS.get(element.tag)
                if reader is not None:
                    reader(self, element, bar)
                    end = max(end, self.now)
            if self.repeating and not self.part.notes.get(self.place):
                before = self.place - self.repeating
                self.part.notes[self.place] = list(map(replace, self.part.notes.get(before, [])))
                self.copied += len(self.part.notes[self.place])
                if self.copied > MOST_COPIED:
                    raise EtudeError(f"its repeated measures have more than {MOST_COPIED} notes")
                end = max(end, self.filled[before] if before >= 0 else end)
            if not self.place and all(rest.get("measure") == "yes" for rest in map(_rest, measure.iter("note"))):
                self.resting, end = end, Fraction(0)  # in a pickup such a rest is as long as the other parts
            if end.denominator > FINEST:
                raise EtudeError(f"the divisions of the quarter note in measure {self.place + 1} fit no grid")
            bar.length = max(bar.length, end)
            self.filled.append(end)
            if self.free:
                self.free_places.add(self.place)
            if self.ending and not bar.endings:
                bar.endings = self.ending
            if bar.times > 1 or any(
                line.get("type") in ("stop", "discontinue") for line in measure.iterfind("barline/ending")
            ):
                self.ending = ()

    def note(self, note: Element, bar: Bar) -> None:
        if note.find("grace") is not None:
            self.sheet.changes["grace_notes"] += 1
            return
        length = self._quarters(note) if note.find("duration") is not None else self._typed(note)
        rest = note.find("rest")
        if note.find("chord") is None:
            self.onset = self.now
            self.now += length
        if note.find("cue") is not None:
            if rest is None:
                self.sheet.changes["cue_notes"] += 1
            return
        if rest is not None or length <= 0:
            return
        used = note.find("instrument")
        own = self.instruments.get(used.get("id", ""), self.first) if used is not None else self.first
        percussion = self.percussion.get(note.findtext("staff") or "1", False) or note.find("unpitched") is not None
        drums = own.drums or percussion
        pitch = self._pitch(note, own, drums)
        if pitch is None:
            return
        ties = {tie.get("type") for tie in [*note.findall("tie"), *note.iterfind("notations/tied")]}
        ties |= {"start", "stop"} if "continue" in ties else set()
        program = -1 if drums else own.program
        self.part.add(
            self.place,
            Note(
                onset=self.onset,
                length=length,
                pitch=pitch,
                voice=note.findtext("voice") or "",
                tied="start" in ties,
                held="stop" in ties,
                fermata=note.find("notations/fermata") is not None,
                program=program,
            ),
        )

    def _typed(self, note: Element) -> Fraction:
        """The length of a note by its type, where it states no duration."""
        name = note.findtext("type")
        if name is None:
            return Fraction(0)
        actual, normal = (_whole(note, f"time-modification/{kind}-notes") or 1 for kind in ("actual", "normal"))
        return _unit(name, len(note.findall("dot"))) * Fraction(max(normal, 1), max(actual, 1))

    def _pitch(self, note: Element, own: _Instrument, drums: bool) -> int | None:
        """The MIDI pitch; of drums the key in the General MIDI kit."""
        pitch = note.find("pitch")
        if own.unpitched is not None and (drums or pitch is None):
            return own.unpitched
        if pitch is None or (drums and not own.drums):
            names = (
                ("pitch/step", "pitch/octave")
                if pitch is not None
                else ("unpitched/display-step", "unpitched/display-octave")
            )
            place = "".join((note.findtext(name) or "").strip() for name in names)
            self.sheet.changes["guessed_drums"] += 1
            named = drum_of(*own.names, self.part.name)
            return KIT.get(place, SNARE) if named is None else named
        step, octave = (pitch.findtext("step") or "").strip().upper(), _whole(pitch, "octave")
        if step not in STEPS or octave is None:
            raise EtudeError(f"measure {self.place + 1} of part {self.part.name or '1'} has a note without a pitch")
        semitones = self.shifts.get(note.findtext("staff") or "1", self.shifts.get("", (0, 0)))[0]
        if semitones:
            self.sheet.changes["transposed"] += 1
        alter = _fraction(pitch.findtext("alter") or "0", "alter")
        return 12 * (octave + 1) + STEPS[step] + int((alter + Fraction(1, 2)) // 1) + semitones

    def attributes(self, attributes: Element, bar: Bar) -> None:
        divisions = attributes.findtext("divisions")
        if divisions is not None:
            self.divisions = _fraction(divisions, "divisions")
            if self.divisions <= 0:
                raise EtudeError(f"measure {self.place + 1} states {divisions} divisions of a quarter note")
        for transpose in attributes.findall("transpose"):
            octaves = _whole(transpose, "octave-change") or 0
            semitones = int(_fraction(transpose.findtext("chromatic") or "0", "chromatic"))
            self.shifts[transpose.get("number") or ""] = semitones + 12 * octaves, _whole(transpose, "diatonic")
        for sign in attributes.findall("measure-style/measure-repeat"):
            count = (sign.text or "").strip()
            self.repeating = int(count) if sign.get("type") == "start" and re.fullmatch("[1-9]", count) else 0
        for clef in attributes.findall("clef"):
            self.percussion[clef.get("number") or "1"] = (clef.findtext("sign") or "").strip() == "percussion"
        for key in attributes.findall("key")[:1]:
            self.part.keys.append(Mark(self.place, self.now, self._key(key)))
        for time in attributes.findall("time")[:1]:
            meter = _meter(time)
            self.free = time.find("senza-misura") is not None
            if self.free:
                self.sheet.free |= not self.sheet.meters
            elif meter is None:
                self.sheet.changes["unknown_meters"] += 1
            else:
                self.sheet.meters.append(Mark(self.place, self.now, meter))

    def _key(self, key: Element) -> Key:
        """The key that sounds. One by steps counts its sharps and flats."""
        sharps = _whole(key, "fifths")
        if sharps is None:
            alters = [_fraction(alter.text or "0", "key-alter") for alter in key.findall("key-alter")]
            sharps = int(sum(alters))
        mode = MODE_NAMES.get((key.findtext("mode") or "").strip().lower()[:3])
        shift, steps = self.shifts.get(key.get("number") or "1", self.shifts.get("", (0, 0)))
        if shift:
            octave_free = shift * 7 - 12 * steps if steps is not None else (shift * 7 + 5) % 12 - 5
            sharps += (octave_free + 6) % 12 - 6 if abs(octave_free) > 6 else octave_free
        return Key(reduced(sharps), mode)

    def direction(self, direction: Element, bar: Bar) -> None:
        now = self.now
        for offset in direction.findall("offset"):
            if offset.get("sound") == "yes":  # else it moves what is seen
                self.now = max(Fraction(0), now + _fraction(offset.text or "0", "offset") / self.divisions)
        words = ["".join(kind.itertext()) for kind in direction.iterfind("direction-type/words")]
        words += ["".join(words)] if len(words) > 1 else []
        back = next(filter(None, map(BACK.search, words)), None)
        sounds = direction.findall("sound")
        for sound in sounds:
            self.sound(sound, bar, back)
        if not any(sound.get("tempo") for sound in sounds):
            for mark in direction.iterfind("direction-type/metronome"):
                self._metronome(mark)
        leaves = any(sound.get("tocoda") for sound in sounds)
        if not leaves and any(map(TO_CODA.fullmatch, words)):
            leaves = True
            self._to_coda(bar, SIGN)
        if back and not any(sound.get("dacapo") or sound.get("dalsegno") for sound in sounds):
            self._sign(bar, "jump", Jump("segno" if back[1] else "capo", until=(back[2] or "").lower()))
        if any(map(FINE.fullmatch, words)) and not any(sound.get("fine") for sound in sounds):
            self._sign(bar, "fine", True)
        signs = {kind.tag for kind in direction.iterfind("direction-type/*")} & {"segno", "coda"}
        signs |= {found[1].lower() for found in map(SIGNS.fullmatch, words) if found}
        stated = {name for name in signs if any(sound.get(name) for sound in sounds)}
        for name in sorted(signs - stated - ({"coda"} if leaves else set())):
            self._sign(bar, name, SIGN)  # the sign of a coda also stands where it is left for
        self.now = now

    def _metronome(self, mark: Element) -> None:
        """A tempo by its unit, as ``quarter = 80``, or by that of before: ``quarter = dotted quarter``."""
        units = list[float]()
        for child in mark:
            if child.tag in ("beat-unit", "beat-unit-tied"):
                name = child.findtext("beat-unit") or child.text or ""
                unit = last = float(_unit(name, len(child.findall("beat-unit-dot"))))
                units = [*units[:-1], units[-1] + unit] if child.tag == "beat-unit-tied" and units else [*units, unit]
            elif child.tag == "beat-unit-dot" and units:
                last /= 2
                units[-1] += last
        count = _positive(mark.findtext("per-minute") or "")
        if count is not None and len(units) == 1:
            self.sheet.tempos.append(Mark(self.place, self.now, count * units[0]))
        elif len(units) == 2:
            here, earlier = (self.place, self.now), reversed(self.sheet.tempos)
            before = next((tempo.value for tempo in earlier if (tempo.bar, tempo.onset) <= here), None)
            if before is not None:
                self.sheet.tempos.append(Mark(*here, before * units[1] / units[0]))

    def sound(self, sound: Element, bar: Bar, words: re.Match[str] | None = None) -> None:
        now = self.now
        if sound.find("offset") is not None:
            self.now = max(Fraction(0), now + _fraction(sound.findtext("offset") or "0", "offset") / self.divisions)
        tempo = _positive(sound.get("tempo") or "")
        if tempo is not None:
            self.sheet.tempos.append(Mark(self.place, self.now, tempo))
        until = ((words and words[2]) or "").lower()
        if sound.get("dacapo") == "yes":
            self._sign(bar, "jump", Jump("capo", until=until))
        if sound.get("dalsegno"):
            self._sign(bar, "jump", Jump("segno", sound.get("dalsegno", SIGN), until))
        if sound.get("fine") is not None:
            self._sign(bar, "fine", True)
        if sound.get("tocoda"):
            self._to_coda(bar, sound.get("tocoda", SIGN))
        bar.repeat |= sound.get("forward-repeat") == "yes"
        for name in ("segno", "coda"):
            if sound.get(name):
                self._sign(bar, name, sound.get(name, SIGN))
        for instrument in sound.findall("midi-instrument"):
            self._sound(instrument)
        for change in sound.findall("instrument-change"):
            self.first = self.instruments.get(change.get("id", ""), self.first)
        self.now = now

    def _to_coda(self, bar: Bar, name: str) -> None:
        """Go to the coda at the end of the bar, or at the end of the one before where it stands at the start."""
        (bar if self.now or self.ended or not self.place else self.sheet.bars[self.place - 1]).to_coda = name

    def _sign(self, bar: Bar, name: str, value: bool | int | str | Jump) -> None:
        """An attribute of the bar; of one after the start of the measure, see ``etude.scores.signs``."""
        if self.ended:
            self.signs.append(Sign(self.place, AT_END, name, value))
        elif self.now:
            self.signs.append(Sign(self.place, self.now, name, value))
        else:
            setattr(bar, name, value)

    def barline(self, line: Element, bar: Bar) -> None:
        ending, repeat, side = line.find("ending"), line.find("repeat"), line.get("location")
        for name in ("segno", "coda"):
            if line.find(name) is not None or line.get(name) is not None:
                self._sign(bar, name, line.get(name) or SIGN)
        if ending is not None and ending.get("type") == "start":
            self.ending = bar.endings = _numbers(ending.get("number") or "", ending.text or "")
        if repeat is not None and repeat.get("direction") == "forward":
            if side in ("middle", "right"):
                self._sign(bar, "repeat", True)
                return
            bar.repeat = True
            if ending is None and not self.now:
                self.ending = ()
        elif repeat is not None and repeat.get("direction") == "backward":
            text = repeat.get("times") or "2"
            times = min(int(text), MOST_TIMES) if re.fullmatch(r"[0-9]{1,4}", text) else 2
            if side == "middle":
                self._sign(bar, "times", times)
                if repeat.get("after-jump") == "yes":
                    self._sign(bar, "after_jump", True)
                return
            if side == "left" and not self.now and self.place:
                bar = self.sheet.bars[self.place - 1]
            bar.times = max(bar.times, times)
            bar.after_jump |= repeat.get("after-jump") == "yes"

    def backup(self, element: Element, bar: Bar) -> None:
        self.now = max(Fraction(0), self.now - self._quarters(element))

    def forward(self, element: Element, bar: Bar) -> None:
        self.now += self._quarters(element)

    def harmony(self, harmony: Element, bar: Bar) -> None:
        kind = harmony.find("kind")
        degrees = tuple(
            (
                (degree.findtext("degree-type") or "add").strip(),
                _whole(degree, "degree-value") or 0,
                _whole(degree, "degree-alter") or 0,
            )
            for degree in harmony.findall("degree")[:8]
        )
        root, bass = _spelled(harmony.find("root"), "root"), _spelled(harmony.find("bass"), "bass")
        text = "" if kind is None else kind.get("text") or ""
        shift = self.shifts.get(harmony.findtext("staff") or "1", self.shifts.get("", (0, 0)))[0]
        figure = chord_of((kind.text or "").strip() if kind is not None else "", text, root, bass, degrees, shift)
        if figure is not None:
            offset = _fraction(harmony.findtext("offset") or "0", "offset") / self.divisions
            self.part.symbols.append(Mark(self.place, max(Fraction(0), self.now + offset), figure))

    def _quarters(self, element: Element) -> Fraction:
        return _fraction(element.findtext("duration") or "0", "duration") / self.divisions


READERS = {
    name: getattr(_PartReader, name)
    for name in ("note", "attributes", "direction", "sound", "barline", "backup", "forward", "harmony")
}


def _rest(note: Element) -> Element:
    rest = note.find("rest")
    return note if rest is None else rest


def _meter(time: Element) -> Meter | None:
    """The time signature; parts that are added, as 3+2/8 or 2/4 and 3/8, are one. ``None``: it is none."""
    total = Fraction(0)
    units = []
    for beats, unit in zip(time.findall("beats"), time.findall("beat-type"), strict=False):
        below, numbers = (unit.text or "").strip(), re.findall(r"[\d.]+", (beats.text or "")[:40])
        if below not in UNITS_OF_METERS or not numbers:
            return None
        if not all(re.fullmatch(r"\d{1,3}(\.\d{1,2})?", number) for number in numbers):
            return None
        units.append(int(below))
        total += sum((Fraction(number) for number in numbers), Fraction(0)) / units[-1]
    for finest in map(int, UNITS_OF_METERS):
        beats_of_all = total * finest
        if units and finest >= max(units) and beats_of_all.denominator == 1 and 1 <= beats_of_all <= 64:
            return Meter(int(beats_of_all), finest)
    return None


def _numbers(*texts: str) -> tuple[int, ...]:
    """The numbers of an ending: "1, 2" or "1-3"."""
    found: set[int] = set()
    for text in texts:
        for first, _, last in re.findall(r"(\d+)(\s*-\s*(\d+))?", text):
            start = min(int(first), MOST_TIMES)
            found |= {*range(start, min(int(last or first), MOST_TIMES) + 1)}
        if found:
            break
    return tuple(sorted(found)) or (1,)


def _spelled(element: Element | None, name: str) -> str:
    """A root or bass in music21's spelling: ``B-``; "" where there is none."""
    step = "" if element is None else (element.findtext(f"{name}-step") or "").strip().upper()
    if element is None or step not in SHARPS:
        return ""
    alter = int(_fraction(element.findtext(f"{name}-alter") or "0", "alter"))
    return step + ("#" * alter if alter > 0 else "-" * -alter)[:2]


def _unit(name: str, dots: int) -> Fraction:
    """The length of a beat unit, in quarter notes."""
    name = name.strip()
    below = Fraction(1, 2 ** (UNITS_BELOW.index(name) + 1)) if name in UNITS_BELOW else Fraction(1)
    return (Fraction(UNITS[name]) if name in UNITS else below) * (2 - Fraction(1, 2 ** min(dots, 3)))


def _whole(element: Element, name: str) -> int | None:
    """The whole number in a child, if there is one."""
    text = (element.findtext(name) or "").strip()
    return int(text) if re.fullmatch(r"[+-]?\d{1,6}", text) else None


def _positive(text: str) -> float | None:
    """The first number in a text, as in "ca. 80", if it is a tempo."""
    found = re.search(r"\d{1,6}([.,]\d{1,6})?", text)
    number = float(found[0].replace(",", ".")) if found else 0.0
    return number if number > 1 else None


def _fraction(text: str, name: str) -> Fraction:
    if not re.fullmatch(r"\s*[+-]?\d{1,9}(\.\d{0,9})?\s*", text):
        raise EtudeError(f"it states {' '.join(text.split())[:40]!r} as a {name}, which is no number")
    return Fraction(text.strip().removesuffix("."))
