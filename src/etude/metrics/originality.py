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

STEPS = 4  # of a quarter note, on which onsets are compared, and by which they are translated
TRANSPOSITIONS = 12  # semitones up and down
RUN = 6  # steps of a line in a run: seven notes
COMPARED = 300  # pieces of a larger reference that a piece is compared with: those that share most runs with it
QUARTERS = 60_000  # of a longer reference, likewise: its pieces with most runs in common, up to so many together
SPAN = 256  # quarter notes of a window at most, so that a single long note costs no memory
VERBATIM = 1 - 1e-9  # a score above it is a copy, whatever real pieces score

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

    powers: Hashes  # (steps + 1,) of ``MULTIPLIER``
    sums: Hashes  # (steps + 1,) of the steps so far, each divided by the power of its place: all modulo 2 ** 64
    left: Integers  # (steps,): steps of the same line from here on, this one included
    piece: Integers  # (steps,)

    @classmethod
    def of(cls, notes: Notes) -> "Lines":
        """The lines of pieces."""
        lines = top_lines(notes)
        same = lines.track[1:] == lines.track[:-1]
        track, count = lines.track[1:][same], int(same.sum())
        ends = np.searchsorted(track, track, side="right") if count else np.zeros(0, dtype=np.int64)
        symbols = symbols_of_steps(np.diff(lines.start), np.diff(lines.pitch))[same]
        powers = np.ones(count + 1, dtype=np.uint64)
        powers[1:] = np.multiply.accumulate(np.full(count, MULTIPLIER))
        inverse = np.multiply.accumulate(np.full(count, np.uint64(pow(int(MULTIPLIER), -1, 2**64))))
        sums = np.zeros(count + 1, dtype=np.uint64)
        sums[1:] = np.cumsum(symbols * inverse, dtype=np.uint64)
        return cls(powers, sums, ends - np.arange(count), lines.piece[1:][same])

    def hashes(self, places: Integers, steps: int) -> Hashes:
        """The polynomial hashes of the runs of ``steps`` steps that start at ``places``."""
        ends = places + steps
        return (self.sums[ends] - self.sums[places]) * self.powers[ends]

    def runs(self, steps: int) -> tuple[Hashes, Integers]:
        """A hash of each run of ``steps`` steps, and its piece: each (runs,)."""
        places = np.flatnonzero(self.left >= steps)
        return self.hashes(places, steps), self.piece[places]


