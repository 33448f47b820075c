"""From written scores to pieces: the order of the bars, bar lines, pickups, ties; the same for all notation."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.music.chords import Symbol
from etude.music.markers import mark_fermatas
from etude.scores.form import played, repeated, unresolved
from etude.scores.parts import add_instruments, add_voices, assign
from etude.scores.reading import Facts, facts, key_name
from etude.scores.written import Mark, Meter, Note, Part, Sheet, is_minor

T = TypeVar("T")
S = TypeVar("S")
M = TypeVar("M", Mark[Any], Note)
VELOCITY = 80  # of every note where the reading states none: scores have no velocities
DRUMS = -1  # stands for a program
LONGEST = 100_000  # quarter notes; a longer score is a damaged one
MOST_NOTES = 200_000  # that are played; a score that asks for more is damaged


class Stroke(NamedTuple):
    """A note as it is played, with those that are tied to it. Times are in quarter notes from the start."""

    onset: Fraction
    end: Fraction
    pitch: int
    program: int
    voice: str


@dataclass(frozen=True)
class Span:
    """A bar as it is played, or a piece of one where the meter changes in it. Times are in quarter notes."""

    place: int  # of the bar in the sheet
    start: Fraction  # what is before it in the bar belongs to another span
    onset: Fraction  # in the piece
    length: Fraction
    meter: Meter  # in force


def piece_of(sheet: Sheet, reading: Reading) -> tuple[Score, Facts]:
    """The piece in a written score; see ``etude.scores.readers.read``.

    The piece has one track per voice or instrument. Time 0 is on a bar line (a pickup fills the end of the first bar).
    ``reading.repeats`` says whether repeats are played. Chords keep all their notes, grace notes do not sound. Markers
    hold the fermatas of the first voice that has any.

    Raises:
        EtudeError: there are no bars, or a voice is missing or occurs twice.
    """
    if not sheet.bars or not any(part.notes for part in sheet.parts):
        raise EtudeError("it has no notes")
    chords = any(part.symbols for part in sheet.parts)
    chosen, others, places = sheet.parts, list[str](), list[int | None]()
    if reading.voices is not None:
        places, others = assign([part.name for part in sheet.parts], reading, chords)
        chosen = [sheet.parts[place] for place in places if place is not None]

    written = list(range(len(sheet.bars)))
    if reading.repeats == "played":
        order = played(sheet)
        repeats = {"played_again": len(order) - len(written)}
    else:
        order, repeats = written, {"not_repeated": repeated(sheet)}
    if sum(len(part.notes.get(place, ())) for part in sheet.parts for place in order) > MOST_NOTES:
        raise EtudeError(f"it has more than {MOST_NOTES} notes with its repeats. Read it with ingest.repeats=written")
    spans = spans_of(sheet, order)
    if spans[-1].onset + spans[-1].length > LONGEST:
        raise EtudeError(f"it is damaged: it is longer than {LONGEST} quarter notes")
    ticks = reading.ticks_per_quarter
    score = Score(ticks)
    rounded = outside = merged = 0
    tracks: list[Track] = []
    strength = reading.velocity or VELOCITY
    for part in chosen:
        lines: dict[tuple[int, str], Track] = {}
        for stroke in strokes(part, spans):
            onset, end = stroke.onset * ticks, stroke.end * ticks
            rounded += onset.denominator != 1 or end.denominator != 1
            line = (stroke.program, stroke.voice) if reading.voices is None else (0, "")
            if line not in lines:
                lines[line] = Track(part.name, max(stroke.program, 0), stroke.program == DRUMS)
            if not 0 <= stroke.pitch <= 127:
                outside += 1
                continue
            length = max(1, round(end) - round(onset))
            lines[line].notes.append(NoteTick(round(onset), length, stroke.pitch, strength))
        tracks += lines.values() if reading.voices is None else [lines.get((0, ""), Track(part.name, 0, False))]

    for onset, tempo in _in_force(sheet.tempos, spans, reading.tempo) or [(Fraction(0), reading.tempo)]:
        score.tempos.append(Tempo(round(onset * ticks), tempo))
    modes = [key.value.mode for part in sheet.parts for key in part.keys]
    stated_mode = next((mode for mode in modes if mode), "major")  # not every part states it
    keys = next((part.keys for part in chosen if part.keys), [])
    names = list[str]()
    for onset, key in _in_force(keys, spans, None):
        if key is not None:
            mode = key.mode or stated_mode
            names.append(key_name(key.sharps, mode))
            score.key_signatures.append(KeySignature(round(onset * ticks), key.sharps, int(is_minor(mode))))
    meters, added, off = _time_signatures(spans)
    for onset, meter in meters:
        score.time_signatures.append(TimeSignature(round(onset * ticks), *meter))

    symbols = next(filter(None, (_symbols(part, spans, ticks) for part in sheet.parts)), [])
    if reading.voices is None:
        merged = add_instruments(score, tracks, symbols, reading.melody)
    else:
        queue = iter(tracks)
        add_voices(score, [None if place is None else next(queue) for place in places], symbols, reading)
    mark_fermatas(score, next(filter(None, (_fermatas(part, spans, ticks) for part in chosen)), []))
    changed = {
        "unresolved_jumps": unresolved(sheet),
        "rounded": rounded,
        "out_of_range": outside,
        "added_time_signatures": added,
        "bars_off": off,
        "merged": merged,
        **repeats,
        **sheet.changes,
    }
    return score, facts(score, bool(sheet.tempos), others, changed, key=names[0] if names else None)


def strokes(part: Part, spans: Sequence[Span]) -> list[Stroke]:
    """The notes of a part as they are played, in order of their onsets; tied ones are one.

    A note goes on with the one before if that is tied, ends where this starts, and has its pitch; of several that in
    its own voice. Where a repeat comes between, what a tie leads to is struck, unless it states that a tie ends there.
    """
    own = DRUMS if part.drums else part.program
    found: list[Stroke] = []
    waiting: dict[tuple[int, Fraction], dict[str, list[int]]] = {}  # pitch and end -> voice -> places of tied notes
    notes = _in_order(part.notes)
    last = (-1, Fraction(0))
    for span in spans:
        back, last = (span.place, span.start) <= last, (span.place, span.start)
        for onset, note in _within(notes, [span]):
            end = onset + note.length
            tied = {} if back and onset == span.onset and not note.held else waiting.get((note.pitch, onset), {})
            voice = note.voice if tied.get(note.voice) or not note.held else next(filter(tied.get, tied), "")
            if tied.get(voice):
                place = tied[voice].pop(0)
                found[place] = found[place]._replace(end=end)
            else:
                place = len(found)
                program = own if note.program is None else note.program
                found.append(Stroke(onset, end, note.pitch, program, note.voice))
            if note.tied:
                waiting.setdefault((note.pitch, end), {}).setdefault(note.voice, []).append(place)
    return found


def _fermatas(part: Part, spans: Iterable[Span], ticks: int) -> list[int]:
    """The onsets of the notes of a part that have a fermata; for tied notes of the one that carries it."""
    return [round(onset * ticks) for onset, note in _within(_in_order(part.notes), spans) if note.fermata]


def _symbols(part: Part, spans: Iterable[Span], ticks: int) -> list[Symbol]:
    """The chord symbols of a part, the last of two at one time."""
    found = {round(onset * ticks): mark.value for onset, mark in _within(_by_bar(part.symbols), spans)}
    return [Symbol(time, *found[time]) for time in sorted(found)]


def _by_bar(marks: Iterable[Mark[T]]) -> dict[int, list[Mark[T]]]:
    found: dict[int, list[Mark[T]]] = {}
    for mark in marks:
        found.setdefault(mark.bar, []).append(mark)
    return found


def _in_order(held: Mapping[int, Sequence[M]]) -> dict[int, list[M]]:
    return {bar: sorted(items, key=_onset) for bar, items in held.items()}


def _onset(item: Mark[Any] | Note) -> Fraction:
    return item.onset


def _within(held: Mapping[int, Sequence[M]], spans: Iterable[Span]) -> Iterator[tuple[Fraction, M]]:
    """What the bars hold, in order in each, in the order in which it is played, each with its time in the piece."""
    for span in spans:
        items = held.get(span.place, ())
        first, end = (bisect_left(items, time, key=_onset) for time in (span.start, span.start + span.length))
        for place in range(first, end):
            yield span.onset + items[place].onset - span.start, items[place]


def _in_force(marks: Sequence[Mark[T]], spans: Sequence[Span], initial: S) -> list[tuple[Fraction, T | S]]:
    """The changes of what marks state, from time 0. What holds where a repeat goes back to holds again."""
    held = _by_bar(marks)
    places = [(mark.bar, mark.onset) for mark in marks]
    found: list[tuple[Fraction, T | S]] = [(Fraction(0), initial)] if marks else []
    for number, span in enumerate(spans):
        at = bisect_right(places, (span.place, span.start))
        values: list[tuple[Fraction, T | S]] = [
            (span.onset if number else Fraction(0), marks[at - 1].value if at else initial)
        ]
        values += [(onset, mark.value) for onset, mark in _within(held, [span]) if mark.onset > span.start]
        for onset, value in values:
            if not found or found[-1][1] != value:
                found.append((onset, value))
    return [
        change for change, after in zip(found, [*found[1:], None], strict=True) if not after or after[0] > change[0]
    ]


def spans_of(sheet: Sheet, order: Sequence[int]) -> list[Span]:
    """The bars in the order in which they are played, from time 0, or from where a pickup starts in its bar.

    A bar without a meter has its own. Bars without any length are left out.
    """
    held = _by_bar(sheet.meters)
    meter, pieces = Meter(4, 4), list[list[tuple[Fraction, Fraction, Meter]]]()
    for place, bar in enumerate(sheet.bars):
        changes = {Fraction(0): meter} | {
            mark.onset: mark.value for mark in held.get(place, ()) if mark.onset < bar.length
        }
        starts = sorted(changes)
        pieces.append(
            [
                (start, stop - start, own_meter(stop - start) if sheet.free else changes[start])
                for start, stop in zip(starts, [*starts[1:], bar.length], strict=True)
                if stop > start
            ]
        )
        meter = held[place][-1].value if place in held else meter
    spans: list[Span] = []
    onset = Fraction(0)
    for place in order:
        for start, length, meter in pieces[place]:
            if not spans and _is_pickup(sheet, order):
                onset = meter.length - (sheet.upbeat or sheet.bars[place].length)  # it ends its bar
            spans.append(Span(place, start, onset, length, meter))
            onset += length
    return spans


def _is_pickup(sheet: Sheet, order: Sequence[int]) -> bool:
    """Whether the first of several bars is shorter than its meter."""
    meter = next((mark.value for mark in sheet.meters if not mark.bar and not mark.onset), Meter(4, 4))
    short = (sheet.upbeat or sheet.bars[order[0]].length) < meter.length
    return short and len(sheet.bars) > 1 and not sheet.free and not sheet.split


def own_meter(length: Fraction) -> Meter:
    """The meter of a bar of ``length`` quarter notes: 5/4, 7/8; 4/4 where none fits."""
    for unit in (4, 8, 16, 32):
        beats = length * unit / 4
        if beats.denominator == 1 and 1 <= beats <= 64:
            return Meter(int(beats), unit)
    return Meter(4, 4)


def _time_signatures(spans: Sequence[Span]) -> tuple[list[tuple[Fraction, Meter]], int, int]:
    """The time signatures that put bar lines where the score has them.

    Short bars that add up (a repeat splits them) are one bar. Any other short bar, and the excess of an overlong one,
    gets its own time signature, if there is one and it is not the end. Also returned: how many were added,
    and how many bar lines of the score the piece still lacks.
    """
    signs: list[tuple[Fraction, Meter]] = []
    lines: list[Fraction] = []
    added = 0
    place = 0
    bars = [replace(spans[0], onset=Fraction(0), length=spans[0].onset + spans[0].length), *spans[1:]]
    while place < len(bars):
        bar = bars[place]
        lines.append(bar.onset)
        nominal = bar.meter.length
        length, count = bar.length, 1
        while length < nominal and place + count < len(bars):
            after = bars[place + count]
            if length + after.length > nominal or after.length >= after.meter.length:
                break
            length += after.length
            count += 1
        if length < nominal and place + count < len(bars):
            length, count = bar.length, 1  # the bars do not add up: this one is irregular
        place += count
        full, rest = divmod(length, nominal)
        beats = rest * bar.meter.unit / 4
        own = Meter(int(beats), bar.meter.unit) if beats.denominator == 1 else own_meter(rest)
        bits = [(bar.onset, bar.meter)] if full else []
        if rest and place < len(bars) and own.length == rest:
            bits.append((bar.onset + full * nominal, own))
            added += 1
        for onset, meter in bits or [(bar.onset, bar.meter)]:
            if not signs or signs[-1][1] != meter:
                signs.append((onset, meter))
    starts = [onset for onset, _ in signs]
    off = 0
    for line in lines:
        onset, meter = signs[bisect_right(starts, line) - 1]
        off += (line - onset) % meter.length != 0
    return signs, added, off
