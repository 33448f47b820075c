"""Measures of two whole sets of pieces, by their vectors (``etude.metrics.features``): how far apart they are.

All depend on the number of pieces: compare sets of one size, and with real music against real music at that size.
The intervals leave out each piece once: their time grows with the cube of the number of pieces.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.metrics.distance import COVER

Vectors = NDArray[np.float64]  # (pieces, dimensions)
NEIGHBOURS = 5  # of precision, recall, density and coverage
FOLDS, REPEATS = 5, 20  # of the classifier's cross-validation
RIDGE = 20.0  # of the classifier, on standardised features
TELLING = 5  # features that are named
FEWEST = 8  # pieces of a set
GROUPS = 50  # of pieces that the jackknife leaves out in turn; of fewer pieces each is one
# measure -> its unit and whether lower or higher is better; in the order of tables
MEASURES: dict[str, tuple[str, str]] = {
    "frechet": ("squared standard deviations", "lower"),
    "mmd": ("squared", "lower"),
    "precision": ("share of samples", "higher"),
    "recall": ("share of real pieces", "higher"),
    "density": ("per sample", "higher"),
    "coverage": ("share of real pieces", "higher"),
    "classifier": ("share recognised", "lower"),
}


def frechet(ours: Vectors, real: Vectors) -> float:
    """Fréchet distance of two normal distributions with the sets' means and covariances.

    |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^0.5), at least 0; in squared units of the vectors. Covariances are those of
    Ledoit and Wolf, since pieces are few. It is no Fréchet Music Distance, which takes the embeddings of a trained
    network.
    Sources: D. Dowson and B. Landau, The Fréchet distance between multivariate normal distributions, 1982; O. Ledoit
    and M. Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004.
    """
    from sklearn.covariance import ledoit_wolf  # takes a second

    (first, _), (second, _) = ledoit_wolf(ours), ledoit_wolf(real)
    values, turns = np.linalg.eigh(first)
    root = (turns * np.sqrt(np.maximum(values, 0))) @ turns.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    apart = ((ours.mean(axis=0) - real.mean(axis=0)) ** 2).sum()
    return max(0.0, float(apart + np.trace(first) + np.trace(second) - 2 * cross))


def kernel(ours: Vectors, real: Vectors) -> Vectors:
    """The Gaussian kernel of all pieces of both sets, ours first: (pieces, pieces), in [0, 1], 1 for equal pieces.

    exp(-d^2 / m), where d is the distance of two pieces and m the median of d^2 over all pairs.
    """
    every = np.concatenate([ours, real])
    squares = _squares(every, every)
    median = np.median(squares[np.triu_indices(len(every), 1)])
    found: Vectors = np.exp(-squares / max(float(median), 1e-12))
    return found


def mmd(similar: Vectors, labels: NDArray[np.bool_]) -> Vectors:
    """Unbiased squared maximum mean discrepancy of each labelling, by a kernel.

    0 is expected for two sets of one source, so that about half of the values are below 0 there; at most 2.

    Args:
        similar: the kernel (pieces, pieces).
        labels: (..., pieces), which pieces are of the first set; each labelling has the same number of them.

    Source: A. Gretton et al., A kernel two-sample test, 2012, equation 3.
    """
    first = labels.astype(float)
    second = 1 - first
    n, m = first.sum(-1), second.sum(-1)
    within = [((part @ similar) * part).sum(-1) - part @ np.diag(similar) for part in (first, second)]
    between = ((first @ similar) * second).sum(-1)
    found: Vectors = within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * between / (n * m)
    return found


def neighbours(ours: Vectors, real: Vectors, count: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall, density and coverage, by the distance of each piece to its ``count``-th neighbour in its set.

    - precision: share of samples that lie within that distance of some real piece: do they look real?
    - recall: share of real pieces that lie within that distance of some sample: is all of real music there?
    - density: within how many of these spheres of real pieces a sample lies, divided by ``count``: at least 0, about 1
      for real music; outliers among the real pieces matter less than in precision.
    - coverage: share of real pieces whose sphere has a sample in it.

    Precision, recall and coverage are in [0, 1].
    Sources: T. Kynkäänniemi et al., Improved precision and recall metric for assessing generative models, 2019; M.
    Naeem et al., Reliable fidelity and diversity metrics for generative models, 2020.
    """
    return _neighbours(_squares(ours, ours), _squares(real, real), _squares(ours, real), count)


def _neighbours(ours: Vectors, real: Vectors, between: Vectors, count: int) -> dict[str, float]:
    """``neighbours`` by the squared distances within both sets, and between them (ours, real)."""
    spheres, own = (np.partition(square, min(count, len(square) - 1), axis=1)[:, min(count, len(square) - 1)]
                    for square in (real, ours))  # fmt: skip
    inside = between <= spheres
    return {
        "precision": float(inside.any(axis=1).mean()),
        "recall": float((between <= own[:, None]).any(axis=0).mean()),
        "density": float(inside.sum() / (count * len(between))),
        "coverage": float(inside.any(axis=0).mean()),
    }


