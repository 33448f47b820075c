"""The notes of a set of pieces as one table on a grid of time steps: what every measure of pieces reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.music.markers import fermatas

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Notes:
    """The opening bars of several pieces, one row a note, in the order of pieces, tracks, onsets and pitches.

    A track's number counts over all pieces. ``start`` and ``end`` are in steps from the start of the piece. For each
    piece ``measure`` is the length of a bar and ``length`` the end of the last note, 0 without notes.
    """

    piece: Integers  # (notes,)
    track: Integers
    start: Integers
    end: Integers
    pitch: Integers
    drum: NDArray[np.bool_]
    measure: Integers  # (pieces,)
    length: Integers
    held: Integers  # (fermatas, 2): piece and step of each fermata
    resolution: int  # steps of a quarter note

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self.measure)

    def rows(self, kept: NDArray[np.bool_]) -> "Notes":
        """The same pieces with some of their notes; ``length`` stays."""
        names = ("piece", "track", "start", "end", "pitch", "drum")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})

    @property
    def pitched(self) -> "Notes":
        """The same pieces without drums."""
        return self.rows(~self.drum)

    def count(self) -> Integers:
        """The number of notes of each piece: (pieces,)."""
        return np.bincount(self.piece, minlength=len(self))


def tabulate(scores: Sequence[ScoreTick], resolution: int, bars: int) -> Notes:
    """Place the first ``bars`` bars of each score on ``resolution`` steps per quarter note.

    Onsets and ends go to the nearest step (halves upwards), but every note keeps at least one step, so none is lost.
    A note that starts after the last bar is left out, and one that sounds across its end is cut there. The first time
    signature (4/4 where there is none) gives the bars, since measures of bars need one constant length.
    """
    measure = np.array([bar_length(score, resolution) for score in scores], dtype=np.int64)
    tracks = [(place, track) for place, score in enumerate(scores) for track in score.tracks]
    columns = [track.notes.numpy() for _, track in tracks]
    counts = np.array([len(notes["time"]) for notes in columns], dtype=np.int64)

    def of_notes(name: str) -> Integers:
        return np.concatenate([np.zeros(0, np.int64), *(notes[name].astype(np.int64) for notes in columns)])

    def of_tracks(values: Iterable[int]) -> Integers:
        return np.repeat(np.array(list(values), dtype=np.int64), counts)

    piece, track = of_tracks(place for place, _ in tracks), of_tracks(range(len(tracks)))
    drum, ticks = of_tracks(own.is_drum for _, own in tracks), of_tracks(scores[p].ticks_per_quarter for p, _ in tracks)
    onset, pitch, limit = of_notes("time"), of_notes("pitch"), measure[piece] * bars
    start = nearest_step(onset, ticks, resolution)
    end = np.maximum(nearest_step(onset + of_notes("duration"), ticks, resolution), start + 1)
    kept = np.flatnonzero((start >= 0) & (start < limit))
    kept = kept[np.lexsort((pitch[kept], start[kept], track[kept]))]
    end = np.minimum(end, limit)[kept]
    length = np.zeros(len(scores), dtype=np.int64)
    np.maximum.at(length, piece[kept], end)
    held = [
        (place, nearest_step(time, score.ticks_per_quarter, resolution))
        for place, score in enumerate(scores)
        for time in fermatas(score)
    ]
    marks = np.array(held, dtype=np.int64).reshape(-1, 2)
    marks = marks[marks[:, 1] < measure[marks[:, 0]] * bars]
    return Notes(
        piece[kept], track[kept], start[kept], end, pitch[kept], drum[kept].astype(bool),
        measure, length, marks, resolution,
    )  # fmt: skip


Step = TypeVar("Step", int, Integers)


def nearest_step(time: Step, ticks: Step, resolution: int) -> Step:
    """The step nearest to a time, halves upwards, at ``ticks`` and ``resolution`` steps a quarter note."""
    return (2 * time * resolution + ticks) // (2 * ticks)


def bar_length(score: ScoreTick, resolution: int) -> int:
    """The steps of a bar by the first time signature, 4/4 where there is none."""
    first = min(score.time_signatures, key=lambda signature: signature.time, default=None)
    top, bottom = (first.numerator, first.denominator) if first else (4, 4)
    return max(1, round(Fraction(4 * top * resolution, max(1, bottom))))


@dataclass(frozen=True)
class Axis:
    """The time steps (beats, bars) of all pieces one after another: ``start`` of each piece's part, and its size."""

    start: Integers  # (pieces,)
    size: Integers

    @classmethod
    def of(cls, sizes: Integers) -> "Axis":
        """The axis of parts with ``sizes``, each at least 1."""
        return cls(np.cumsum(sizes) - sizes, sizes)

    @property
    def owner(self) -> Integers:
        """The piece of each place: (places,)."""
        return np.repeat(np.arange(len(self.size)), self.size)

    @property
    def places(self) -> int:
        """The length of the whole axis."""
        return int(self.size.sum())

    def sums(self, values: NDArray[np.number] | NDArray[np.bool_]) -> Integers:
        """Add up the values (places,) of each piece: (pieces,)."""
        return np.bincount(self.owner, weights=values, minlength=len(self.size)).astype(np.int64)

    def cover(self, piece: Integers, first: Integers, end: Integers) -> Integers:
        """How many of the spans first ... end - 1 of the pieces lie over each place: (places,)."""
        base = self.start[piece]
        rises = np.bincount(base + first, minlength=self.places + 1)
        falls = np.bincount(base + end, minlength=self.places + 1)
        return np.cumsum(rises - falls)[: self.places]


def spans_of_pitches(notes: Notes) -> tuple[Integers, Integers, Integers, Integers]:
    """The spans in which each pitch of a piece sounds, unisons joined: piece, pitch, start and end, each (spans,).

    Drums do not count.
    """
    notes = notes.pitched
    group = notes.piece * 128 + notes.pitch
    order = np.lexsort((notes.start, group))
    group, start, end = group[order], notes.start[order], notes.end[order]
    if not len(group):
        return group, group, start, end
    far = int(end.max()) + 1
    latest = np.maximum.accumulate(group * far + end) - group * far  # the latest end so far of the same pitch
    before = np.concatenate([[0], latest[:-1]])
    same = np.concatenate([[False], group[1:] == group[:-1]])
    start = np.where(same, np.maximum(start, before), start)
    kept = end > start
    return group[kept] // 128, group[kept] % 128, start[kept], end[kept]


def top_lines(notes: Notes) -> Notes:
    """The highest note at each onset of each pitched track."""
    notes = notes.pitched
    last = np.ones(len(notes.start), dtype=bool)
    last[:-1] = (notes.track[1:] != notes.track[:-1]) | (notes.start[1:] != notes.start[:-1])
    return notes.rows(last)
