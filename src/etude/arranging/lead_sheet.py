"""A lead sheet: a melody, its bars and chords; and the song that it becomes, with intro, choruses and ending."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TrackTick

from etude.arranging.form import Phrase, with_energy
from etude.core.errors import EtudeError
from etude.music.bars import Bar, bars_of
from etude.music.chord_text import Chord
from etude.music.columns import Columns, columns_of
from etude.music.key import Mode, best_key
from etude.music.stated_key import states_key

DIVISIONS = 48  # of a quarter note that are whole ticks: sixteenths, triplets and their halves
MOST = 32767  # of its ticks
FINEST = 480  # ticks of a quarter note at least, so that small differences in time can be played
INTRO, TUNE, ENDING = "intro", "tune", "ending"
LOW, LOUD = 0.4, 0.8  # energy of an intro, and of an ending
DEEP = 52  # median MIDI pitch of a melody below which others may sound above it
HIGHEST = 128  # above all pitches
SILENT = -1.0  # of a bar with an upbeat alone, where no part plays
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


class Note(NamedTuple):
    """A note of a part, in ticks."""

    start: int
    end: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class LeadSheet:
    """A melody with its bars and chords, in fine ticks: ``quarter`` of them a quarter note."""

    melody: Columns
    program: int
    bars: list[Bar]
    chords: list[Chord]
    key: tuple[int, Mode]
    tempos: list[tuple[int, float]]
    quarter: int

    @property
    def pickup(self) -> bool:
        """Whether the first bar has no more than an upbeat: its melody starts in the second half."""
        first = int(self.melody.onset.min())
        return len(self.bars) > 1 and 2 * first >= self.bars[0].end and first < self.bars[0].end


def lead_sheet_of(score: ScoreTick, track: TrackTick, chords: Sequence[Chord] = ()) -> LeadSheet:
    """The lead sheet of a melody in its piece, without the empty bars before it.

    Args:
        score: the piece: its meters, tempos and key.
        track: the melody, one note at a time.
        chords: in the ticks of the piece.

    Raises:
        EtudeError: the melody has no notes.
    """
    if not len(track.notes):
        raise EtudeError("it has no notes to arrange. Give a melody.")
    given = score.ticks_per_quarter
    factor = lcm(given, DIVISIONS) // given
    factor *= -(-FINEST // (given * factor))
    if given * factor > MOST:  # what a MIDI file can state: the divisions are rounded then
        factor = max(1, min(-(-FINEST // given), MOST // given))
    notes = columns_of(track)
    end = int((notes.onset.astype(np.int64) + notes.length).max())
    listed = [bar for bar in bars_of(score) if bar.start < end]
    empty = sum(bar.end <= int(notes.onset.min()) for bar in listed)
    start = listed[empty].start
    bars = [replace(bar, start=(bar.start - start) * factor, end=(bar.end - start) * factor) for bar in listed[empty:]]
    moved = [
        replace(chord, start=max(0, chord.start - start) * factor, end=min((chord.end - start) * factor, bars[-1].end))
        for chord in chords
        if chord.end > start and (chord.start - start) * factor < bars[-1].end
    ]
    onset = ((notes.onset.astype(np.int64) - start) * factor).astype(np.int32)
    melody = Columns(onset, (notes.length * factor).astype(np.int32), notes.pitch, notes.velocity)
    order = np.argsort(melody.onset, kind="stable")
    marks = sorted((int(mark.time), float(mark.qpm)) for mark in score.tempos)
    tempos = {max(0, (time - start) * factor): tempo for time, tempo in marks}
    key, quarter = key_of(score, melody), given * factor
    return LeadSheet(melody[order], track.program, bars, moved, key, sorted(tempos.items()), quarter)


def key_of(score: ScoreTick, melody: Columns) -> tuple[int, Mode]:
    """The tonic and mode that a piece states first, or else those that fit its melody best."""
    if states_key(score):
        sign = score.key_signatures[0]
        mode: Mode = "minor" if sign.tonality else "major"
        return (sign.key * 7 + (9 if sign.tonality else 0)) % 12, mode
    lasting = np.zeros(12)
    np.add.at(lasting, melody.pitch.astype(int) % 12, melody.length)
    return best_key(lasting) or (0, "major")


@dataclass(frozen=True)
class SongBar:
    """A bar of a song: its place, what it is, and the phrase it belongs to."""

    bar: Bar
    kind: str  # INTRO, TUNE or ENDING
    number: int  # in its phrase, from 0
    letter: str
    energy: float
    leads_to: float | None = None  # energy of the phrase that starts after it; None where none does


@dataclass(frozen=True)
class Song:
    """A song: a lead sheet laid out in time."""

    bars: list[SongBar]
    melody: Columns
    program: int
    chords: list[Chord]
    key: tuple[int, Mode]
    tempos: list[tuple[int, float]]
    quarter: int

    @property
    def end(self) -> int:
        """The tick after the last bar."""
        return self.bars[-1].bar.end

    @cached_property
    def _starts(self) -> list[int]:
        return [chord.start for chord in self.chords]

    def chord_at(self, tick: int) -> Chord | None:
        """The chord that sounds at a tick."""
        place = bisect_right(self._starts, tick) - 1
        return self.chords[place] if place >= 0 and tick < self.chords[place].end else None

    def chord_after(self, tick: int) -> Chord | None:
        """The first chord that starts after a tick."""
        place = bisect_right(self._starts, tick)
        return self.chords[place] if place < len(self.chords) else None

    def chords_in(self, start: int, end: int) -> list[Chord]:
        """The chords between two ticks, cut to them."""
        return [
            replace(chord, start=max(start, chord.start), end=min(end, chord.end))
            for chord in self.chords
            if chord.start < end and chord.end > start
        ]

    @cached_property
    def _spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        onset = self.melody.onset.astype(np.int64)
        return onset, onset + self.melody.length

    @cached_property
    def lies_low(self) -> bool:
        """Whether the melody is a low one, as of a cello: then the others may sound above it."""
        return float(np.median(self.melody.pitch)) < DEEP

    def ceiling(self, start: int, end: int) -> int:
        """The pitch that other parts stay below between two ticks.

        It is the lowest of the melody; where that rests, that of its note before, or else after. There is none where
        the melody ``lies_low``.
        """
        if self.lies_low:
            return HIGHEST
        onset, until = self._spans
        sounding = self.melody.pitch[(onset < end) & (until > start)]
        if len(sounding):
            return int(sounding.min())
        place = max(0, int(np.searchsorted(onset, start, side="right")) - 1)
        return int(self.melody.pitch[place])

    @cached_property
    def _lines(self) -> list[int]:
        return [one.bar.start for one in self.bars]

    def place_of(self, tick: int) -> int:
        """The place of the bar in which a tick lies; the last one's after the end."""
        return max(0, bisect_right(self._lines, tick) - 1)

    def phrase_around(self, place: int) -> tuple[int, int]:
        """The ticks at which the phrase of a bar starts and ends."""
        first = place - self.bars[place].number
        last = place
        while last + 1 < len(self.bars) and self.bars[last + 1].number == self.bars[last].number + 1:
            last += 1
        return self.bars[max(0, first)].bar.start, self.bars[last].bar.end

    def tempo_at(self, tick: int) -> float:
        """The tempo at a tick, in quarter notes a minute."""
        return next((tempo for time, tempo in reversed(self.tempos) if time <= tick), self.tempos[0][1])


