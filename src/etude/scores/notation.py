"""From music21's scores to pieces: bar lines, pickups, ties, chord symbols; for all formats that music21 reads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.music.chords import Symbol, voicing
from etude.music.markers import mark_fermatas
from etude.scores.parts import add_instruments, add_voices, assign
from etude.scores.reading import Facts, facts

VELOCITY = 80  # of every note where the reading states none: scores have no velocities
DRUMS = 9  # the channel of the drums, from 0


def piece_of(source: Any, reading: Reading) -> tuple[Score, Facts]:
    """The piece in a music21 ``Score`` or ``Part``; see ``etude.scores.readers.read``.

    The piece has one track per voice or instrument. Time 0 is on a bar line (a pickup fills the end of the first bar).
    Repeats are not expanded, chords keep all their notes, grace notes are dropped, and the first tempo mark counts.
    Markers hold the fermatas of the first voice that has any.

    Raises:
        EtudeError: a voice is missing or occurs twice, or a part has no bars though others have.
    """
    from music21 import harmony  # a second; etude.scores.readers.prepare does it once for many processes

    parts = list(source.parts) if hasattr(source, "parts") and source.parts else [source]
    chosen: list[Any] = parts
    others: list[str] = []
    places: list[int | None] = []
    chords = source.recurse().getElementsByClass(harmony.Harmony).first() is not None
    if reading.voices is not None:
        places, others = assign([part.partName or "" for part in parts], reading, chords)
        chosen = [parts[place] for place in places if place is not None]
    measures = [list(part.getElementsByClass("Measure")) for part in chosen]
    if any(measures) and not all(measures):
        raise EtudeError("a voice has no bars")
    bars, shift = _bars(measures) if all(measures) else ([], Fraction(0))

    ticks = reading.ticks_per_quarter
    score = Score(ticks)
    grace_notes = rounded = 0
    tracks = []
    for part in chosen:
        instrument, drums = _instrument(part)
        track = Track(part.partName or "", instrument, drums)
        for element in part.stripTies().flatten().notes:
            if isinstance(element, harmony.Harmony):
                continue
            if element.duration.isGrace:
                grace_notes += 1
                continue
            onset = (Fraction(element.offset) + shift) * ticks
            end = onset + Fraction(element.duration.quarterLength) * ticks
            rounded += onset.denominator != 1 or end.denominator != 1
            for pitch in _pitches(element):
                track.notes.append(Note(round(onset), round(end) - round(onset), pitch, reading.velocity or VELOCITY))
        tracks.append(track)

    marks = [mark.getQuarterBPM() for mark in source.recurse().getElementsByClass("MetronomeMark")]
    stated = bool(marks) and marks[0] is not None and math.isfinite(marks[0]) and marks[0] > 1
    score.tempos.append(Tempo(0, float(marks[0]) if stated else reading.tempo))
    modes = [getattr(key, "mode", None) for key in source.recurse().getElementsByClass("KeySignature")]
    stated_mode = next((mode for mode in modes if mode), "major")  # not every part states it
    for key in chosen[0].flatten().getElementsByClass("KeySignature"):
        mode = getattr(key, "mode", None) or stated_mode
        at = round((Fraction(key.offset) + (shift if key.offset else 0)) * ticks)
        score.key_signatures.append(KeySignature(at, key.sharps, int(mode == "minor")))
    if bars:
        signs, added, off = _time_signatures(bars)
    else:
        stated_signs = chosen[0].flatten().getElementsByClass("TimeSignature")
        signs, added, off = [(Fraction(0), stated_signs[0].ratioString if stated_signs else "4/4")], 0, 0
    for onset, sign in signs:
        numerator, _, denominator = sign.partition("/")
        score.time_signatures.append(TimeSignature(round(onset * ticks), int(numerator), int(denominator)))

    symbols = _symbols(parts, shift, ticks) if chords else []
    if reading.voices is None:
        add_instruments(score, tracks, symbols)
    else:
        queue = iter(tracks)
        add_voices(score, [None if place is None else next(queue) for place in places], symbols, reading)
    mark_fermatas(score, next(filter(None, (_fermatas(part, shift, ticks) for part in chosen)), []))
    return score, facts(
        score, stated, others, grace_notes=grace_notes, rounded=rounded, added_time_signatures=added, bars_off=off
    )


def _instrument(part: Any) -> tuple[int, bool]:
    """The program of the part's first instrument, and whether it is drums. A part that names none gives 0."""
    instrument = part.getInstrument(returnDefault=False)
    drums = part.recurse().getElementsByClass("PercussionClef").first() is not None
    if drums or getattr(instrument, "midiChannel", None) == DRUMS:
        return 0, True
    return min(127, max(0, getattr(instrument, "midiProgram", None) or 0)), False


def _pitches(element: Any) -> list[int]:
    """The MIDI pitches of a note, a chord, or a percussion note that has a staff position instead of a pitch."""
    if element.pitches:
        return [pitch.midi for pitch in element.pitches]
    pitches = []
    for note in getattr(element, "notes", [element]):
        struck = getattr(note, "storedInstrument", None)
        mapped = getattr(struck, "percMapPitch", None)
        pitches.append(note.displayPitch().midi if mapped is None else mapped)
    return pitches


