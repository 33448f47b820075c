"""Reading POP909: performances in MIDI; text files next to them annotate their beats and chords."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.music.chords import Symbol, harte
from etude.scores.midi import fill, open_midi, seconds
from etude.scores.reading import Facts, facts

BEATS, CHORDS = "beat_midi.txt", "chord_midi.txt"
STEADY = 0.02  # a bar's tempo that differs by a smaller share is no tempo change


@dataclass(frozen=True)
class Beats:
    """The annotated beats of a performance."""

    times: NDArray[np.float64]  # (beats,) seconds, ascending
    downs: NDArray[np.int64]  # places of the beats that start a bar

    def place(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The beat at ``times`` (seconds), 0 is the first: interpolated between beats, extrapolated beyond them."""
        inner = np.interp(times, self.times, np.arange(len(self.times)))
        first, last = self.times[1] - self.times[0], self.times[-1] - self.times[-2]
        before, after = (times - self.times[0]) / first, (times - self.times[-1]) / last + len(self.times) - 1
        return np.where(times < self.times[0], before, np.where(times > self.times[-1], after, inner))

    def bars(self) -> list[tuple[int, int]]:
        """(first beat, number of beats) of each bar, from the first downbeat to the last, which starts one more."""
        lengths = [*np.diff(self.downs).tolist()]
        return list(zip(self.downs.tolist(), [*lengths, lengths[-1]], strict=True))


def has_beats(path: Path) -> bool:
    """Whether the annotation of beats is next to the file."""
    return os.path.isfile(os.path.join(os.path.dirname(path), BEATS))  # three times as fast as pathlib


def read_pop909(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read a MIDI file with its annotations; see ``etude.scores.readers.read``.

    Notes move onto the beats: in proportion between two annotated beats, and at the outer tempo before the first and
    after the last one. The first downbeat is on a bar line, after as many full bars as earlier notes need. Time
    signatures follow from the beats between downbeats (third column of beat_midi.txt), tempos from their times (in
    steps of 0.1; a change below 2 % is ignored), chord symbols from chord_midi.txt, at the nearest beats.

    Raises:
        EtudeError: an annotation is broken, the piece is absurd, or a voice is missing.
    """
    opened = open_midi(path, part)
    source = opened.score
    beats = _beats(path.parent / BEATS)
    chords = path.parent / CHORDS
    labels = _labels(chords) if chords.is_file() else []
    bars = beats.bars()
    ticks = reading.ticks_per_quarter

    starts = [track.start() for track in opened.tracks]
    earliest = beats.place(seconds(np.array(starts or [0]), source)).min()
    first, length = bars[0]
    lead = math.ceil(max(first, first - math.floor(earliest * ticks + 0.5) / ticks) / length) * length
    offset = lead - first  # of all beats, so that the first downbeat is beat ``lead``

    def grid(times: NDArray[np.integer]) -> NDArray[np.float64]:
        return (beats.place(seconds(times, source)) + offset) * ticks

    score = Score(ticks)
    paces = [60 * count / float(np.diff(beats.times)[beat : beat + count].sum()) for beat, count in bars[:-1]]
    _tempos(score, [0, *(beat + offset for beat, _ in bars[1:-1])], paces)
    _time_signatures(score, [(0, length), *((beat + offset, count) for beat, count in bars)])
    symbols: dict[int, Symbol] = {}
    places = np.rint(beats.place(np.array([time for time, _, _ in labels]))).astype(int) + offset
    for beat, (_, label, pitches) in zip(np.maximum(places, 0).tolist(), labels, strict=True):
        symbols[beat] = Symbol(beat * ticks, label, pitches)  # the last of several on one beat
    changes = [symbols[beat] for beat in sorted(symbols)]
    changes = [
        now for before, now in zip([None, *changes], changes, strict=False) if before is None or now.text != before.text
    ]
    others, counts = fill(score, opened, grid, changes, reading)
    annotation = "beats and chords" if labels else "beats"
    return score, facts(score, True, others, counts, annotation=annotation)


def _tempos(score: Score, beats: list[int], paces: list[float]) -> None:
    current = 0.0
    for beat, pace in zip(beats, paces, strict=True):
        if abs(pace - current) > STEADY * current:
            current = pace
            score.tempos.append(Tempo(beat * score.ticks_per_quarter, round(pace, 1)))


def _time_signatures(score: Score, bars: list[tuple[int, int]]) -> None:
    current = 0
    for beat, count in bars:
        if count != current:
            current = count
            score.time_signatures.append(TimeSignature(beat * score.ticks_per_quarter, count, 4))


def _beats(path: Path) -> Beats:
    """Lines of: seconds, a mark of every second beat or so, a mark of the downbeats."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        times, downs = (np.array([float(row[column]) for row in rows]) for column in (0, 2))
    except (ValueError, IndexError):
        raise EtudeError(f"its annotation {path.name} is broken: not three numbers a line") from None
    if len(np.flatnonzero(downs)) < 2 or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise EtudeError(f"its annotation {path.name} is broken: not ascending beats with two downbeats")
    return Beats(times, np.flatnonzero(downs))


def _labels(path: Path) -> list[tuple[float, str, tuple[int, ...]]]:
    """Lines of: start, end (seconds), chord."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        labels = [(float(row[0]), row[2], harte(row[2])) for row in rows]
    except (ValueError, IndexError, EtudeError) as error:
        raise EtudeError(f"its annotation {path.name} is broken: {' '.join(str(error).split())}") from None
    if not all(math.isfinite(time) for time, _, _ in labels):
        raise EtudeError(f"its annotation {path.name} is broken: not a time in each line")
    return labels
