"""Reading Humdrum ``**kern`` (``.krn``), by the Humdrum Reference Manual and User Guide (humdrum.org)."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

from etude.core.errors import EtudeError
from etude.music.chords import STEPS
from etude.scores.instruments import INSTRUMENTS, KIT, PERCUSSION, SNARE
from etude.scores.notation import DRUMS
from etude.scores.reading import SHARPS
from etude.scores.written import MODE_NAMES, MODES, Bar, Key, Mark, Meter, Note, Part, Sheet, reduced

T = TypeVar("T")
LONGEST_NOTE, LONGEST = 1000, 1_000_000  # quarter notes; what is longer is damaged
FINEST = 10**12  # parts of a quarter note: 64ths, and 3, 5, 7, 9, 11 and 13 of them in one beat, take less than 10**7
MOST_COLUMNS, MOST_LETTERS = 1000, 100  # of a line, of a note
UNITS = (1, 2, 4, 8, 16, 32, 64)  # of a meter
GRACE = re.compile("[qQ]")
PITCH = re.compile(r"([A-Ga-g])\1*")
LENGTH = re.compile(r"(\d+)(?:%(\d+))?")
TREMOLO = re.compile(r"@+\d+@+")  # how a note that is written once is divided
SIGNATURE = re.compile(r"\*k\[([^\]]*)\]")
KEY = re.compile(r"\*([A-Ga-g])([#-]{0,2}):(\w*)")
METER = re.compile(r"((?:\d{1,3}\+)*\d{1,3})[/\\](\d{1,3})(?:%(\d{1,3}))?")
SIGN = re.compile(r"\*met\([cC](\|?)\)")
TEMPO = re.compile(r"\*MM[~=]?(\d{1,4}(?:\.\d{0,6})?)(?:-(\d{1,4}(?:\.\d{0,6})?))?")
ORDER = re.compile(r"\*>\[(.*)\]")  # the list of sections that counts; others have a name before the bracket
INSTRUMENT = re.compile(r"\*I([a-z][A-Za-z_]*)")  # the names of classes start with a capital
TITLE = re.compile(r"^!!!OTL[^:\n]*:[ \t]*(\S.*)$", re.MULTILINE)


class Event(NamedTuple):
    """A note, a rest or a space, as a **kern token states it."""

    length: Fraction  # in quarter notes; 0: not stated
    pitch: int | None  # MIDI pitch; None: it does not sound
    place: str  # of a note on the staff, as "C4"
    tied: bool
    held: bool
    fermata: bool


@dataclass(slots=True, eq=False)
class Spine:
    """A spine of **kern, with those into which it splits. A step counts the lines before that have notes or rests."""

    number: int
    part: str = ""
    staff: str = ""
    name: str = ""
    short_name: str = ""
    instrument: str = ""  # a code
    unpitched: bool = False  # its clef is X
    notes: list[tuple[int, Note]] = field(default_factory=list)  # (step, a note without its onset)
    lines: dict[int, str] = field(default_factory=dict)  # step -> bar lines
    stated: list[tuple[int, str]] = field(default_factory=list)  # (step, an interpretation such as *M3/4)


@dataclass(slots=True, eq=False)
class Column:
    """A column of the file, up to where its spine splits, joins or ends."""

    spine: Spine | None  # None: it holds no **kern
    end: Fraction | None = None  # of what it holds; None: it is new


@dataclass(frozen=True)
class Frame:
    """The times of the steps, then the end, and the steps at which bars start."""

    times: Sequence[Fraction]
    starts: Sequence[int]

    def lengths(self) -> list[Fraction]:
        """The lengths of the bars."""
        stops = [*self.starts[1:], len(self.times) - 1]
        return [self.times[stop] - self.times[start] for start, stop in zip(self.starts, stops, strict=False)]

    def place(self, step: int) -> tuple[int, Fraction]:
        """The bar of a step, and its time from the start of the bar."""
        bar = bisect_right(self.starts, step) - 1
        return bar, self.times[step] - self.times[self.starts[bar]]

    def marks(self, values: Mapping[int, T]) -> list[Mark[T]]:
        """What is stated at steps, but for the end, where nothing follows."""
        return [Mark(*self.place(step), values[step]) for step in sorted(values) if step < len(self.times) - 1]


def read_sheet(path: Path, part: str | None) -> Sheet:
    """Read one piece of a Humdrum file.

    Args:
        path: the file, in UTF-8 or Latin-1.
        part: "1" for the first piece of a file that joins many, and so on; ``None`` for the only one.

    Raises:
        EtudeError: there is no such piece, it has no **kern, or its lines do not fit.
    """
    texts = split_pieces(_text(path))
    number = 1 if part is None and len(texts) == 1 else int(part or 0)
    if not 1 <= number <= len(texts):
        wrong = "of which one must be named" if part is None else f"none with number {part}"
        raise EtudeError(f"it holds {len(texts)} pieces, {wrong}")
    line, text = texts[number - 1]
    return sheet_of(text, line)


def pieces(path: Path) -> list[tuple[str | None, str | None]]:
    """The pieces of a file in order: ("1", the title), ("2", ...); [(None, None)] for a file that is one piece."""
    texts = split_pieces(_text(path))
    if len(texts) == 1:
        return [(None, None)]
    titles = [TITLE.search(text) for _, text in texts]
    return [(str(place + 1), title[1].strip() if title else None) for place, title in enumerate(titles)]


def split_pieces(text: str) -> list[tuple[int, str]]:
    """The pieces that a file joins, each with the number of its first line: all spines end and new ones start."""
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    starts, ended = [0], 0
    for place, line in enumerate(lines):
        if line.startswith("**") and ended:
            starts.append(ended)
            ended = 0
        elif line.startswith("*-") and set(line.split()) == {"*-"}:
            ended = place + 1
    stops = [*starts[1:], len(lines)]
    return [(start + 1, "\n".join(lines[start:stop])) for start, stop in zip(starts, stops, strict=True)]


def sheet_of(text: str, first_line: int = 1) -> Sheet:
    """The score in the text of one piece.

    Pitches are those that sound, as **kern has them: *ITr states how a part is written, not how it sounds. Grace notes
    and groupettos take no time and do not sound. Cue-size notes sound, since they have their own time.

    Args:
        text: the lines, with any line ends.
        first_line: its number in the file, for messages.

    Raises:
        EtudeError: there is no **kern, or a line does not fit.
    """
    reader = Reader()
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")), first_line):
        try:
            reader.read(line)
        except EtudeError as error:
            raise EtudeError(f"line {number}: {error}") from None
    return reader.sheet()


@dataclass(eq=False)
class Reader:
    """Reads the lines of a piece in order.

    A line starts when what its columns hold ends. What stands between two lines with notes (a bar line, a tempo) has
    the time of the second one.
    """

    spines: list[Spine] = field(default_factory=list)  # in the order of the file: the lowest part first
    columns: list[Column] = field(default_factory=list)
    apart: list[Column] = field(default_factory=list)  # the same, if *v *v *v *v joined within each spine alone
    kinds: set[str] = field(default_factory=set)  # of the spines, as **kern
    times: list[Fraction] = field(default_factory=list)  # of the lines with notes or rests, in quarter notes
    end: Fraction = Fraction(0)  # of all that was read
    labels: list[tuple[int, str]] = field(default_factory=list)  # (step, the section that starts)
    order: list[str] | None = None  # of the sections
    expanded: bool = False  # the file is written as it is played
    changes: Counter[str] = field(default_factory=Counter)

    def read(self, line: str) -> None:
        """Read a line without its end."""
        fields = [text for text in line.split("\t") if text]  # some files align columns with several tabs
        if not line.strip(" \t\x1a") or line.startswith("!"):  # 1A ends a text in DOS
            return
        if not self.columns:
            if not all(text.startswith("**") for text in fields):
                raise EtudeError("it stands before or after the spines, which start with a line like **kern")
            self.columns = [Column(None) for _ in fields]
        if len(fields) == len(self.apart):
            self.columns = self.apart
        self.apart = []
        if len(fields) > MOST_COLUMNS:
            raise EtudeError(f"it has {len(fields)} columns; more than {MOST_COLUMNS} are not read")
        if len(fields) != len(self.columns):
            raise EtudeError(f"it has {len(fields)} columns, the lines above lead to {len(self.columns)}")
        if fields[0].startswith("*"):
            self._interpret(fields)
        else:
            self._sound(fields)

    def _interpret(self, fields: Sequence[str]) -> None:
        left: Spine | None = None
        for column, text in zip(self.columns, fields, strict=True):
            if not text.startswith("*"):
                raise EtudeError(f"{_quote(text)} stands among interpretations, which start with *")
            if text.startswith("**"):
                self._start(column, text, left)
            elif column.spine is not None:
                self._state(column.spine, text)
            left = column.spine or left
        self.expanded |= "*thru" in fields
        label = next((text for text in fields if text.startswith("*>")), "")
        if order := ORDER.fullmatch(label):
            self.order = [name for name in order[1].split(",") if name]
        elif label and "[" not in label:
            self.labels.append((len(self.times), label[2:]))
        if any(text in ("*^", "*v", "*x", "*+", "*-") for text in fields):
            self._turn(fields)

    def _start(self, column: Column, kind: str, left: Spine | None) -> None:
        """Start a spine, which comes in order after the one to its left."""
        self.kinds.add(kind)
        if kind != "**kern":
            column.spine = None
        elif column.spine is None:
            if len(self.spines) == MOST_COLUMNS:
                raise EtudeError(f"more than {MOST_COLUMNS} spines are not read")
            column.spine = Spine(len(self.spines) + 1)
            self.spines.insert(self.spines.index(left) + 1 if left else 0, column.spine)

    def _state(self, spine: Spine, text: str) -> None:
        instrument = INSTRUMENT.match(text)
        if instrument:
            code = instrument[1] if instrument[1] in INSTRUMENTS or instrument[1] in PERCUSSION else ""
            spine.instrument = code or spine.instrument
        elif text.startswith('*I"'):
            spine.name = spine.name or text[3:].strip()
        elif text.startswith("*I'"):
            spine.short_name = spine.short_name or text[3:].strip()
        elif text.startswith("*part"):
            spine.part = spine.part or text
        elif text.startswith("*staff"):
            spine.staff = spine.staff or text
        elif text.startswith("*clef"):
            spine.unpitched = text.startswith("*clefX")
        elif text.startswith(("*M", "*k[", "*met(")) or KEY.match(text):
            spine.stated.append((len(self.times), text))

    def _turn(self, fields: Sequence[str]) -> None:
        """Split, join, exchange, add and end columns."""
        crossing = [place for place, text in enumerate(fields) if text == "*x"]
        if len(crossing) % 2:
            raise EtudeError("an exchange of columns needs two *x")
        columns = list(self.columns)
        for left, right in zip(crossing[::2], crossing[1::2], strict=True):
            columns[left], columns[right] = columns[right], columns[left]
        self.columns, self.apart = [], []
        for text, run in groupby(zip(fields, columns, strict=True), key=lambda pair: pair[0]):
            group = [column for _, column in run]
            if text == "*v":
                if len(group) == 1:
                    raise EtudeError("a *v joins nothing: two columns that stand side by side need it")
                self.columns.append(_joined(group))
                self.apart += [_joined(list(own)) for _, own in groupby(group, key=lambda column: column.spine)]
                continue
            found = [new for column in group for new in _below(text, column)]
            self.columns += found
            self.apart += found

    def _sound(self, fields: Sequence[str]) -> None:
        """Read a line of notes, rests and bar lines."""
        started: list[tuple[Column, str, list[Event]]] = []
        voices = Counter[int]()  # columns of a spine so far
        for column, text in zip(self.columns, fields, strict=True):
            if column.spine is None:
                continue
            voices[column.spine.number] += 1
            if text.startswith("="):
                column.spine.lines[len(self.times)] = column.spine.lines.get(len(self.times), "") + text
            elif GRACE.search(text):
                self.changes["grace_notes"] += sum(event_of(member).pitch is not None for member in text.split())
            elif text != ".":
                started.append((column, f"{column.spine.number}.{voices[column.spine.number]}", _events(text)))
        if not started:
            return
        time = self._time([column for column, _, _ in started])
        if time > LONGEST or time.denominator > FINEST:
            raise EtudeError(f"it comes after more than {LONGEST} quarter notes, or its tuplets fit no grid")
        for column, voice, events in started:
            column.end = time + events[0].length
            self.end = max(self.end, time + max(event.length for event in events))
            if column.spine is not None:
                notes = [self._note(column.spine, event, voice) for event in events if event.pitch is not None]
                column.spine.notes += [(len(self.times), note) for note in notes]
        self.times.append(time)

    def _time(self, started: Sequence[Column]) -> Fraction:
        """The time of a line on which these columns start something: when they end what they held.

        Where they do not end together, the file is wrong, and the line waits for the last of them.
        """
        now = self.times[-1] if self.times else Fraction(-1)
        ends = {column.end for column in started if column.end is not None and column.end > now}
        self.changes["uneven_lines"] += len(ends) > 1
        if ends:
            return max(ends)
        return min(
            (column.end for column in self.columns if column.end is not None and column.end > now), default=self.end
        )

    def _note(self, spine: Spine, event: Event, voice: str) -> Note:
        """The note of an event. The key of a drum follows from its code, else from its place on the staff."""
        pitch, program = event.pitch or 0, INSTRUMENTS.get(spine.instrument, ("", 0))[1]
        if spine.unpitched or spine.instrument in PERCUSSION:
            key = PERCUSSION.get(spine.instrument, ("", None))[1]
            self.changes["guessed_drums"] += key is None
            pitch, program = KIT.get(event.place, SNARE) if key is None else key, DRUMS
        return Note(Fraction(0), event.length, pitch, voice, event.tied, event.held, event.fermata, program)

    def sheet(self) -> Sheet:
        """The score that was read."""
        if not self.spines:
            raise EtudeError(f"it has no **kern, only {', '.join(sorted(self.kinds)[:8])[:80] or 'comments'}")
        down = self.spines[::-1]  # the order of a score
        barred = max(down, key=lambda spine: len(spine.lines))  # of several the first part
        steps = sorted({0} | barred.lines.keys() | {step for step, _ in self.labels})
        frame = Frame([*self.times, self.end], steps[: bisect_left(steps, len(self.times))])
        sheet = Sheet([Bar(length) for length in frame.lengths()], changes=self.changes)
        self._order(sheet, barred, frame)
        sheet.parts = [_part(group, frame) for group in _parts(down)]
        meters = next(filter(None, (_meters(spine.stated) for spine in down)), {})
        self.changes["unknown_meters"] += list(meters.values()).count(None)
        known = {step: meter for step, meter in meters.items() if meter is not None}
        sheet.meters = frame.marks(known or next(filter(None, (_signs(spine.stated) for spine in down)), {}))
        sheet.free = not sheet.meters
        sheet.tempos = frame.marks(
            {step: tempo for spine in self.spines for step, tempo in _tempos(spine.stated).items()}
        )
        return sheet

    def _order(self, sheet: Sheet, barred: Spine, frame: Frame) -> None:
        """State in which order the bars are played: by the list of sections, else by repeat signs."""
        if self.expanded:
            return
        places = [bisect_left(frame.starts, step) for step, _ in self.labels]
        spans = [range(start, stop) for start, stop in zip(places, [*places[1:], len(sheet.bars)], strict=False)]
        sections = [(name, span) for (_, name), span in zip(self.labels, spans, strict=True)]
        if self.order is not None:
            known = Counter(name for name, _ in sections)
            if all(known[name] == 1 for name in self.order):
                named = dict(sections)
                head = range(places[0] if places else len(sheet.bars))
                sheet.sections = [span for span in (head, *(named[name] for name in self.order)) if span]
                return  # the repeat signs show the same
            self.changes["ignored_sections"] += 1
        for step, line in barred.lines.items():
            signs = re.sub(r"[^:|!]", "", line)
            place = bisect_left(frame.starts, step)
            if signs[:1] == ":" and place:
                sheet.bars[place - 1].times = 2
            if signs[1:] and signs[-1] == ":" and place < len(sheet.bars):
                sheet.bars[place].repeat = True
        for (name, _), (first, one), (second, two) in zip(sections, sections[1:], sections[2:], strict=False):
            if (first, second) == (f"{name}1", f"{name}2") and one and sheet.bars[one[-1]].times > 1:
                for place in (*one, *two):
                    sheet.bars[place].endings = (1,) if place in one else (2,)


def _below(text: str, column: Column) -> list[Column]:
    """What follows below a column."""
    if text == "*-":
        return []
    if text == "*^":
        return [column, Column(column.spine)]
    return [column, Column(None)] if text == "*+" else [column]


def _joined(columns: Sequence[Column]) -> Column:
    return Column(columns[0].spine, max((column.end for column in columns if column.end is not None), default=None))


def _events(text: str) -> list[Event]:
    """The members of a chord, or one note or rest. A member that states no length has that of the one before."""
    events: list[Event] = []
    for member in text.split():
        event = event_of(member)
        if not event.length:
            if not events:
                raise EtudeError(f"{_quote(member)} states no length, such as 4 for a quarter note")
            event = event._replace(length=events[-1].length)
        events.append(event)
    return events


@lru_cache(maxsize=4096)
def event_of(text: str) -> Event:
    """The note, rest or space of a token without blanks. A length alone is a space."""
    text = TREMOLO.sub("", text)
    lengths, names = LENGTH.findall(text), [found[0] for found in PITCH.finditer(text)]
    grace, rest = GRACE.search(text), "r" in text
    if (
        len(text) > MOST_LETTERS
        or not (lengths or names or rest)
        or (len(set(names)) > 1 and not rest)
        or (len(set(lengths)) > 1 and not grace)
    ):
        raise EtudeError(f"{_quote(text)} is no note or rest of **kern")
    length = Fraction(0)
    if lengths:
        (number, divisor), dots = lengths[0], text.count(".")
        if len(number + divisor) > 8 or dots > 8:
            raise EtudeError(f"{_quote(text)} has no possible length")
        whole = Fraction(1, int(number)) if int(number) else Fraction(2 ** len(number))  # a breve, a long
        length = 4 * whole * int(divisor or 1) * (2 - Fraction(1, 2**dots))
    if length > LONGEST_NOTE:
        raise EtudeError(f"{_quote(text)} lasts more than {LONGEST_NOTE} quarter notes")
    if rest or not names:
        return Event(length, None, "", False, False, False)
    name, step = names[0], names[0][0].upper()
    octave = 3 + len(name) if name.islower() else 4 - len(name)
    pitch = 12 * (octave + 1) + STEPS[step] + text.count("#") - text.count("-")
    if not 0 <= pitch <= 127:
        raise EtudeError(f"{_quote(text)} is beyond the pitches of MIDI")
    middle = "_" in text
    return Event(length, pitch, f"{step}{octave}", "[" in text or middle, "]" in text or middle, ";" in text)


def _quote(text: str) -> str:
    return f'"{text[:20]}"'


def _parts(spines: Iterable[Spine]) -> list[list[Spine]]:
    """The spines of each part: those that state one *part, or else one *staff, unless their names differ."""
    parts: list[list[Spine]] = []
    known: dict[str, list[list[Spine]]] = {}
    for spine in spines:
        groups = known.setdefault(spine.part or spine.staff or str(spine.number), [])
        for group in groups:
            if len({other.name for other in (*group, spine) if other.name}) < 2:
                group.append(spine)
                break
        else:
            groups.append([spine])
            parts.append(groups[-1])
    return parts


def _part(spines: Sequence[Spine], frame: Frame) -> Part:
    """The part of some spines, with the instrument of its first note."""
    code = next((spine.instrument for spine in spines if spine.instrument), "")
    names = [*(spine.name for spine in spines), *(spine.short_name for spine in spines)]
    names.append((INSTRUMENTS | PERCUSSION).get(code, ("",))[0])
    own = next((note.program or 0 for spine in spines for _, note in spine.notes), 0)
    part = Part(next(filter(None, names), ""), max(own, 0), own == DRUMS)
    for spine in spines:
        places = {step: frame.place(step) for step in {step for step, _ in spine.notes}}
        for step, note in spine.notes:
            bar, note.onset = places[step]
            note.program = None if note.program == own else note.program
            part.add(bar, note)
    part.keys = frame.marks(next(filter(None, (_keys(spine.stated) for spine in spines)), {}))
    return part


def _keys(stated: Iterable[tuple[int, str]]) -> dict[int, Key]:
    """The keys by step: of *G: the key itself, of *k[f#] where nothing more is stated its sharps."""
    found: dict[int, Key] = {}
    signature: int | None = None
    for step, text in stated:
        if signs := SIGNATURE.match(text):
            sharps = reduced(signs[1].count("#") - signs[1].count("-"))
            if sharps != signature and step not in found:
                found[step] = Key(sharps, None)
            signature = sharps
        elif key := KEY.match(text):
            mode = key[3][:3] if key[3][:3] in MODES else "maj" if key[1].isupper() else "min"
            sharps = SHARPS.index(key[1].upper()) - 1 + 7 * (key[2].count("#") - key[2].count("-")) + MODES[mode]
            if key[3][:3] in MODES and signature is not None:
                sharps = signature  # old music has its own
            found[step] = Key(reduced(sharps), MODE_NAMES[mode])
    return found


def _meters(stated: Iterable[tuple[int, str]]) -> dict[int, Meter | None]:
    """The meters by step; ``None``: it is no time signature. *MX, for no meter, is not among them."""
    return {
        step: _meter(METER.findall(text[:MOST_LETTERS]))
        for step, text in stated
        if text.startswith("*M") and not text.startswith("*MM") and METER.search(text[:MOST_LETTERS])
    }


def _meter(terms: Sequence[tuple[str, str, str]]) -> Meter | None:
    """The meter of added terms, each its beats, its unit (0 is a breve) and how many units a beat has."""
    units = [int(unit) for _, unit, _ in terms]
    whole = Fraction(0)  # notes
    for (beats, _, divisor), unit in zip(terms, units, strict=True):
        whole += sum(map(int, beats.split("+"))) * int(divisor or 1) * (Fraction(1, unit) if unit else 2)
    unit = max([whole.denominator, *(unit for unit in units if unit in UNITS)])
    beats_of_all = whole * unit
    return Meter(int(beats_of_all), unit) if unit in UNITS and 1 <= beats_of_all <= 255 else None


def _signs(stated: Iterable[tuple[int, str]]) -> dict[int, Meter]:
    """The meters by step that are stated as a sign alone: common and cut time."""
    found = {step: SIGN.match(text) for step, text in stated}
    return {step: Meter(2, 2) if sign[1] else Meter(4, 4) for step, sign in found.items() if sign}


def _tempos(stated: Iterable[tuple[int, str]]) -> dict[int, float]:
    """The tempos by step, in quarter notes a minute; of a range the middle."""
    found: dict[int, float] = {}
    for step, text in stated:
        if bounds := TEMPO.fullmatch(text):
            tempo = (float(bounds[1]) + float(bounds[2] or bounds[1])) / 2
            if tempo > 1:
                found[step] = tempo
    return found


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
