"""What answers show: tests with Holm's correction, strengths, agreement, equivalence, and what could have been shown.

The unit is the listener: a listener's answers to several clips are averaged first, as they are not independent of each
other. What is found holds for listeners like these and for the clips of the test.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from etude.core.seeds import seed_of

Floats = NDArray[np.float64]

LEVEL = 0.05  # of all tests of one family together
POWER = 0.8
RUNS = 1000  # of a bootstrap
FEW = 5  # listeners, below whose number drawing them again gives no interval and no probability
DRAWS = 10_000  # of a posterior
EFFICIENCY = 3 / math.pi  # of the signed-rank test against Student's t, where differences are normal (Pitman)
REGULARISATION = 0.01  # of Bradley-Terry: strengths stay finite where a system never wins
RANGE = {"preference": 1.0, "rating": 4.0}  # the largest differences that there are
ROPE = {
    "preference": 0.2,
    "rating": 0.5,
}  # differences up to these count as none: 60 to 40 votes, half a step of a scale
SURE = 0.95  # posterior probability of a verdict


@dataclass(frozen=True)
class Preference:
    """One answer to a pair: 1 for the first system, -1 for the second, 0 for none."""

    listener: str
    first: str
    second: str
    clips: tuple[str, str]
    choice: int


@dataclass(frozen=True)
class Rating:
    """One answer on a scale."""

    listener: str
    system: str
    clip: str
    scale: str
    value: int


@dataclass(frozen=True)
class Comparison:
    """Two systems compared over listeners.

    ``difference`` is the mean over listeners of first minus second: in scale points, or as preference in [-1, 1] (1:
    the first is always preferred). ``p`` is of Wilcoxon's signed-rank test, ``holm`` corrected over the family.
    ``better``, ``equal`` and ``worse`` are posterior probabilities, with differences up to ``rope`` as equal;
    ``detectable`` is the smallest difference that as many listeners show with 80 % probability; nan where even
    ``most``, the largest that there is, would not be shown.
    """

    first: str
    second: str
    listeners: int
    difference: float
    low: float
    high: float
    p: float
    holm: float
    better: float
    equal: float
    worse: float
    detectable: float
    rope: float
    most: float

    @property
    def verdict(self) -> str:
        """``first`` or ``second`` is better, they are ``equal``, or it is ``open``.

        Equal takes both: the posterior is sure, and the whole 95 % interval of the mean lies within the rope.
        """
        if self.holm < LEVEL:
            return "first" if self.difference > 0 else "second"
        within = -self.rope <= self.low and self.high <= self.rope
        return "equal" if self.equal > SURE and within else "open"


def holm(values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm, 1979), so that all tests together err with the level. nan stays."""
    known = sorted((value, place) for place, value in enumerate(values) if not math.isnan(value))
    found = [math.nan] * len(values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        found[place] = highest
    return found


def signed_rank(differences: Floats) -> float:
    """The two-sided p value of Wilcoxon's signed-rank test (1945); zeros are ranked, then dropped (Pratt, 1959).

    Without a difference other than zero it is 1; nan with less than 5 listeners, of whom none can be significant.
    """
    if len(differences) < FEW:
        return math.nan
    if not differences.any():
        return 1.0
    from scipy.stats import wilcoxon  # takes a second

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the sample is small, which the message of the analysis says
        return float(wilcoxon(differences, zero_method="pratt", method="auto").pvalue)


def signed_rank_posterior(differences: Floats, rope: float, seed: int) -> tuple[float, float, float]:
    """The posterior probabilities that most differences lie above the rope, within it, and below it.

    Differences are the means of two listeners' (Walsh averages): the probability of a region is the share of draws in
    which it holds more of them than either other.

    The Bayesian signed-rank test of Benavoli, Corani, Mangili, Zaffalon and Ruggeri (ICML 2014; Benavoli et al., JMLR
    18:77, 2017): a Dirichlet process whose prior is one pseudo-observation at 0 with weight 0.5. Unlike a p value it
    can conclude that there is no difference (Yin et al., Machine Learning 112:1785, 2023, take it for listening tests).

    Args:
        differences: one for each listener.
        rope: the region of practical equivalence is [-rope, rope].
        seed: of the draws.

    Returns:
        nan each with less than 5 listeners, whom the prior would outweigh.
    """
    if len(differences) < FEW:
        return math.nan, math.nan, math.nan
    values = np.concatenate([[0.0], differences])
    sums = values[:, None] + values[None, :]  # (n + 1, n + 1), twice the Walsh averages
    weights = _weights(len(differences), seed)  # (draws, n + 1)
    margin = 2 * rope + 1e-9
    above = np.einsum("di,di->d", weights @ (sums > margin), weights)
    below = np.einsum("di,di->d", weights @ (sums < -margin), weights)
    within = 1 - above - below
    winner = np.argmax(np.stack([above, within, below]), axis=0)
    shares = np.bincount(winner, minlength=3) / DRAWS
    return float(shares[0]), float(shares[1]), float(shares[2])


@lru_cache(maxsize=4)
def _weights(count: int, seed: int) -> Floats:
    """Draws of a Dirichlet distribution: (draws, count + 1). All pairs of systems share them."""
    rng = np.random.default_rng(seed_of("signed-rank posterior", seed))
    return rng.dirichlet([0.5, *np.ones(count)], DRAWS)


def detectable(differences: Floats, tests: int) -> float:
    """The smallest mean difference that a signed-rank test of as many listeners shows with 80 % probability.

    (t(1 - a/2, n - 1) + t(0.8, n - 1)) s / sqrt(0.955 n), with s the standard deviation of these differences and a the
    level over the number of tests, which is Holm's for the smallest p value. nan with less than two listeners.
    """
    if len(differences) < 2:
        return math.nan
    from scipy.stats import t

    degrees = len(differences) - 1
    factor = t.ppf(1 - LEVEL / tests / 2, degrees) + t.ppf(POWER, degrees)
    return float(factor * np.std(differences, ddof=1) / math.sqrt(EFFICIENCY * len(differences)))


def mean_interval(values: Floats, least: float = -math.inf, most: float = math.inf) -> tuple[float, float, float]:
    """The mean over listeners, and its 95 % interval by Student's t distribution, within the range that values have.

    Less than 5 listeners have no interval: nan.
    """
    if not len(values):
        return math.nan, math.nan, math.nan
    mean = float(np.mean(values))
    if len(values) < FEW:
        return mean, math.nan, math.nan
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, max(least, mean - half), min(most, mean + half)


def compare(
    differences: Mapping[tuple[str, str, str], Floats], rope: float, most: float, seed: int
) -> list[Comparison]:
    """The comparisons of one family in the order of ``differences``, with Holm's correction over them all.

    Args:
        differences: what is asked and two systems -> the difference of each listener.
        rope: see ``signed_rank_posterior``.
        most: the largest difference that there is.
        seed: of the posteriors.
    """
    values = [signed_rank(own) for own in differences.values()]
    corrected = holm(values)
    found = []
    for ((_, first, second), own), p, adjusted in zip(differences.items(), values, corrected, strict=True):
        mean, low, high = mean_interval(own, -most, most)
        sure = signed_rank_posterior(own, rope, seed)
        smallest = detectable(own, len(differences))
        smallest = smallest if smallest <= most else math.nan
        found.append(Comparison(first, second, len(own), mean, low, high, p, adjusted, *sure, smallest, rope, most))
    return found


def preference_differences(answers: Sequence[Preference], systems: Sequence[str]) -> dict[tuple[str, str], Floats]:
    """Pair of systems -> each listener's mean preference for the first of them, in [-1, 1]."""
    found: dict[tuple[str, str], dict[str, list[int]]] = {pair: {} for pair in combinations(systems, 2)}
    for one in answers:
        pair, sign = ((one.first, one.second), 1) if (one.first, one.second) in found else ((one.second, one.first), -1)
        found[pair].setdefault(one.listener, []).append(sign * one.choice)
    return {pair: np.array([np.mean(own[name]) for name in sorted(own)]) for pair, own in found.items()}


def rating_means(answers: Sequence[Rating], scale: str) -> dict[str, dict[str, float]]:
    """System -> listener -> the mean rating on a scale."""
    values: dict[str, dict[str, list[int]]] = {}
    for one in answers:
        if one.scale == scale:
            values.setdefault(one.system, {}).setdefault(one.listener, []).append(one.value)
    return {
        system: {name: float(np.mean(found)) for name, found in sorted(own.items())} for system, own in values.items()
    }


def rating_differences(answers: Sequence[Rating], systems: Sequence[str], scale: str) -> dict[tuple[str, str], Floats]:
    """Pair of systems -> each listener's mean rating of the first minus that of the second."""
    means = rating_means(answers, scale)
    found = {}
    for first, second in combinations(systems, 2):
        one, other = means.get(first, {}), means.get(second, {})
        found[first, second] = np.array([one[name] - other[name] for name in one if name in other])
    return found


def wins_of(answers: Sequence[Preference], systems: Sequence[str]) -> Floats:
    """How often each system wins against each other, by listener: (listeners, systems, systems). No preference is half.

    Half a win for either is how Bradley-Terry takes ties without a further parameter.
    """
    listeners = {name: place for place, name in enumerate(sorted({one.listener for one in answers}))}
    places = {name: place for place, name in enumerate(systems)}
    wins = np.zeros((len(listeners), len(systems), len(systems)))
    for one in answers:
        own, first, second = wins[listeners[one.listener]], places[one.first], places[one.second]
        own[first, second] += (1 + one.choice) / 2
        own[second, first] += (1 - one.choice) / 2
    return wins


def strengths(wins: Floats) -> Floats:
    """The strengths of the model of Bradley and Terry (1952), with mean 0: (systems,).

    The odds of a against b are exp(strength of a - strength of b). Source: choix.ilsr_pairwise_dense (Maystre and
    Grossglauser, 2015), regularised with 0.01.
    """
    from choix import ilsr_pairwise_dense

    try:
        found = ilsr_pairwise_dense(wins, alpha=REGULARISATION, max_iter=1000, tol=1e-6)
    except RuntimeError:  # no convergence
        return np.full(len(wins), np.nan)
    return np.asarray(found - np.mean(found))


def bootstrap(count: int, measure: Callable[[NDArray[np.intp]], Floats], seed: int, runs: int = RUNS) -> Floats:
    """What ``measure`` gives of listeners, or of others, drawn with replacement: (runs, ...).

    Args:
        count: how many there are.
        measure: from the places of those drawn to figures.
        seed: of the draws.
        runs: draws.
    """
    rng = np.random.default_rng(seed_of("bootstrap", seed))
    return np.stack([measure(rng.integers(0, count, count)) for _ in range(runs)])


def over_listeners(count: int, measure: Callable[[NDArray[np.intp]], Floats], seed: int, runs: int) -> Floats:
    """``bootstrap`` over listeners; nan with less than 5, whom drawing again shows to be surer than they are."""
    if count < FEW:
        return np.full((runs, *measure(np.arange(count)).shape), np.nan)
    return bootstrap(count, measure, seed, runs)


def strength_draws(wins: Floats, seed: int, runs: int = RUNS) -> Floats:
    """The strengths of listeners drawn with replacement: (runs, systems). ``wins`` as of ``wins_of``.

    nan with less than 5 listeners.
    """
    return over_listeners(len(wins), lambda places: strengths(wins[places].sum(axis=0)), seed, runs)


def interval(values: Floats) -> tuple[Floats, Floats]:
    """The 95 % percentile interval along the first axis; nan values are passed over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all nan
        low, high = np.nanquantile(values, [0.025, 0.975], axis=0, method="inverted_cdf")
    return low, high


def agreement(table: Mapping[str, Mapping[str, int]], runs: int = 0, seed: int = 0) -> tuple[float, float, float]:
    """Krippendorff's alpha of ordinal values, with its 95 % interval by bootstrap over what was judged.

    Listeners are not drawn: one who is drawn twice would agree with himself. 1: listeners agree entirely, 0: as by
    chance, below 0: less. nan where no two listeners judged the same thing, or all gave one value. Source:
    krippendorff.alpha (Krippendorff, Content Analysis, 2018).

    Args:
        table: listener -> what was judged -> value.
        runs: of the bootstrap; 0, or less than 5 listeners: without interval.
        seed: of the bootstrap.
    """
    units = sorted({unit for own in table.values() for unit in own})
    data = np.array([[own.get(unit, np.nan) for unit in units] for _, own in sorted(table.items())], dtype=float)
    value = _alpha(data)
    if not runs or len(table) < FEW or math.isnan(value):
        return value, math.nan, math.nan
    drawn = bootstrap(len(units), lambda places: np.array([_alpha(data[:, places])]), seed, runs)
    low, high = interval(drawn)
    return value, float(low[0]), float(high[0])


def _alpha(data: Floats) -> float:
    import krippendorff

    if not data.size:
        return math.nan
    several = (~np.isnan(data)).sum(axis=0) > 1
    shared = data[:, several]
    if not several.any() or len(np.unique(shared[~np.isnan(shared)])) < 2:
        return math.nan
    return float(krippendorff.alpha(reliability_data=shared, level_of_measurement="ordinal"))


def spearman(rows: Floats, measure: Floats) -> Floats:
    """Spearman's rank correlation of each row (rows, n) with a measure (n,), in [-1, 1]: (rows,).

    nan with less than three values, and where one side is constant or lacks a value.
    """
    from scipy.stats import rankdata

    if len(measure) < 3:
        return np.full(len(rows), np.nan)
    first = rankdata(rows, axis=1) - (len(measure) + 1) / 2  # (rows, n), around 0
    second = rankdata(measure) - (len(measure) + 1) / 2
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(scale > 0, first @ second / scale, np.nan)
    return np.where(np.isnan(rows).any(axis=1), np.nan, found)
