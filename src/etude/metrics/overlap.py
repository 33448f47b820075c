"""Samples compared with real music, note by note: overlap of distributions, and how many of the bars are distinct.

Unlike the descriptors of a piece these count over all pieces of a set, so that a model that repeats the same few bars
is detected.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from symusic.core import ScoreTick

from etude.metrics.descriptors import Grid, grid

DISTRIBUTIONS = {  # name -> its counts
    "pitch_class": "notes by pitch class, 0 (C) to 11",
    "duration": "notes by length in time steps",
    "polyphony": "time steps by the number of different pitches that sound",
}
Counts = Mapping[int, float]
Bar = frozenset[tuple[int, int, int, int]]  # of (track, onset in the bar, pitch, length)


def overlap(ours: Counts, theirs: Counts) -> float:
    """Area under both of two histograms, in [0, 1]: 1 for equal shares, 0 without a common value; nan if one is empty.

    Source: overlapping area (L.-C. Yang and A. Lerch, On the evaluation of generative models in music, 2020), here of
    the distributions themselves, whose values are whole numbers, so that no density is estimated.
    """
    our_total, their_total = sum(ours.values()), sum(theirs.values())
    if not our_total or not their_total:
        return math.nan
    common = sorted(set(ours) & set(theirs))
    return math.fsum(min(ours[value] / our_total, theirs[value] / their_total) for value in common)


@dataclass(frozen=True)
class NoteCounts:
    """The counts of one or more pieces: ``distributions`` by name, every bar with a note (``bars``), and the same bars
    transposed to one place (``shapes``, see ``in_any_key``).
    """

    distributions: dict[str, Counter[int]]
    bars: tuple[Bar, ...]
    shapes: tuple[Bar, ...]


def count(score: ScoreTick, resolution: int, bars: int) -> NoteCounts:
    """Count in the first ``bars`` bars at ``resolution`` time steps per quarter note (see ``descriptors.grid``).

    Drums have no pitch and are left out of pitch classes and polyphony. Time steps count up to the end of the last
    note. A bar holds the notes that start in it. A piece without notes has empty counts.
    """
    opening = grid(score, resolution, bars)
    pitched = [notes for is_drum, _, notes in opening.notes if not is_drum]
    melodic = np.concatenate([*pitched, np.zeros((0, 3), np.int64)])
    every = np.concatenate([*(notes for _, _, notes in opening.notes), np.zeros((0, 3), np.int64)])
    sounding = np.zeros((opening.length, 128), dtype=bool)
    for start, end, pitch in melodic.tolist():
        sounding[start:end, pitch] = True
    distributions: dict[str, Counter[int]] = {
        "pitch_class": Counter((melodic[:, 2] % 12).tolist()),
        "duration": Counter((every[:, 1] - every[:, 0]).tolist()),
        "polyphony": Counter(sounding.sum(axis=1).tolist() if len(melodic) else []),
    }
    found = _bars(opening)
    return NoteCounts(distributions, found, tuple(map(in_any_key, found)))


def _bars(opening: Grid) -> tuple[Bar, ...]:
    found: dict[int, set[tuple[int, int, int, int]]] = {}
    for track, (_, _, notes) in enumerate(opening.notes):
        for start, end, pitch in notes.tolist():
            bar, onset = divmod(start, opening.measure)
            found.setdefault(bar, set()).add((track, onset, pitch, end - start))
    return tuple(frozenset(found[bar]) for bar in sorted(found))


def pool(pieces: Sequence[NoteCounts]) -> NoteCounts:
    """Add the counts of several pieces."""
    totals: dict[str, Counter[int]] = {name: Counter() for name in DISTRIBUTIONS}
    for piece in pieces:
        for name, counts in piece.distributions.items():
            totals[name].update(counts)
    bars, shapes = ([bar for piece in pieces for bar in getattr(piece, name)] for name in ("bars", "shapes"))
    return NoteCounts(totals, tuple(bars), tuple(shapes))


def in_any_key(bar: Bar) -> Bar:
    """The bar transposed so that its lowest pitch is 0: equal for bars that differ by a transposition."""
    low = min(pitch for _, _, pitch, _ in bar)
    return frozenset((track, onset, pitch - low, length) for track, onset, pitch, length in bar)


def distinct(counts: NoteCounts) -> dict[str, float]:
    """Count the bars that differ from each other.

    Returns:
        ``bars``, their number; ``distinct_bars``, the number when equal ones count once; ``distinct_any_key``, when
        transposed ones count once, too; ``distinct_share``, ``distinct_any_key / bars``, in [0, 1] (nan without bars).
        Real music repeats bars and has less than 1 as well; a collapsed model has almost 0. The share falls with the
        number of bars: compare sets of one size.
    """
    bars, kinds = len(counts.bars), len(set(counts.shapes))
    return {
        "bars": bars,
        "distinct_bars": len(set(counts.bars)),
        "distinct_any_key": kinds,
        "distinct_share": kinds / bars if bars else math.nan,
    }


def compare(pieces: Sequence[NoteCounts], real: Mapping[str, Counts]) -> dict[str, float]:
    """Compare a set of pieces with the distributions of real music: ``overlap_NAME`` of each, and ``distinct``."""
    ours = pool(pieces)
    areas = {f"overlap_{name}": overlap(ours.distributions[name], counts) for name, counts in real.items()}
    return {**areas, **distinct(ours)}


def compare_at_size(
    pieces: Sequence[NoteCounts], real: Mapping[str, Counts], size: int, draws: int, seed: int
) -> dict[str, float]:
    """Means of ``compare`` over ``draws`` sets of ``size`` of the pieces, drawn without replacement.

    With no more than ``size`` pieces, all pieces are the set.
    """
    if len(pieces) <= size:
        return compare(pieces, real)
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(draws):
        rows.append(compare([pieces[place] for place in draw.choice(len(pieces), size, replace=False)], real))
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