def _fermatas(part: Any, shift: Fraction, ticks: int) -> list[int]:
    """The onsets of the notes of a part that have a fermata; for tied notes of the one that carries it."""
    return [
        round((Fraction(note.offset) + shift) * ticks)
        for note in part.flatten().notes
        if any("Fermata" in mark.classes for mark in note.expressions)
    ]


def _symbols(parts: Sequence[Any], shift: Fraction, ticks: int) -> list[Symbol]:
    """The chord symbols of the first part that has any. A symbol without notes in music21 is no chord."""
    from music21 import harmony

    for part in parts:
        found: dict[int, Symbol] = {}
        for element in part.flatten().getElementsByClass(harmony.Harmony):
            time = round((Fraction(element.offset) + shift) * ticks)
            pitches: tuple[int, ...] = ()
            if element.pitches:
                classes = [pitch.pitchClass for pitch in element.pitches]
                pitches = voicing(element.root().pitchClass, classes, element.bass().pitchClass)
            text = "N" if isinstance(element, harmony.NoChord) else str(element.figure).replace("-", "b")
            found[time] = Symbol(time, text, pitches)  # the last of two at one time
        if found:
            return [found[time] for time in sorted(found)]
    return []


@dataclass(frozen=True)
class Bar:
    """A bar of the score: onset and length in quarter notes, and the time signature in force."""

    onset: Fraction
    length: Fraction
    sign: str

    @property
    def nominal(self) -> Fraction:
        """The length that the time signature states, in quarter notes."""
        numerator, _, denominator = self.sign.partition("/")
        return Fraction(int(numerator) * 4, int(denominator))


def _bars(measures: list[list[Any]]) -> tuple[list[Bar], Fraction]:
    """The bars of the first part, from time 0, and the shift of the music that makes a pickup end its bar.

    Where no time signature is stated, each bar has its own.
    """
    starts = [Fraction(measure.offset) for measure in measures[0]]
    end = max(Fraction(part[-1].offset) + Fraction(part[-1].highestTime) for part in measures if part)
    free = not any(measure.timeSignature for part in measures for measure in part)
    sign = "4/4"
    bars = []
    for measure, start, stop in zip(measures[0], starts, [*starts[1:], end], strict=True):
        if measure.timeSignature is not None:
            sign = measure.timeSignature.ratioString
        bars.append(Bar(start, stop - start, _own_sign(stop - start) if free else sign))
    first = bars[0]
    shift = max(Fraction(0), first.nominal - first.length)
    if len(bars) == 1 or free:
        shift = Fraction(0)  # a short piece, not a pickup
    bars = [Bar(Fraction(0), first.length + shift, first.sign)] + [
        Bar(bar.onset + shift, bar.length, bar.sign) for bar in bars[1:]
    ]
    return [bar for bar in bars if bar.length] if free else bars, shift


def _own_sign(length: Fraction) -> str:
    """The time signature of a bar of ``length`` quarter notes: ``"5/4"``, ``"7/8"``; 4/4 where none fits."""
    for denominator in (4, 8, 16, 32):
        beats = length * denominator / 4
        if beats.denominator == 1 and 1 <= beats <= 64:
            return f"{beats}/{denominator}"
    return "4/4"


def _time_signatures(bars: list[Bar]) -> tuple[list[tuple[Fraction, str]], int, int]:
    """The time signatures that put bar lines where the score has them: (onset in quarter notes, ``"3/4"``).

    Short bars that add up (a repeat splits them) are one bar. Any other short bar, and the excess of an overlong one,
    gets its own time signature, if it is a whole number of beats and not the end. Also returned: how many were added,
    and how many bar lines of the score the piece still lacks.
    """
    signs: list[tuple[Fraction, str]] = []
    lines: set[Fraction] = set()
    added = 0
    place = 0
    while place < len(bars):
        bar = bars[place]
        lines.add(bar.onset)
        length, count = bar.length, 1
        while length < bar.nominal and place + count < len(bars):
            after = bars[place + count]
            if length + after.length > bar.nominal or after.length >= after.nominal:
                break
            length += after.length
            count += 1
        if length < bar.nominal and place + count < len(bars):
            length, count = bar.length, 1  # the bars do not add up: this one is irregular
        place += count
        _, _, denominator = bar.sign.partition("/")
        full, rest = divmod(length, bar.nominal)
        beats = rest * Fraction(int(denominator), 4)
        bits = [(bar.onset, bar.sign)] if full else []
        if rest and place < len(bars) and beats.denominator == 1:
            bits.append((bar.onset + full * bar.nominal, f"{beats}/{denominator}"))
            added += 1
        for onset, sign in bits or [(bar.onset, bar.sign)]:
            if not signs or signs[-1][1] != sign:
                signs.append((onset, sign))
    grid: set[Fraction] = set()
    ends = [*[onset for onset, _ in signs[1:]], bars[-1].onset + 1]
    for (onset, sign), end in zip(signs, ends, strict=True):
        step = Bar(onset, Fraction(0), sign).nominal
        while onset < end:
            grid.add(onset)
            onset += step
    return signs, added, len(lines - grid)