def _squares(one: Vectors, other: Vectors) -> Vectors:
    from scipy.spatial.distance import cdist  # takes seconds

    found: Vectors = cdist(one, other, "sqeuclidean")
    return found


def classify(
    ours: Vectors, real: Vectors, permutations: int, rng: np.random.Generator
) -> tuple[float, Vectors, Vectors, Vectors]:
    """Train a linear classifier to tell samples from real pieces, and test it on pieces that it has not seen.

    A ridge regression on the labels, whose limit is halfway between the two sets' means, with ``FOLDS`` folds that are
    drawn ``REPEATS`` times. The share is the mean of those of both sets, so that a larger set counts no more: 0.5 is
    expected where nobody can tell, 1 is perfect. Folds do not depend on the labels, and a permutation keeps its labels
    in all repeats, so that under permutation the share is distributed as for two sets of one source.

    Args:
        ours: standardised features of the samples.
        real: the same of the real pieces.
        permutations: of the labels.
        rng: draws folds and permutations.

    Returns:
        the share that is recognised, in [0, 1]; the same under each permutation (permutations,); how often each piece
        is recognised, ours first (pieces,); and the weights of a regression on all pieces (features,).
    Source: D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests, 2017.
    """
    every = np.concatenate([ours, real])
    labels = np.arange(len(every)) < len(ours)
    permuted = rng.permuted(np.tile(labels, (permutations, 1)), axis=1)
    samples = np.concatenate([labels[None], permuted]).T.astype(float)  # (pieces, 1 + permutations)
    right = np.zeros_like(samples)
    for _ in range(REPEATS):
        folds = rng.permutation(len(every)) % FOLDS
        for fold in range(FOLDS):
            test = folds == fold
            right[test] += _recognise(every[~test], samples[~test], every[test], samples[test])
    right /= REPEATS
    others = 1 - samples
    shares = ((right * samples).sum(axis=0) / len(ours) + (right * others).sum(axis=0) / len(real)) / 2
    return float(shares[0]), shares[1:], right[:, 0], _ridge(every - every.mean(axis=0), samples[:, :1])[:, 0]


def _recognise(train: Vectors, samples: Vectors, test: Vectors, truth: Vectors) -> Vectors:
    """Whether pieces that are left out are recognised: (test pieces, labellings); 0.5 where nothing is known.

    Args:
        train: vectors of the other pieces.
        samples: (train pieces, labellings), 1 for a sample, 0 for a real piece.
        test: vectors of the pieces that are left out.
        truth: the same of these.
    """
    middle = train.mean(axis=0)
    weights = _ridge(train - middle, samples)
    projected, others = (train - middle) @ weights, 1 - samples
    means = [(projected * part).sum(axis=0) / np.maximum(part.sum(axis=0), 1) for part in (samples, others)]
    beyond = (test - middle) @ weights - (means[0] + means[1]) / 2
    found: Vectors = np.where(beyond == 0, 0.5, (beyond > 0) == (truth > 0))
    return found


def _ridge(centred: Vectors, targets: Vectors) -> Vectors:
    """Weights (features, targets) of a ridge regression with an intercept on vectors whose mean is 0."""
    inner = centred.T @ centred + RIDGE * np.eye(centred.shape[1])
    found: Vectors = np.linalg.solve(inner, centred.T @ (targets - targets.mean(axis=0)))
    return found


def telling(ours: Vectors, real: Vectors, weights: Vectors) -> list[tuple[int, float]]:
    """The features by which the classifier tells most: place, and share of what separates the means of both sets.

    A feature's part is its weight times the difference of the sets' means; shares of all features add up to 1.
    """
    parts = weights * (ours.mean(axis=0) - real.mean(axis=0))
    total = parts.sum()
    shares = parts / total if total else np.zeros(len(parts))
    order = np.argsort(-shares, kind="stable")[:TELLING]
    return [(int(place), float(shares[place])) for place in order]


def p_value(value: float, permuted: Vectors) -> float:
    """How often a permutation of the labels gives at least ``value``, the value itself counted: in (0, 1]."""
    return float((1 + (permuted >= value - 1e-12).sum()) / (1 + len(permuted)))


