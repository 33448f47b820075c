"""Distance from real music: between sets of descriptors, and between a piece and a set."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Values = Sequence[float] | np.ndarray
COVER = (2.5, 97.5)  # percentiles of a 95 % interval


def finite(values: Values) -> np.ndarray:
    """``values`` without nan."""
    array = np.asarray(values, dtype=float)
    kept: np.ndarray = array[~np.isnan(array)]
    return kept


def unit(real: Values) -> float:
    """The standard deviation of the real values, the divisor of distances; 1 where they are all equal.

    A distance to a descriptor that is constant in real music is therefore in the descriptor's own unit.
    """
    kept = finite(real)
    return float(np.std(kept)) if len(kept) and np.ptp(kept) > 0 else 1.0


def distance(sample: Values, real: Values, scale: float | None = None) -> float:
    """1-Wasserstein distance of two sets of values of one descriptor, in standard deviations of the real values.

    It is the least mean shift of values that turns one set into the other: 0 for equal sets, k where all values are k
    standard deviations too high. Unlike a Kullback-Leibler divergence of estimated densities it needs neither bins nor
    a bandwidth, and is finite for sets that do not overlap. nan values are dropped; the result is nan if a set is then
    empty. Two finite sets from one source are slightly apart: compare with real against real.

    Args:
        sample: any number of values, in any order.
        real: the same of real music.
        scale: the divisor, instead of ``unit(real)``.

    Source: scipy.stats.wasserstein_distance.
    """
    from scipy.stats import wasserstein_distance  # takes seconds

    ours, theirs = finite(sample), finite(real)
    if not len(ours) or not len(theirs):
        return math.nan
    return float(wasserstein_distance(ours, theirs)) / (unit(theirs) if scale is None else scale)


def distances(samples: Mapping[str, Values], real: Mapping[str, Values]) -> dict[str, float]:
    """The distance of each descriptor that both have, by name; nan where one of them has no value."""
    return {name: distance(samples[name], real[name]) for name in samples if name in real}


def overall(samples: Mapping[str, Values], real: Mapping[str, Values]) -> float:
    """Mean distance over the descriptors with values in both sets, in standard deviations; nan if there is none."""
    return mean(list(distances(samples, real).values()))


def interval(
    samples: Mapping[str, Values], real: Mapping[str, Values], resamples: int, seed: int
) -> tuple[float, float]:
    """95 % bootstrap interval of ``overall``: its spread over resampled pieces, around the value itself.

    Whole pieces are drawn with replacement, from the samples and from the real ones: the arrays of one set must have
    one length, where a place is one piece (nan where it has no value). The unit stays that of the given real pieces (a
    draw that misses a rare value would change it too much), so its own uncertainty is not in the interval. Drawing with
    replacement increases a distance, since a draw has fewer different pieces, so the plain percentiles would lie above
    the value: they are moved down by the mean increase, but not below 0.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 10 and 13.
    """
    value = overall(samples, real)
    if math.isnan(value):
        return math.nan, math.nan
    names = [name for name in samples if name in real]
    sizes = [max((len(part[name]) for name in names), default=0) for part in (samples, real)]
    draw = np.random.default_rng(seed)
    times = [np.zeros((resamples, size)) for size in sizes]  # how often each piece is drawn
    for row in range(resamples):
        for drawn, size in zip(times, sizes, strict=True):
            drawn[row] = np.bincount(draw.integers(size, size=size), minlength=size)
    drawn_distances = [_of_draws(samples[name], times[0], real[name], times[1]) / unit(real[name]) for name in names]
    kept = finite(mean_known(np.stack(drawn_distances)))
    if not len(kept):
        return math.nan, math.nan
    low, high = np.percentile(kept, COVER) - kept.mean() + value
    return max(0.0, float(low)), float(high)


def _of_draws(sample: Values, ours: np.ndarray, real: Values, theirs: np.ndarray) -> np.ndarray:
    """1-Wasserstein distances of sets that are drawn from both sides: (draws,); nan where a set has no value.

    Args:
        sample: (pieces,), nan where a piece has no value.
        ours: (draws, pieces), how often each of these pieces is in each set.
        real: (real pieces,), likewise.
        theirs: (draws, real pieces), or (1, real pieces) for one set.
    """
    values = np.concatenate([np.asarray(sample, dtype=float), np.asarray(real, dtype=float)])
    order = np.argsort(values, kind="stable")[: len(finite(values))]  # numpy sorts nan to the end
    shares = []
    for times, place in ((ours, order), (theirs, order - ours.shape[1])):
        inside = (place >= 0) & (place < times.shape[1])
        counts = np.where(inside, times[:, np.where(inside, place, 0)], 0)
        total = counts.sum(axis=1, keepdims=True)
        shares.append(np.cumsum(counts / np.where(total > 0, total, math.nan), axis=1))
    apart = np.abs(shares[0] - shares[1])[:, :-1]
    found: np.ndarray = apart @ np.diff(values[order])
    return (
        np.where(np.isnan(shares[0][:, -1:] + shares[1][:, -1:])[:, 0], math.nan, found)
        if len(order)
        else (np.full(len(ours), math.nan))
    )


def mean_known(values: np.ndarray) -> np.ndarray:
    """Means over the first axis without nan; nan where all are."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    found = np.full(values.shape[1:], math.nan)
    np.divide(np.where(known, values, 0).sum(axis=0), count, out=found, where=count > 0)
    return found


