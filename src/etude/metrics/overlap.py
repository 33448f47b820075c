"""Samples beside real music, note by note: overlap of distributions, and how many of the bars are distinct.

Unlike the descriptors of a piece these count over all pieces of a set together, so that a model which writes the same
few bars again and again shows.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from symusic.core import ScoreTick

from etude.metrics.descriptors import Grid, grid

DISTRIBUTIONS = {  # name -> what is counted
    "pitch_class": "notes by pitch class, 0 (C) to 11",
    "duration": "notes by length in time steps",
    "polyphony": "time steps by the number of different pitches that sound",
}
Counts = Mapping[int, float]
Bar = frozenset[tuple[int, int, int, int]]  # of track, onset in the bar, pitch, length


def overlap(ours: Counts, theirs: Counts) -> float:
    """Area under both of two histograms, in [0, 1]: 1 for equal shares, 0 where none is common; nan if one is empty.

    Source: overlapping area (L.-C. Yang and A. Lerch, On the evaluation of generative models in music, 2020), here of
    the distributions themselves, whose values are whole numbers, so that no density has to be estimated.
    """
    our_total, their_total = sum(ours.values()), sum(theirs.values())
    if not our_total or not their_total:
        return math.nan
    common = sorted(set(ours) & set(theirs))
    return math.fsum(min(ours[value] / our_total, theirs[value] / their_total) for value in common)


@dataclass(frozen=True)
class Counted:
    """What is counted in one piece, or in several: ``distributions`` by name, every bar that has a note (``bars``), and
    the same bars moved to one place (``shapes``, see ``in_any_key``).
    """

    distributions: dict[str, Counter[int]]
    bars: tuple[Bar, ...]
    shapes: tuple[Bar, ...]


def count(score: ScoreTick, resolution: int, bars: int) -> Counted:
    """Count in the first ``bars`` bars at ``resolution`` time steps a quarter (``etude.metrics.descriptors.grid``).

    Drums have no pitch and are left out of pitch classes and polyphony. Time steps count up to the end of the last
    note. A bar holds the notes that begin in it. A piece without notes gives nothing to count.
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
    return Counted(distributions, found, tuple(map(in_any_key, found)))


def _bars(opening: Grid) -> tuple[Bar, ...]:
    found: dict[int, set[tuple[int, int, int, int]]] = {}
    for track, (_, _, notes) in enumerate(opening.notes):
        for start, end, pitch in notes.tolist():
            bar, onset = divmod(start, opening.measure)
            found.setdefault(bar, set()).add((track, onset, pitch, end - start))
    return tuple(frozenset(found[bar]) for bar in sorted(found))


def together(pieces: Sequence[Counted]) -> Counted:
    """Several pieces as one."""
    totals: dict[str, Counter[int]] = {name: Counter() for name in DISTRIBUTIONS}
    for piece in pieces:
        for name, counted in piece.distributions.items():
            totals[name].update(counted)
    bars, shapes = ([bar for piece in pieces for bar in getattr(piece, name)] for name in ("bars", "shapes"))
    return Counted(totals, tuple(bars), tuple(shapes))


def in_any_key(bar: Bar) -> Bar:
    """The bar moved so that its lowest pitch is 0: equal for bars that differ by a transposition."""
    low = min(pitch for _, _, pitch, _ in bar)
    return frozenset((track, onset, pitch - low, length) for track, onset, pitch, length in bar)


def distinct(counted: Counted) -> dict[str, float]:
    """How many bars differ from each other.

    Returns:
        ``bars``, their number; ``distinct_bars``, how many are left when equal ones count once; ``distinct_any_key``,
        when transposed ones count once, too; ``distinct_share``, that last number as a share of ``bars``, in [0, 1]
        (nan without bars). Music repeats bars, so real music has less than 1 as well; a collapsed model has next to 0.
        The more bars, the lower the share: compare sets of one size.
    """
    bars, kinds = len(counted.bars), len(set(counted.shapes))
    return {
        "bars": bars,
        "distinct_bars": len(set(counted.bars)),
        "distinct_any_key": kinds,
        "distinct_share": kinds / bars if bars else math.nan,
    }


def beside(pieces: Sequence[Counted], real: Mapping[str, Counts]) -> dict[str, float]:
    """A set of pieces beside the distributions of real music: ``overlap_NAME`` of each, and what ``distinct`` gives."""
    ours = together(pieces)
    areas = {f"overlap_{name}": overlap(ours.distributions[name], counts) for name, counts in real.items()}
    return {**areas, **distinct(ours)}


def beside_at_size(
    pieces: Sequence[Counted], real: Mapping[str, Counts], size: int, draws: int, seed: int
) -> dict[str, float]:
    """Means of ``beside`` over ``draws`` sets of ``size`` of the pieces, drawn without replacement.

    With no more than ``size`` pieces it is those pieces.
    """
    if len(pieces) <= size:
        return beside(pieces, real)
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(draws):
        rows.append(beside([pieces[place] for place in draw.choice(len(pieces), size, replace=False)], real))
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
