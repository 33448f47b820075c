"""Distributions of notes and chords over a set of pieces, compared with those of real music.

Unlike the descriptors of a piece these count over all pieces of a set. All values are whole numbers, so that no density
is estimated and no bandwidth is chosen.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.metrics.descriptors import sounding
from etude.metrics.distance import COVER, finite, mean
from etude.metrics.harmony import CHORDS, chord_changes, chords_at_beats
from etude.metrics.notes import Integers, Notes, top_lines

Observed = tuple[Integers, Integers]  # piece and value of each observation
Counts = Mapping[int, float]
SMOOTHING = 0.5  # of the Kullback-Leibler divergence, added to the count of each value that either side has


@dataclass(frozen=True)
class Kind:
    """What a distribution counts, and the unit of its values; ``""`` for values without an order, as chords."""

    counts: str
    unit: str


KINDS = {
    "pitch": Kind("notes by MIDI pitch", "semitones"),
    "pitch_class": Kind("notes by pitch class, 0 (C) to 11", ""),
    "interval": Kind("steps from note to note in the top line of each track, down negative", "semitones"),
    "duration": Kind("notes by length", "time steps"),
    "onset": Kind("notes by their place in the bar", "time steps"),
    "inter_onset": Kind("time from one onset of a piece to the next", "time steps"),
    "polyphony": Kind("time steps by the number of different pitches that sound", "pitches"),
    "chord": Kind("quarter notes by chord, relative to the tonic", ""),
    "chord_transition": Kind("pairs of successive different chords, relative to the tonic", ""),
    "density": Kind("bars by the number of notes that start in them", "notes"),
}


def observe(notes: Notes) -> dict[str, Observed]:
    """What is counted in each piece, for each of ``KINDS``.

    Drums have no pitch and count only in duration, onset, inter_onset and density. A piece without notes has no
    observation, and so no influence.
    """
    pitched, lines = notes.pitched, top_lines(notes)
    piece, label = chords_at_beats(notes)
    some = pitched.count() > 0
    piece, label = piece[some[piece]], label[some[piece]]
    changed = np.flatnonzero(chord_changes(piece, label))
    axis, pitches = sounding(notes)
    owner = axis.owner
    inside = (np.arange(axis.places) - axis.start[owner] < notes.length[owner]) & some[owner]
    same = lines.track[1:] == lines.track[:-1]
    onsets = np.unique(np.stack([notes.piece, notes.start], axis=1), axis=0)
    follows = onsets[1:, 0] == onsets[:-1, 0]
    bars, numbers = np.unique(
        np.stack([notes.piece, notes.start // notes.measure[notes.piece]], axis=1), axis=0, return_counts=True
    )
    silent = -(-notes.length // notes.measure) - np.bincount(bars[:, 0], minlength=len(notes))
    return {
        "pitch": (pitched.piece, pitched.pitch),
        "pitch_class": (pitched.piece, pitched.pitch % 12),
        "interval": (lines.piece[1:][same], np.diff(lines.pitch)[same]),
        "duration": (notes.piece, notes.end - notes.start),
        "onset": (notes.piece, notes.start % notes.measure[notes.piece]),
        "inter_onset": (onsets[1:, 0][follows], np.diff(onsets[:, 1])[follows]),
        "polyphony": (owner[inside], pitches[inside]),
        "chord": (piece, label),
        "chord_transition": (piece[changed], label[changed - 1] * CHORDS + label[changed]),
        "density": (
            np.concatenate([bars[:, 0], np.repeat(np.arange(len(notes)), silent)]),
            np.concatenate([numbers, np.zeros(silent.sum(), np.int64)]),
        ),
    }


def pool(observed: Observed, pieces: Sequence[int] | None = None) -> dict[int, int]:
    """The count of each value over all pieces, or over some of them (given twice, they count twice), by value."""
    piece, value = observed
    weights = np.ones(len(value), dtype=np.int64)
    if pieces is not None:
        times = np.bincount(np.asarray(pieces, dtype=np.int64), minlength=int(piece.max(initial=0)) + 1)
        weights = times[piece]
    values, place = np.unique(value, return_inverse=True)
    counts = np.bincount(place, weights, len(values)).astype(np.int64)
    return {int(one): int(count) for one, count in zip(values, counts, strict=True) if count}


def _by_piece(observed: Observed, values: NDArray[np.int64], pieces: int) -> NDArray[np.float64]:
    """The counts of each piece: (pieces, values)."""
    each = np.zeros((pieces, len(values)))
    np.add.at(each, (observed[0], np.searchsorted(values, observed[1])), 1)
    return each


def _aligned(ours: Counts, theirs: Counts) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """All values of either side, ascending, and the counts of both: each (values,)."""
    values = sorted({*ours, *theirs})
    return (
        np.array(values, dtype=np.int64),
        np.array([ours.get(value, 0) for value in values], dtype=float),
        np.array([theirs.get(value, 0) for value in values], dtype=float),
    )


def overlap(ours: Counts, theirs: Counts) -> float:
    """Area under both of two histograms, in [0, 1]: 1 for equal shares, 0 without a common value; nan if one is empty.

    Source: overlapping area (L.-C. Yang and A. Lerch, On the evaluation of generative models in music, 2020), here of
    the distributions themselves.
    """
    _, a, b = _aligned(ours, theirs)
    return float(_measure(a, b, _overlap))


def jensen_shannon(ours: Counts, theirs: Counts) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1]: 0 for equal shares, 1 without a common value; nan if one is empty.

    It is the mean Kullback-Leibler divergence of the two from their mean.
    Source: J. Lin, Divergence measures based on the Shannon entropy, 1991.
    """
    _, a, b = _aligned(ours, theirs)
    return float(_measure(a, b, _jensen_shannon))


