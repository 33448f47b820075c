"""How far a set of pieces is from real music: distances between sets of descriptors, and between a piece and a set."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import wasserstein_distance

Values = Sequence[float] | np.ndarray
COVER = (2.5, 97.5)  # percentiles of a 95 % interval


def finite(values: Values) -> np.ndarray:
    """``values`` without nan."""
    array = np.asarray(values, dtype=float)
    kept: np.ndarray = array[~np.isnan(array)]
    return kept


def unit(real: Values) -> float:
    """The standard deviation of the real values, by which distances are divided; 1 where they are all the same.

    So a distance to a descriptor that is constant in real music is in the descriptor's own unit.
    """
    kept = finite(real)
    return float(np.std(kept)) if len(kept) and np.ptp(kept) > 0 else 1.0


def distance(sample: Values, real: Values, scale: float | None = None) -> float:
    """1-Wasserstein distance of two sets of values of one descriptor, in standard deviations of the real values.

    The least mean way that values must move to turn one set into the other: 0 for equal sets, k where all values are k
    standard deviations too high. Unlike a Kullback-Leibler divergence of estimated densities it needs neither bins nor
    a bandwidth, and two sets that do not overlap still have their distance. nan values are dropped; nan where nothing
    is left of either set. Two finite sets from one source are a little apart: compare with real against real.

    Args:
        sample: values in any order and of any number.
        real: the same of real music.
        scale: what to divide by, in place of ``unit(real)``.

    Source: scipy.stats.wasserstein_distance.
    """
    ours, theirs = finite(sample), finite(real)
    if not len(ours) or not len(theirs):
        return math.nan
    return float(wasserstein_distance(ours, theirs)) / (unit(theirs) if scale is None else scale)


def distances(samples: Mapping[str, Values], real: Mapping[str, Values]) -> dict[str, float]:
    """The distance of each descriptor that both have, by name; nan where one of the two holds no value."""
    return {name: distance(samples[name], real[name]) for name in samples if name in real}


def overall(samples: Mapping[str, Values], real: Mapping[str, Values]) -> float:
    """Mean distance over the descriptors that have values on both sides, in standard deviations; nan if none has."""
    return _mean(list(distances(samples, real).values()))


def interval(
    samples: Mapping[str, Values], real: Mapping[str, Values], resamples: int, seed: int
) -> tuple[float, float]:
    """95 % bootstrap interval of ``overall``: the spread it has over pieces drawn anew, around the value itself.

    Whole pieces are drawn with replacement, the samples and the real ones each: arrays of one side must have one
    length, a place being one piece (nan where it has no value). The unit stays that of the given real pieces (a rare
    value that a draw misses would change it beyond measure), so its own uncertainty is not in the interval. Drawing
    with replacement pushes a distance up, since a draw has fewer different pieces, so the plain percentiles would lie
    above the value that they belong to: they are moved down by the mean of that push, and not below 0.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 10 and 13.
    """
    value = overall(samples, real)
    if math.isnan(value):
        return math.nan, math.nan
    names = [name for name in samples if name in real]
    ours = np.stack([np.asarray(samples[name], dtype=float) for name in names])  # (descriptors, pieces)
    theirs = np.stack([np.asarray(real[name], dtype=float) for name in names])  # (descriptors, real pieces)
    units = [unit(row) for row in theirs]
    draw = np.random.default_rng(seed)
    sample_pieces = []
    for _ in range(resamples):
        left = ours[:, draw.integers(ours.shape[1], size=ours.shape[1])]
        right = theirs[:, draw.integers(theirs.shape[1], size=theirs.shape[1])]
        sample_pieces.append(_mean([distance(a, b, scale) for a, b, scale in zip(left, right, units, strict=True)]))
    kept = finite(sample_pieces)
    if not len(kept):
        return math.nan, math.nan
    low, high = np.percentile(kept, COVER) - kept.mean() + value
    return max(0.0, float(low)), float(high)


def at_size(
    samples: Mapping[str, Values], real: Mapping[str, Values], size: int, draws: int, seed: int
) -> dict[str, Any]:
    """How far sets of ``size`` pieces out of ``samples`` are from ``real``.

    Of one source, a small set is farther than a large one: sets of other sizes do not compare.

    Args:
        samples: descriptor -> values, a place being one piece.
        real: the same of real music.
        size: how many pieces a set has; whole sets, drawn without replacement. With no more than ``size`` pieces it is
            those pieces, with their ``interval``.
        draws: number of sets, or of the interval's resamples.
        seed: of the draws.

    Returns:
        ``pieces`` a set, ``distance`` (the mean of ``overall`` over the sets), ``low`` and ``high`` (what 95 % of the
        sets score), and ``descriptors``, the mean distance of each.
    """
    count = max((len(values) for values in samples.values()), default=0)
    if count <= size:
        low, high = interval(samples, real, draws, seed)
        apart = distances(samples, real)
        return {"pieces": count, "distance": overall(samples, real), "low": low, "high": high, "descriptors": apart}
    names = [name for name in samples if name in real]
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(draws):
        chosen = draw.choice(count, size, replace=False)
        sample_pieces = {name: np.asarray(samples[name], dtype=float)[chosen] for name in names}
        rows.append(list(distances(sample_pieces, real).values()))
    scored = np.array(rows)  # (draws, descriptors)
    each = finite([_mean(row) for row in scored])
    low, high = np.percentile(each, COVER) if len(each) else (math.nan, math.nan)
    apart = {name: _mean(column) for name, column in zip(names, scored.T, strict=True)}
    return {"pieces": size, "distance": _mean(each), "low": float(low), "high": float(high), "descriptors": apart}


def mean_interval(values: Values, resamples: int, seed: int) -> tuple[float, float, float]:
    """Mean of the values that are not nan with its 95 % percentile bootstrap interval: mean, low, high; nan if none."""
    kept = finite(values)
    if not len(kept):
        return math.nan, math.nan, math.nan
    draw = np.random.default_rng(seed)
    means = kept[draw.integers(len(kept), size=(resamples, len(kept)))].mean(axis=1)
    low, high = np.percentile(means, COVER)
    return float(kept.mean()), float(low), float(high)


def piece_distances(samples: Mapping[str, Values], real: Mapping[str, Values]) -> np.ndarray:
    """How far each piece is from the middle of real music: (pieces,), in standard deviations.

    The mean over descriptors of ``|value - median of real| / unit(real)``, nan values left out; nan where a piece has
    no value at all. A piece at 0 is typical in every respect, which is not the same as good.
    """
    names = [name for name in samples if name in real and len(finite(real[name]))]
    count = max((len(values) for values in samples.values()), default=0)
    if not names or not count:
        return np.full(count, math.nan)
    rows = [
        np.abs(np.asarray(samples[name], dtype=float) - np.median(finite(real[name]))) / unit(real[name])
        for name in names
    ]
    table = np.stack(rows, axis=1)  # (pieces, descriptors)
    return np.array([_mean(row) for row in table])


def ranks(values: Values) -> list[int]:
    """The rank of each value: 0 for the smallest; equal values by place; nan last."""
    array = np.asarray(values, dtype=float)
    order = np.argsort(array, kind="stable")  # numpy sorts nan to the end
    places = np.empty(len(array), dtype=int)
    places[order] = np.arange(len(array))
    return [int(place) for place in places]


def summary(samples: Mapping[str, Values], resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Each descriptor's mean, its 95 % bootstrap interval (low, high) and all its values, one a piece."""
    found: dict[str, dict[str, Any]] = {}
    for name, values in samples.items():
        mean, low, high = mean_interval(values, resamples, seed)
        found[name] = {"mean": mean, "low": low, "high": high, "values": [float(value) for value in values]}
    return found


def rounded(value: Any) -> Any:
    """``value`` (numbers, lists, mappings) as reports hold it: floats to 6 decimals, nan and infinity as ``None``.

    The last digits of a sum depend on the processor; without them equal results are equal bytes.
    """
    if isinstance(value, Mapping):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return round(float(value), 6) + 0.0 if math.isfinite(value) else None  # + 0.0: no minus before a zero
    return value


def _mean(values: Values) -> float:
    kept = finite(values)
    return float(kept.mean()) if len(kept) else math.nan