def lay_out(sheet: LeadSheet, phrases: Sequence[tuple[int, int, str]], choruses: int, intro: int, ending: int) -> Song:
    """Lay out a lead sheet as a song: an intro, the tune so many times, an ending.

    A bar with an upbeat alone is the last of the intro, or comes before the first phrase; before a later chorus the
    upbeat sounds in the last bar of the tune, if the melody rests there.

    Args:
        sheet: melody, bars and chords.
        phrases: of the bars after the one with the upbeat: start, end, letter.
        choruses: how many times the tune is played.
        intro: bars, of which an upbeat's is one.
        ending: bars in which the last chord rings.
    """
    lead = int(sheet.pickup)
    tune, first = sheet.bars[lead:], sheet.bars[0]
    made: list[SongBar] = []
    at, count = 0, max(intro, lead)
    for number in range(count):
        length = first.length if lead and number == count - 1 else tune[0].length
        bar = Bar(at, at + length, tune[0].beats, tune[0].unit)
        made.append(SongBar(bar, INTRO, number, "", LOW if intro else SILENT))
        at = bar.end
    chords = _opening(sheet, tune, [one.bar for one in made]) if intro else []
    onsets, places = sheet.melody.onset.astype(np.int64), []
    upbeat, rest = onsets < tune[0].start, onsets >= tune[0].start
    ends = onsets + sheet.melody.length
    for chorus in range(choruses):
        shift = at - tune[0].start
        if upbeat.any() and chorus:
            sounding = int(ends[rest].max()) - tune[-1].end  # of the tune before, in relation to its end
            if sounding > int(onsets[upbeat].min()) - tune[0].start:  # no room in its last bar
                bar = Bar(at, at + first.length, first.beats, first.unit)
                made.append(SongBar(bar, INTRO, 0, "", made[-1].energy))
                held = chords[-1] if chords else None
                chords += [replace(held, start=at, end=bar.end)] if held else []
                at += first.length
                shift += first.length
        places.append(shift)
        for phrase in with_energy(phrases, chorus, choruses):
            made += _bars_of_phrase(tune, phrase, shift)
        chords += [replace(chord, start=chord.start + shift, end=chord.end + shift) for chord in sheet.chords
                   if chord.start >= tune[0].start]  # fmt: skip
        at = tune[-1].end + shift
    for number in range(ending):
        bar = Bar(at, at + tune[-1].length, tune[-1].beats, tune[-1].unit)
        made.append(SongBar(bar, ENDING, number, "", LOUD))
        at = bar.end
    if ending and chords:
        chords.append(replace(chords[-1], start=made[-ending].bar.start, end=at))
    notes = sheet.melody
    onset = np.concatenate([notes.onset + shift for shift in places]).astype(np.int32)
    melody = Columns(
        onset, np.tile(notes.length, choruses), np.tile(notes.pitch, choruses), np.tile(notes.velocity, choruses)
    )
    order = np.argsort(onset, kind="stable")
    tempos = [(tick + places[0] if tick else 0, tempo) for tick, tempo in sheet.tempos]
    made = [
        replace(one, leads_to=after.energy) if after.number == 0 and after.kind == TUNE else one
        for one, after in zip(made, [*made[1:], made[-1]], strict=True)
    ]
    return Song(made, melody[order], sheet.program, chords, sheet.key, tempos, sheet.quarter)