def compare(
    ours: Vectors,
    real: Vectors,
    project: Callable[[Vectors], Vectors],
    names: Sequence[str],
    permutations: int,
    seed: int,
) -> dict[str, Any]:
    """Compare two sets of pieces by every measure.

    Args:
        ours: standardised features (pieces, features), of pieces with notes.
        real: the same of real pieces.
        project: puts them on principal axes; all measures but the classifier are taken there.
        names: of the features.
        permutations: for each p.
        seed: of permutations and folds.

    Returns:
        Each of ``MEASURES`` with ``value``, ``low`` and ``high``: a 95 % interval by the jackknife over the pieces of
        both sets, for the classifier by the spread over pieces. ``mmd`` and ``classifier`` have ``p``, and the
        classifier ``features``: name, share and the direction in which samples differ. nan for all where a set has
        fewer than ``FEWEST`` pieces.

    Source of the interval: B. Efron and C. Stein, The jackknife estimate of variance, 1981.
    """
    if min(len(ours), len(real)) < FEWEST:
        empty: dict[str, Any] = {name: dict.fromkeys(("value", "low", "high"), math.nan) for name in MEASURES}
        empty["mmd"]["p"] = empty["classifier"]["p"] = math.nan
        empty["classifier"]["features"] = []
        return empty
    rng = np.random.default_rng(seed)
    a, b = project(ours), project(real)
    found: dict[str, dict[str, Any]] = {name: {**part} for name, part in _with_jackknife(a, b).items()}
    labels = np.arange(len(ours) + len(real)) < len(ours)
    similar = kernel(a, b)
    shuffled = rng.permuted(np.tile(labels, (permutations, 1)), axis=1)
    found["mmd"]["p"] = p_value(found["mmd"]["value"], mmd(similar, shuffled))
    share, permuted, each, weights = classify(ours, real, permutations, rng)
    low, high = _spread(each, len(ours), share)
    named = [
        {"name": names[place], "share": part, "higher": bool(ours[:, place].mean() > real[:, place].mean())}
        for place, part in telling(ours, real, weights)
    ]
    found["classifier"] = {
        "value": share, "low": low, "high": high, "p": p_value(share, permuted), "features": named,
    }  # fmt: skip
    return {name: found[name] for name in MEASURES}


def measure(ours: Vectors, real: Vectors) -> dict[str, float]:
    """All measures on principal axes, without the classifier."""
    labels = np.arange(len(ours) + len(real)) < len(ours)
    discrepancy = float(mmd(kernel(ours, real), labels))
    return {"frechet": frechet(ours, real), "mmd": discrepancy, **neighbours(ours, real)}


def _with_jackknife(ours: Vectors, real: Vectors) -> dict[str, dict[str, float]]:
    whole = measure(ours, real)
    variance = dict.fromkeys(whole, 0.0)
    for first in (True, False):
        size = len(ours) if first else len(real)
        groups = min(size, GROUPS)
        rows = []
        for group in range(groups):
            left = np.arange(size) % groups != group
            rows.append(measure(ours[left], real) if first else measure(ours, real[left]))
        for name in whole:
            values = np.array([row[name] for row in rows])
            variance[name] += (groups - 1) / groups * float(((values - values.mean()) ** 2).sum())
    found = {}
    for name, value in whole.items():
        half = 1.96 * math.sqrt(variance[name])
        least = -math.inf if name == "mmd" else 0.0
        most = 1.0 if name in ("precision", "recall", "coverage") else math.inf
        found[name] = {"value": value, "low": max(least, value - half), "high": min(most, value + half)}
    return found


def _spread(each: Vectors, ours: int, share: float) -> tuple[float, float]:
    """95 % interval of a share of both sets, by how often each piece is recognised."""
    error = math.sqrt(sum(part.var(ddof=1) / len(part) for part in (each[:ours], each[ours:]))) / 2
    return max(0.0, share - 1.96 * error), min(1.0, share + 1.96 * error)


def compare_at_size(
    pieces: Vectors, real: Vectors, project: Callable[[Vectors], Vectors], size: int, draws: int, seed: int
) -> dict[str, dict[str, float]]:
    """The measures of sets of ``size`` real pieces against other real pieces: what ``size`` perfect samples score.

    Args:
        pieces: standardised features of real pieces; with no more than ``size``, all are the set, with the intervals
            of ``compare``.
        real: of those that samples are compared with.
        project: see ``compare``.
        size: pieces of a set, drawn without replacement.
        draws: number of sets.
        seed: of the draws.

    Returns:
        Each of ``MEASURES`` with ``value``, the mean, and ``low`` and ``high``, between which 95 % of the sets lie. nan
        where a set has fewer than ``FEWEST`` pieces.
    """
    if len(pieces) <= size:
        whole = compare(pieces, real, project, [""] * pieces.shape[1], 0, seed)
        return {name: {key: part[key] for key in ("value", "low", "high")} for name, part in whole.items()}
    if min(size, len(real)) < FEWEST:
        return {name: dict.fromkeys(("value", "low", "high"), math.nan) for name in MEASURES}
    rng = np.random.default_rng(seed)
    rows: list[Mapping[str, float]] = []
    a, b = project(pieces), project(real)
    for _ in range(draws):
        chosen = rng.permutation(len(pieces))[:size]
        rows.append({**measure(a[chosen], b), "classifier": classify(pieces[chosen], real, 0, rng)[0]})
    found = {}
    for name in MEASURES:
        values = np.array([row[name] for row in rows])
        low, high = np.percentile(values, COVER)
        found[name] = {"value": float(values.mean()), "low": float(low), "high": float(high)}
    return found