def at_size(
    samples: Mapping[str, Values], real: Mapping[str, Values], size: int, draws: int, seed: int
) -> dict[str, Any]:
    """Measure the distance of sets of ``size`` pieces out of ``samples`` from ``real``.

    A small set of one source is farther than a large one: only sets of equal size compare.

    Args:
        samples: descriptor -> values, where a place is one piece.
        real: the same of real music.
        size: number of pieces in a set, drawn without replacement. With no more than ``size`` pieces, all pieces are
            the set, with their ``interval``.
        draws: number of sets, or of the interval's resamples.
        seed: of the draws.

    Returns:
        ``pieces`` in a set, ``distance`` (the mean of ``overall`` over the sets), ``low`` and ``high`` (the range of
        95 % of the sets), and ``descriptors``, the mean distance of each.
    """
    count = max((len(values) for values in samples.values()), default=0)
    if count <= size:
        low, high = interval(samples, real, draws, seed)
        apart = distances(samples, real)
        return {"pieces": count, "distance": overall(samples, real), "low": low, "high": high, "descriptors": apart}
    names = [name for name in samples if name in real]
    draw = np.random.default_rng(seed)
    times = np.zeros((draws, count))
    for row in range(draws):
        times[row, draw.choice(count, size, replace=False)] = 1
    every = [np.ones((1, len(real[name]))) for name in names]
    scored = np.stack(  # (descriptors, draws)
        [
            _of_draws(samples[name], times, real[name], all_) / unit(real[name])
            for name, all_ in zip(names, every, strict=True)
        ]
    )
    each = finite(mean_known(scored))
    low, high = np.percentile(each, COVER) if len(each) else (math.nan, math.nan)
    apart = {name: mean(row) for name, row in zip(names, scored, strict=True)}
    return {"pieces": size, "distance": mean(each), "low": float(low), "high": float(high), "descriptors": apart}


def mean_interval(values: Values, resamples: int, seed: int) -> tuple[float, float, float]:
    """Mean of the values that are not nan, with its 95 % percentile bootstrap interval: mean, low, high.

    One value has no interval, none has no mean: nan.
    """
    kept = finite(values)
    if len(kept) < 2:
        return mean(kept), math.nan, math.nan
    draw = np.random.default_rng(seed)
    means = kept[draw.integers(len(kept), size=(resamples, len(kept)))].mean(axis=1)
    low, high = np.percentile(means, COVER)
    return float(kept.mean()), float(low), float(high)


def ratio_interval(costs: np.ndarray, counts: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the sum of costs divided by the sum of counts, over pieces.

    Args:
        costs: (pieces,) in nats.
        counts: (pieces,) notes.
        resamples: number of resamples of the pieces, with replacement.
        seed: of the resamples.

    Returns:
        low and high, in nats per note; nan without notes.
    """
    if not len(costs) or not counts.sum():
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(len(costs), size=(resamples, len(costs)))
    totals = counts[drawn].sum(axis=1)
    shares = costs[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.percentile(shares, COVER)
    return float(low), float(high)


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
    return np.array([mean(row) for row in table])


def ranks(values: Values) -> list[int]:
    """The rank of each value: 0 for the smallest; equal values by place; nan last."""
    array = np.asarray(values, dtype=float)
    order = np.argsort(array, kind="stable")  # numpy sorts nan to the end
    places = np.empty(len(array), dtype=int)
    places[order] = np.arange(len(array))
    return [int(place) for place in places]


def summary(samples: Mapping[str, Values], resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Each descriptor's mean, its 95 % bootstrap interval (low, high) and all its values, one per piece."""
    found: dict[str, dict[str, Any]] = {}
    for name, values in samples.items():
        mean, low, high = mean_interval(values, resamples, seed)
        found[name] = {"mean": mean, "low": low, "high": high, "values": [float(value) for value in values]}
    return found


def round_floats(value: Any) -> Any:
    """Round ``value`` (numbers, lists, mappings) for a report: floats to 6 decimals, nan and infinity to ``None``.

    The last digits of a sum depend on the CPU; without them equal results are equal bytes.
    """
    if isinstance(value, Mapping):
        return {name: round_floats(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [round_floats(item) for item in value]
    if isinstance(value, float):
        return round(float(value), 6) + 0.0 if math.isfinite(value) else None  # + 0.0: no negative zero
    return value


def mean(values: Values) -> float:
    """The mean of the values that are not nan; nan without any."""
    kept = finite(values)
    return float(kept.mean()) if len(kept) else math.nan