def _bars_of_phrase(tune: Sequence[Bar], phrase: Phrase, shift: int) -> list[SongBar]:
    return [
        SongBar(
            Bar(tune[place].start + shift, tune[place].end + shift, tune[place].beats, tune[place].unit),
            TUNE,
            place - phrase.start,
            phrase.letter,
            phrase.energy,
        )
        for place in range(phrase.start, phrase.end)
    ]


def _opening(sheet: LeadSheet, tune: Sequence[Bar], bars: Sequence[Bar]) -> list[Chord]:
    """The chords of an intro's bars: those of the first bars of the tune.

    The last bar has the dominant, which leads to the tonic, where the tune starts with the tonic.
    """
    made: list[Chord] = []
    for number, bar in enumerate(bars):
        source = tune[number % len(tune)]
        for chord in sheet.chords:
            if chord.start < source.end and chord.end > source.start:
                inside = (min(max(tick, source.start), source.end) for tick in (chord.start, chord.end))
                start, end = (bar.start + round((tick - source.start) * bar.length / source.length) for tick in inside)
                made.append(replace(chord, start=start, end=end))
    tonic, _ = sheet.key
    if len(bars) > 1 and made and made[0].root == tonic:
        root = (tonic + 7) % 12
        classes = frozenset((root + step) % 12 for step in (0, 4, 7, 10))
        made = [chord for chord in made if chord.start < bars[-1].start]
        made.append(Chord(f"{NAMES[root]}7", bars[-1].start, bars[-1].end, root, classes, root))
    return made
