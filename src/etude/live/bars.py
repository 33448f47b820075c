"""A bar of music that is written while others sound, and bars as a score."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.representations.base.survey import DRUMS

TICKS = 24  # a quarter note, as in decoded pieces


class Note(NamedTuple):
    """A note of a bar; it may last beyond it."""

    onset: int  # ticks from the start of the bar
    length: int  # ticks
    pitch: int  # MIDI
    velocity: int
    voice: int  # its place among the voices of the model


@dataclass(frozen=True)
class Bar:
    """A bar: its notes by onset, and what a writer keeps of it to go on from."""

    notes: tuple[Note, ...]
    length: int = 4 * TICKS  # ticks
    meter: tuple[int, int] = (4, 4)
    tempo: float | None = None  # BPM (quarter notes a minute), as written; None: nothing is written
    tokens: tuple[int, ...] | None = None  # by which it was written; None: by no model, so that it is encoded
    asked: tuple[tuple[str, Any], ...] = ()  # the control attributes that it was written for
    holds: tuple[int, ...] = ()  # for how many ticks each voice holds what sounds when the bar starts; (): none does

    def end(self) -> int:
        """The tick at which its last note ends, or the bar itself, if that is later."""
        return max((note.onset + note.length for note in self.notes), default=self.length)

    def with_notes(self, notes: Iterable[Note]) -> "Bar":
        """The same bar with other notes, which no writer has written."""
        return replace(self, notes=tuple(sorted(notes)), tokens=None, holds=())


def score_of(bars: Sequence[Bar], voices: Mapping[str, int], tempo: float) -> ScoreTick:
    """Bars as a score with one track a voice; ``voices`` are names with their programs, -1 for drums.

    ``tempo`` is in BPM, until a bar states one.
    """
    score = ScoreTick(TICKS)
    for name, program in voices.items():
        score.tracks.append(TrackTick(name, max(program, 0), program == DRUMS))
    start, meter, beat = 0, (0, 0), 0.0
    for bar in bars:
        if bar.meter != meter:
            meter = bar.meter
            score.time_signatures.append(TimeSignatureTick(start, *meter))
        if (bar.tempo or beat or tempo) != beat:
            beat = bar.tempo or beat or tempo
            score.tempos.append(TempoTick(start, beat))
        for voice, held in enumerate(bar.holds):
            if held and len(score.tracks[voice].notes):
                last = score.tracks[voice].notes[-1]
                last.duration = max(last.duration, start + held - last.time)
        for note in bar.notes:
            score.tracks[note.voice].notes.append(NoteTick(start + note.onset, note.length, note.pitch, note.velocity))
        start += bar.length
    return score


def notes_in(score: ScoreTick, start: int, end: int) -> tuple[Note, ...]:
    """The notes of a score on ``TICKS`` that start within some ticks, counted from ``start``."""
    found = [
        Note(note.time - start, note.duration, note.pitch, note.velocity, voice)
        for voice, track in enumerate(score.tracks)
        for note in track.notes
        if start <= note.time < end
    ]
    return tuple(sorted(found))