def wasserstein(ours: Counts, theirs: Counts) -> float:
    """1-Wasserstein distance in the unit of the values: the least mean shift that turns one into the other.

    At least 0, and 0 for equal shares; nan if one is empty. Only for values with an order.
    """
    values, a, b = _aligned(ours, theirs)
    return float(_measure(a, b, partial(_wasserstein, values)))


def kullback_leibler(real: Counts, ours: Counts) -> float:
    """Kullback-Leibler divergence of ``ours`` from ``real`` in nats, at least 0; nan if one is empty.

    It is 0 for equal counts: the nats that real music costs, per value, where the shares of ``ours`` are taken for its
    own. Both sides are counted on the same values, all that either has, with ``SMOOTHING`` added to each count, so that
    it is finite. Densities that are estimated on ranges of their own, as in a known toolkit, call a transposed copy
    equal.
    Source: S. Kullback and R. Leibler, On information and sufficiency, 1951; smoothing after Krichevsky and Trofimov.
    """
    _, b, a = _aligned(real, ours)
    return float(_measure(a, b, _kullback_leibler))


def _measure(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """A measure of counts (..., values) and (..., values): (...), nan where either is empty."""
    known = (ours.sum(-1) > 0) & (theirs.sum(-1) > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known, measure(ours, theirs), math.nan)


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = counts / counts.sum(-1, keepdims=True)
    return found


def _overlap(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(_shares(ours), _shares(theirs)).sum(-1)


def _jensen_shannon(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    p, q = _shares(ours), _shares(theirs)
    mean = (p + q) / 2
    bits = [np.where(part > 0, part * np.log2(part / mean), 0).sum(-1) for part in (p, q)]
    return np.clip(sum(bits) / 2, 0, 1)


def _wasserstein(
    values: NDArray[np.int64], ours: NDArray[np.float64], theirs: NDArray[np.float64]
) -> NDArray[np.float64]:
    apart = np.abs(np.cumsum(_shares(ours) - _shares(theirs), axis=-1))[..., :-1]
    found: NDArray[np.float64] = (apart * np.diff(values)).sum(-1)
    return found


def _kullback_leibler(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    p, q = _shares(theirs + SMOOTHING), _shares(ours + SMOOTHING)
    return np.maximum(0, (p * np.log(p / q)).sum(-1))


def compare(
    ours: Mapping[str, Observed], real: Mapping[str, Counts], pieces: int, resamples: int, seed: int
) -> dict[str, Any]:
    """Compare the distributions of a set of pieces with those of real music.

    Args:
        ours: as ``observe`` gives it.
        real: distribution -> value -> count; those of ``ours`` that it lacks are left out.
        pieces: number of pieces of the set, with and without notes.
        resamples: of the bootstrap, which draws whole pieces with replacement.
        seed: of the bootstrap.

    Returns:
        For each distribution ``overlap`` and ``jensen_shannon``, each with ``_low`` and ``_high`` (95 %, moved like
        ``etude.metrics.distance.interval``), ``wasserstein`` (values with an order alone), ``kullback_leibler``, and
        ``counts``, the pairs of a value and its count.
    """
    rng = np.random.default_rng(seed)
    times = rng.multinomial(pieces, np.full(pieces, 1 / max(1, pieces)), resamples) if pieces else np.zeros((0, 0))
    found: dict[str, Any] = {}
    for name, theirs in real.items():
        counts = pool(ours[name])
        values, _, b = _aligned(counts, theirs)
        drawn = times @ _by_piece(ours[name], values, pieces)  # (resamples, values); whole numbers, exact in any order
        measured: dict[str, Any] = {
            "overlap": overlap(counts, theirs),
            "jensen_shannon": jensen_shannon(counts, theirs),
            "kullback_leibler": kullback_leibler(theirs, counts),
        }
        if KINDS[name].unit:
            measured["wasserstein"] = wasserstein(counts, theirs)
        for measure, function in (("overlap", _overlap), ("jensen_shannon", _jensen_shannon)):
            low, high = _interval(measured[measure], _measure(drawn, b, function))
            measured |= {f"{measure}_low": low, f"{measure}_high": high}
        found[name] = {**measured, "counts": sorted(counts.items())}
    return found


def _interval(value: float, drawn: NDArray[np.float64]) -> tuple[float, float]:
    """The percentiles of ``COVER``, moved by the mean change that drawing with replacement makes, within [0, 1]."""
    drawn = finite(drawn)
    if math.isnan(value) or not len(drawn):
        return math.nan, math.nan
    low, high = np.clip(np.percentile(drawn, COVER) - drawn.mean() + value, 0, 1)
    return float(low), float(high)


def compare_at_size(
    ours: Mapping[str, Observed], real: Mapping[str, Counts], pieces: int, size: int, draws: int, seed: int
) -> dict[str, Any]:
    """``compare`` for sets of ``size`` of the pieces: means over ``draws`` sets without replacement, and their 95 %.

    A set in which nothing is observed is left out. With no more than ``size`` pieces, all pieces are the set, with the
    intervals of ``compare``.
    """
    if pieces <= size:
        return {name: _without_counts(entry) for name, entry in compare(ours, real, pieces, draws, seed).items()}
    rng = np.random.default_rng(seed)
    sets = [rng.choice(pieces, size, replace=False) for _ in range(draws)]
    times = np.zeros((draws, pieces))
    for row, chosen in enumerate(sets):
        times[row, chosen] = 1
    found = {}
    for name, theirs in real.items():
        values, _, b = _aligned(pool(ours[name]), theirs)
        drawn = times @ _by_piece(ours[name], values, pieces)
        measured: dict[str, float] = {}
        for measure, function in (("overlap", _overlap), ("jensen_shannon", _jensen_shannon)):
            made = finite(_measure(drawn, b, function))
            low, high = np.percentile(made, COVER) if len(made) else (math.nan, math.nan)
            measured |= {measure: mean(made), f"{measure}_low": float(low), f"{measure}_high": float(high)}
        measured["kullback_leibler"] = mean(_measure(drawn, b, _kullback_leibler))
        if KINDS[name].unit:
            measured["wasserstein"] = mean(_measure(drawn, b, partial(_wasserstein, values)))
        found[name] = measured
    return found


def _without_counts(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "counts"}