@dataclass(frozen=True)
class Reference:
    """The pieces that others are compared with."""

    onsets: tuple[Integers, ...]  # of each piece (points, 2): step and pitch
    lines: Lines
    runs: Hashes  # of ``RUN`` steps, each once a piece
    owner: Integers  # the piece of each run
    quarters: Integers  # quarter notes of each piece, up to its last onset

    @classmethod
    def of(cls, notes: Notes) -> "Reference":
        """Of pieces whose notes stand on ``STEPS`` steps a quarter note."""
        lines, points = Lines.of(notes), onsets(notes)
        quarters = np.array([-(-(int(own[-1:, 0].sum()) + 1) // STEPS) for own in points], dtype=np.int64)
        return cls(points, lines, *_distinct(*lines.runs(RUN)), quarters)

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
        sizes = self.quarters[list(pieces)]
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
        margin: quarter notes of its gaps, more than the window has.

    Returns:
        their number; the step, counted after the first gap, onto which the window's first one is carried (below 0:
        before the start); and the semitones, up to ``TRANSPOSITIONS`` up or down. Of equally good
        translations the first by whole quarter notes is taken, if there is one.
    """
    span, shifts = 2 * TRANSPOSITIONS + 1, others.shape[2] - margin
    found = (0, 0, 0)
    for offset in range(STEPS):
        total = np.zeros((span, shifts), dtype=np.uint8 if len(points) < 256 else np.uint16)
        for step, pitch in points.tolist():
            quarter, phase = divmod(step + offset, STEPS)
            total += others[phase, pitch : pitch + span, quarter : quarter + shifts]
        best = total.max(axis=0)
        shift = int(best.argmax())
        if not offset or best[shift] > found[0]:
            semitones = int(total[:, shift].argmax()) - TRANSPOSITIONS
            found = (int(best[shift]), int((shift - margin) * STEPS + offset), semitones)
    return found


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
    longest, found = common_runs(lines, reference.lines, len(notes), leave_out_own, pieces)
    hashes, owner = lines.runs(RUN)
    parts = [windows(points, window) for points in onsets(notes)]
    gap = max((points[-1, 0] // STEPS + 2 for one in parts for _, points in one), default=1) * STEPS
    everyone = list(range(len(reference.onsets)))
    small = len(everyone) <= COMPARED and int(reference.quarters.sum()) <= QUARTERS
    whole = reference.join(everyone, gap) if small and not leave_out_own else None
    copied = []
    for done, place in enumerate(range(len(notes)) if pieces is None else pieces, start=1):
        own = parts[place]
        others = [other for other in everyone if not (leave_out_own and other == place)]
        if not small:
            others = _most_alike(reference, np.unique(hashes[owner == place]), others)
        long, starts = whole or reference.join(others, gap)
        best = (math.nan, -1, -1, -1, 0, 0)
        for start, points in own if others else []:
            most, step, semitones = cardinality(points, long, gap // STEPS)
            if not most / len(points) <= best[0]:
                length = int(points[-1, 0]) + 1
                last = (step + length - 1) // STEPS  # reaches the piece, however far the window starts before it
                nearest = max(0, int(np.searchsorted(starts, last, side="right")) - 1)
                where = step - int(starts[nearest]) * STEPS
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
        the step of the whole quarter note at or before the first point, and the points from there: (points, 2). What
        comes more than ``SPAN`` quarter notes later is left out; a window of which less than half stays is none.
    """
    if len(points) * 2 < size:
        return []
    last = max(0, len(points) - size)
    found = []
    for first in [*range(0, last, max(1, size // 2)), last]:
        part = points[first : first + size]
        start = int(part[0, 0]) // STEPS * STEPS
        part = part[part[:, 0] < start + SPAN * STEPS]
        if len(part) * 2 >= size:
            found.append((start, part - np.array([start, 0])))
    return found


def _most_alike(reference: Reference, runs: Hashes, others: list[int]) -> list[int]:
    """The pieces that share most runs with a piece, as many as ``COMPARED`` and ``QUARTERS`` allow, in their order."""
    found = reference.owner[np.isin(reference.runs, runs)]
    shared = np.bincount(found, minlength=len(reference.onsets))[others]
    ranked = np.array(others, dtype=np.int64)[np.argsort(-shared, kind="stable")][:COMPARED]
    fitting = np.cumsum(reference.quarters[ranked]) <= QUARTERS
    return sorted(ranked[: max(1, int(fitting.sum()))].tolist())


def common_runs(
    lines: Lines, others: Lines, pieces: int, leave_out_own: bool = False, chosen: Sequence[int] | None = None
) -> tuple[Integers, NDArray[np.float64]]:
    """What the lines of pieces have in common with other lines: ``run`` and ``runs_found`` of ``Copied``, (pieces,).

    Args:
        lines: of the pieces.
        others: of the reference.
        pieces: their number.
        leave_out_own: both are of the same pieces, and a run counts where another piece has it.
        chosen: places of the pieces that are asked for; the values of others mean nothing. None: all.
    """
    ours = np.arange(len(lines.piece)) if chosen is None else np.flatnonzero(np.isin(lines.piece, list(chosen)))
    theirs = np.arange(len(others.piece))

    def meet(ours: Integers, theirs: Integers, steps: int) -> tuple[Integers, Integers]:
        """The places of either side where runs of ``steps`` steps start that the other side has, too."""
        ours, theirs = ours[lines.left[ours] >= steps], theirs[others.left[theirs] >= steps]
        if not len(ours) or not len(theirs):
            return ours[:0], theirs[:0]
        kinds, group = np.unique(others.hashes(theirs, steps), return_inverse=True)
        hashes = lines.hashes(ours, steps)
        where = np.searchsorted(kinds, hashes).clip(max=len(kinds) - 1)
        found = kinds[where] == hashes
        if leave_out_own:
            first, last = np.full(len(kinds), pieces), np.full(len(kinds), -1)
            np.minimum.at(first, group, others.piece[theirs])
            np.maximum.at(last, group, others.piece[theirs])
            found &= (first[where] != lines.piece[ours]) | (last[where] != lines.piece[ours])
        met = np.zeros(len(kinds), dtype=bool)
        met[where[found]] = True
        return ours[found], theirs[met[group]]

    shared = meet(ours, theirs, RUN)[0]
    counts = np.bincount(_distinct(lines.hashes(shared, RUN), lines.piece[shared])[1], minlength=pieces)
    found = ratio(counts, np.bincount(_distinct(*lines.runs(RUN))[1], minlength=pieces))
    # the longest run by doubling, then by halving what is added, for the pieces together that are equally far
    longest = np.zeros(pieces, dtype=np.int64)
    open_pieces: list[tuple[int, int, Integers, Integers]] = []
    steps, (ours, theirs) = 1, meet(ours, theirs, 1)
    while len(ours):
        longest[lines.piece[ours]] = steps + 1
        more, others_more = meet(ours, theirs, 2 * steps)
        open_pieces.append((steps, steps // 2, _without(ours, more, lines), theirs))
        steps, ours, theirs = 2 * steps, more, others_more
    while open_pieces:
        steps, added, ours, theirs = open_pieces.pop()
        if not len(ours) or not added:
            continue
        ours, theirs = meet(ours, theirs, steps)
        more, others_more = meet(ours, theirs, steps + added)
        longest[lines.piece[more]] = steps + added + 1
        open_pieces.append((steps + added, added // 2, more, others_more))
        open_pieces.append((steps, added // 2, _without(ours, more, lines), theirs))
    return longest, found


def _without(places: Integers, others: Integers, lines: Lines) -> Integers:
    """The places in pieces that no other place lies in."""
    return places[~np.isin(lines.piece[places], lines.piece[others])]


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
    """Whether a piece copies more than any real piece does, or all of a window, as a copy does in any company."""
    return copied.score > min(VERBATIM, line.highest)  # nan, where no real piece has a score, is passed over
