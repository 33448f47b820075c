"""Originality: how much of a piece some other piece has too, in any key and at any time.

The score of a window of so many notes is the largest share of its points (onset, pitch) that one translation in time
and pitch carries onto the points of one other piece (cardinality score; Z. Yin, F. Reuben, S. Stepney and T. Collins,
"A good algorithm does not steal - it imitates": the originality report as a means of measuring when a music generation
algorithm copies too much, EvoMUSART 2021). What a score means is seen by comparison: held-out pieces of other tunes
have scores, too, and a sample above all of these copies.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.metrics.descriptors import ratio
from etude.metrics.distance import COVER
from etude.metrics.notes import Integers, Notes, top_lines
from etude.metrics.structure import MULTIPLIER, symbols_of_steps

STEPS = 4  # of a quarter note, on which onsets are compared; translations are by whole quarter notes
TRANSPOSITIONS = 12  # semitones up and down
RUN = 6  # steps of a line in a run: seven notes
COMPARED = 300  # pieces of a larger reference that a piece is compared with: those that share most runs with it

Raster = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Copied:
    """What a piece has in common with a reference.

    ``score`` and what follows up to ``semitones`` belong to the window with the highest score; nan, and -1, for a piece
    with fewer notes than half a window.
    """

    score: float  # share of the window's points, in [0, 1]
    start: int  # of the window, in steps of ``STEPS`` a quarter note, at a whole quarter note
    length: int  # of the window, likewise, up to its last onset
    nearest: int  # place of the piece of the reference
    where: int  # its step onto which the window's start is carried; below 0: before its start
    semitones: int  # up, from the piece to the reference
    run: int  # notes of the longest run of one line that a line of the reference has too, in any key
    runs_found: float  # share of the runs of ``RUN`` + 1 notes that the reference has; nan without such a run


@dataclass(frozen=True)
class Lines:
    """The steps of the top line of each track of all pieces, in any key."""

    symbols: Hashes  # (steps,)
    joined: NDArray[np.bool_]  # (steps,): the next step is of the same line
    piece: Integers  # (steps,)

    @classmethod
    def of(cls, notes: Notes) -> "Lines":
        """The lines of pieces."""
        lines = top_lines(notes)
        same = lines.track[1:] == lines.track[:-1]
        track = lines.track[1:][same]
        joined = np.zeros(len(track), dtype=bool)
        joined[:-1] = track[1:] == track[:-1]
        symbols = symbols_of_steps(np.diff(lines.start), np.diff(lines.pitch))[same]
        return cls(symbols, joined, lines.piece[1:][same])

    def extend(self, hashes: Hashes, places: Integers, steps: int) -> Integers:
        """Make the hashes of runs of ``steps`` steps at ``places`` those of one more step, where the line goes on.

        Returns the places where it does.
        """
        places = places[places + steps < len(self.symbols)]
        places = places[self.joined[places + steps - 1]]
        hashes[places] = hashes[places] * MULTIPLIER + self.symbols[places + steps]
        return places

    def runs(self, steps: int) -> tuple[Hashes, Integers]:
        """A hash of each run of ``steps`` steps, and its piece: each (runs,)."""
        hashes, places = self.symbols.copy(), np.arange(len(self.symbols))
        for done in range(1, steps):
            places = self.extend(hashes, places, done)
        return hashes[places], self.piece[places]


@dataclass(frozen=True)
class Reference:
    """The pieces that others are compared with."""

    onsets: tuple[Integers, ...]  # of each piece (points, 2): step and pitch
    lines: Lines
    runs: Hashes  # of ``RUN`` steps, each once a piece
    owner: Integers  # the piece of each run

    @classmethod
    def of(cls, notes: Notes) -> "Reference":
        """Of pieces whose notes stand on ``STEPS`` steps a quarter note."""
        lines = Lines.of(notes)
        return cls(onsets(notes), lines, *_distinct(*lines.runs(RUN)))

    def join(self, pieces: Sequence[int], gap: int) -> tuple[Raster, Integers]:
        """Some pieces one after another as one raster, so that no window meets two, and their starts.

        Args:
            pieces: places.
            gap: steps, whole quarter notes, that are silent before each piece and after the last.

        Returns:
            (``STEPS``, 128 + 2 * ``TRANSPOSITIONS``, quarter notes): 1 where a note starts, by its step within a
            quarter note, with silent semitones around; and the quarter note at which each piece starts, counted after
            the first gap.
        """
        sizes = np.array([-(-(int(self.onsets[one][-1:, 0].sum()) + 1) // STEPS) for one in pieces], dtype=np.int64)
        starts = np.cumsum(sizes + gap // STEPS) - (sizes + gap // STEPS)
        quarters = int((sizes + gap // STEPS).sum()) + gap // STEPS
        found = np.zeros((STEPS, 128 + 2 * TRANSPOSITIONS, quarters), dtype=np.uint8)
        for start, one in zip((starts + gap // STEPS).tolist(), pieces, strict=True):
            steps, pitches = self.onsets[one].T
            found[steps % STEPS, pitches + TRANSPOSITIONS, steps // STEPS + start] = 1
        return found, starts


def onsets(notes: Notes) -> tuple[Integers, ...]:
    """Where notes start in each piece, unisons once, drums left out: (points, 2), step and pitch, in this order."""
    notes = notes.pitched
    points = np.unique(np.stack([notes.piece, notes.start, notes.pitch], axis=1), axis=0)
    bounds = np.searchsorted(points[:, 0], np.arange(1, len(notes)))
    return tuple(part[:, 1:] for part in np.split(points, bounds)) if len(notes) else ()


def cardinality(points: Integers, others: Raster, margin: int) -> tuple[int, int, int]:
    """The most points of a window that one translation carries onto points of a raster.

    Args:
        points: (points, 2), step and pitch.
        others: as ``Reference.join`` makes it.
        margin: quarter notes of its gaps, at least as many as the window has.

    Returns:
        their number; the quarter note, counted after the first gap, onto which the window's first one is carried (below
        0: before the start); and the semitones, up to ``TRANSPOSITIONS`` up or down. The first of equally good ones is
        taken.
    """
    span, shifts = 2 * TRANSPOSITIONS + 1, others.shape[2] - margin
    total = np.zeros((span, shifts), dtype=np.uint8 if len(points) < 256 else np.uint16)
    for step, pitch in points.tolist():
        quarter, phase = divmod(step, STEPS)
        total += others[phase, pitch : pitch + span, quarter : quarter + shifts]
    best = total.max(axis=0)
    shift = int(best.argmax())
    semitones = int(total[:, shift].argmax())
    return int(best[shift]), shift - margin, semitones - TRANSPOSITIONS


def compare(
    notes: Notes,
    reference: Reference,
    window: int,
    leave_out_own: bool = False,
    pieces: Sequence[int] | None = None,
    report: Callable[[int], None] | None = None,
) -> list[Copied]:
    """Compare each piece with a reference.

    Args:
        notes: pieces on ``STEPS`` steps a quarter note.
        reference: of pieces on the same steps.
        window: notes of a window; see ``windows``.
        leave_out_own: the pieces are those of the reference, and each is compared with all others.
        pieces: places of those to compare; None: all.
        report: called with the number of finished pieces.
    """
    lines = Lines.of(notes)
    longest, found = common_runs(lines, reference.lines, len(notes), leave_out_own)
    hashes, owner = lines.runs(RUN)
    parts = [windows(points, window) for points in onsets(notes)]
    gap = max((points[-1, 0] // STEPS + 1 for one in parts for _, points in one), default=1) * STEPS
    everyone = list(range(len(reference.onsets)))
    whole = None if leave_out_own or len(everyone) > COMPARED else reference.join(everyone, gap)
    copied = []
    for done, place in enumerate(range(len(notes)) if pieces is None else pieces, start=1):
        own = parts[place]
        others = [other for other in everyone if not (leave_out_own and other == place)]
        if len(others) > COMPARED:
            others = _most_alike(reference, np.unique(hashes[owner == place]), others)
        long, starts = whole or reference.join(others, gap)
        best = (math.nan, -1, -1, -1, 0, 0)
        for start, points in own if others else []:
            most, quarter, semitones = cardinality(points, long, gap // STEPS)
            if not most / len(points) <= best[0]:
                length = int(points[-1, 0]) + 1
                last = quarter + (length - 1) // STEPS  # reaches the piece, however far the window starts before it
                nearest = max(0, int(np.searchsorted(starts, last, side="right")) - 1)
                where = (quarter - int(starts[nearest])) * STEPS
                best = (most / len(points), start, length, others[nearest], where, semitones)
        copied.append(Copied(*best, int(longest[place]), float(found[place])))
        if report:
            report(done)
    return copied


def windows(points: Integers, size: int) -> list[tuple[int, Integers]]:
    """The windows of a piece: every ``size`` // 2 of its points one of ``size`` points, and the last ``size``.

    Args:
        points: (points, 2), step and pitch, in this order.
        size: points of a window; a piece with fewer is one window, if it has at least half as many.

    Returns:
        the step of the whole quarter note at or before the first point, and the points from there: (points, 2).
    """
    if len(points) * 2 < size:
        return []
    last = max(0, len(points) - size)
    found = []
    for first in [*range(0, last, max(1, size // 2)), last]:
        part = points[first : first + size]
        start = int(part[0, 0]) // STEPS * STEPS
        found.append((start, part - np.array([start, 0])))
    return found


def _most_alike(reference: Reference, runs: Hashes, others: list[int]) -> list[int]:
    """The ``COMPARED`` pieces that share most runs with a piece, in the order of the reference."""
    found = reference.owner[np.isin(reference.runs, runs)]
    shared = np.bincount(found, minlength=len(reference.onsets))[others]
    return sorted(others[one] for one in np.argsort(-shared, kind="stable")[:COMPARED].tolist())


def common_runs(
    lines: Lines, others: Lines, pieces: int, leave_out_own: bool = False
) -> tuple[Integers, NDArray[np.float64]]:
    """What the lines of pieces have in common with other lines: ``run`` and ``runs_found`` of ``Copied``, (pieces,)."""
    hashes, places = lines.symbols.copy(), np.arange(len(lines.symbols))
    known, theirs = others.symbols.copy(), np.arange(len(others.symbols))
    longest = np.zeros(pieces, dtype=np.int64)
    shared = np.zeros(pieces, dtype=np.int64)
    steps = 1
    while len(places) and len(theirs):
        kinds, group = np.unique(known[theirs], return_inverse=True)
        first, last = np.full(len(kinds), pieces + len(others.symbols)), np.full(len(kinds), -1)
        np.minimum.at(first, group, others.piece[theirs])
        np.maximum.at(last, group, others.piece[theirs])
        where = np.searchsorted(kinds, hashes[places]).clip(max=len(kinds) - 1)
        found = kinds[where] == hashes[places]
        if leave_out_own:
            found &= (first[where] != lines.piece[places]) | (last[where] != lines.piece[places])
        places = places[found]
        np.maximum.at(longest, lines.piece[places], steps + 1)
        if steps == RUN:
            shared = np.bincount(_distinct(hashes[places], lines.piece[places])[1], minlength=pieces)
        theirs = theirs[np.isin(known[theirs], hashes[places])]
        places, theirs = lines.extend(hashes, places, steps), others.extend(known, theirs, steps)
        steps += 1
    return longest, ratio(shared, np.bincount(_distinct(*lines.runs(RUN))[1], minlength=pieces))


def _distinct(hashes: Hashes, piece: Integers) -> tuple[Hashes, Integers]:
    """The different hashes of each piece, with their pieces: each (hashes,)."""
    order = np.lexsort((hashes, piece))
    hashes, piece = hashes[order], piece[order]
    new = np.ones(len(piece), dtype=bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (piece[1:] != piece[:-1])
    return hashes[new], piece[new]


@dataclass(frozen=True)
class Line:
    """What real music scores that is no copy: the limits that samples are compared with."""

    low: float  # between ``low`` and ``high`` 95 % of the pieces score
    median: float
    high: float
    highest: float  # a sample above it is flagged
    longest_run: int
    pieces: int

    @classmethod
    def of(cls, real: Sequence[Copied]) -> "Line":
        """Of held-out real pieces, compared with the same reference. nan where none has a score."""
        scores = np.array([one.score for one in real if not math.isnan(one.score)])
        if not len(scores):
            return cls(math.nan, math.nan, math.nan, math.nan, 0, 0)
        low, high = np.percentile(scores, COVER)
        longest = max(one.run for one in real)
        return cls(float(low), float(np.median(scores)), float(high), float(scores.max()), longest, len(scores))

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a report."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Line":
        """From ``as_dict``, as a report has it."""
        known: dict[str, Any] = {name: math.nan if value is None else value for name, value in values.items()}
        return cls(**known)


def flagged(copied: Copied, line: Line) -> bool:
    """Whether a piece copies more than any real piece does."""
    return copied.score > line.highest
