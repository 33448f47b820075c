"""``etude listen analyse``: the answers to a listening test as one JSON file and one page of Markdown.

The JSON has these parts; a system is named as in the key, intervals are of 95 %, and null stands for what few answers
cannot show:

- ``test``, ``systems``, ``simulated`` (true: no person was asked), ``settings`` of the statistics, ``design`` (clips,
  prompts, seconds of the shortest and longest clip, pages of a listener).
- ``listeners``: ``asked`` (who gave an answer), ``silent`` (who gave none), ``kept``, ``left_out`` (entries with code,
  source, reason, detail), ``spoiled`` (entries with source, reason), ``codes`` of those who finished.
- ``strengths``: system -> ``strength`` (Bradley-Terry, mean 0), ``low``, ``high``, ``wins`` (share of the votes, a half
  for none), ``rank``.
- ``preferences``: ``comparisons`` (see ``etude.listening.statistics.Comparison``, and ``verdict``), ``none`` (share of
  "no preference"), ``first`` (share of the choices for the clip that comes first; ``first_p`` against one half).
- ``scales``: scale -> ``means`` (system -> mean, low, high over listeners) and ``comparisons``.
- ``agreement``: ``preference`` and each scale -> alpha, low, high; ``retest``: repeated pairs with the same answer.
- ``objective``: entries with ``measure``, ``subjective``, ``rho``, ``low``, ``high``, ``n`` (models).
- ``questions``: text -> choice -> listeners.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json
from etude.listening.answers import Listener, read_answers
from etude.listening.design import (
    FIRST,
    LONGEST,
    NONE,
    PAIR,
    QUESTION,
    RATING,
    SCALES,
    SECOND,
    VERSION,
    Test,
    repeats_of,
)
from etude.listening.exclusions import REASONS, contradictions, select
from etude.listening.statistics import (
    FEW,
    LEVEL,
    POWER,
    RANGE,
    ROPE,
    RUNS,
    SURE,
    Comparison,
    Floats,
    Preference,
    Rating,
    agreement,
    compare,
    interval,
    mean_interval,
    over_listeners,
    preference_differences,
    rating_differences,
    rating_means,
    spearman,
    strength_draws,
    strengths,
    wins_of,
)

CHOICES = {FIRST: 1, SECOND: -1, NONE: 0}
PREFERENCE = "preference"
ALPHA_RUNS = 200  # of the bootstrap of an agreement, which is slow
# endings of figures that are no measure of their own: intervals, and descriptors, of which none is better or worse
LESS = ("_low", "_high", "_by_piece", "_mean")
COUNTS = ("samples/pieces", "samples/bars", "samples/repaired")
MADE_BY = "etude listen build models=... output=listen.html"


@dataclass(frozen=True)
class Key:
    """Which clip is of which system; the page does not tell."""

    test: Test
    systems: tuple[str, ...]
    system_of: Mapping[str, str | None]  # clip -> system, None on the training page
    seconds: Mapping[str, float]  # clip -> its music
    prompts: Mapping[str, str]  # clip -> what it goes on from, or its number

    @classmethod
    def read(cls, path: Path) -> "Key":
        """The key that ``etude listen build`` wrote. Raises EtudeError where the file is none."""
        try:
            value = read_json(path, MADE_BY)
            if value["version"] != VERSION:
                version = str(value["version"])[:20]
                raise EtudeError(f"{path} has version {version} of a key, and this release reads {VERSION}.")
            test = Test.of(value["test"], str(path))
            systems = tuple(value["systems"])
            if (
                len(systems) < 2
                or len(set(systems)) != len(systems)
                or not all(isinstance(one, str) for one in systems)
            ):
                raise ValueError("systems are not two or more names")
            entries = {clip: value["clips"][clip] for clip in test.clips}
            system_of = {clip: entry["system"] for clip, entry in entries.items()}
            rated = {clip for page in test.pages for clip in page.clips}
            if wrong := [clip for clip in sorted(rated) if system_of[clip] not in systems]:
                raise ValueError(f"clip {wrong[0]} is of no system")
            seconds = {clip: float(entry["seconds"]) for clip, entry in entries.items()}
            if not all(0 < length <= 2 * LONGEST for length in seconds.values()):
                raise ValueError("a clip has no length in seconds")
            prompts = {clip: str(entry["prompt"])[:100] for clip, entry in entries.items() if clip in rated}
        except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
            why = (
                str(error)[:100] if isinstance(error, ValueError | OSError) else f"it lacks an entry, {str(error)[:60]}"
            )
            raise EtudeError(
                f"{path} is no key of a listening test ({why}). The key lies next to the page, and comes with: "
                f"{MADE_BY}"
            ) from None
        return cls(test, systems, system_of, seconds, prompts)


def collect(key: Key, listeners: Sequence[Listener]) -> tuple[list[Preference], list[Rating]]:
    """The answers that count: pairs without those that came again, and ratings."""
    preferences, ratings = [], []
    for one in listeners:
        pages = key.test.pages_of(one.id)
        again = repeats_of(pages)
        for place, page in enumerate(pages):
            if place not in one.answers or place in again:
                continue
            answer = one.answers[place]
            systems = [str(key.system_of[clip]) for clip in page.clips]
            if page.kind == PAIR:
                first, second = page.clips
                choice = CHOICES[answer["choice"]]
                preferences.append(Preference(one.id, systems[0], systems[1], (first, second), choice))
            elif page.kind == RATING:
                ratings += [
                    Rating(one.id, systems[0], page.clips[0], scale, value)
                    for scale, value in answer["ratings"].items()
                ]
    return preferences, ratings


def analyse(
    key: Key, answers: Path, objective: Mapping[str, Mapping[str, float]], seed: int = 1, runs: int = RUNS
) -> Json:
    """The analysis of all answers in a folder or a database.

    Args:
        key: of the test.
        answers: see ``etude.listening.answers.read_answers``.
        objective: system -> measure -> value, of the systems that are evaluated models.
        seed: of bootstraps and posteriors.
        runs: of the bootstraps over listeners.

    Raises:
        EtudeError: there are no answers, or nobody's count.
    """
    listeners, spoiled = read_answers(key.test, answers)
    answered = [one for one in listeners if one.answers]
    kept, left_out = select(key.test, answered, key.seconds)
    if not kept:
        why = ", ".join(f"{one.reason} ({one.listener.source})" for one in left_out[:5])
        why = why or ", ".join(f"{one.source}: {one.reason}" for one in spoiled[:5])
        raise EtudeError(f"answers = {answers}: nobody's answers count ({why or 'there are none'}).")
    preferences, ratings = collect(key, kept)
    wins = wins_of(preferences, key.systems)
    drawn = strength_draws(wins, seed, runs)
    found = {
        "version": VERSION,
        "test": key.test.id,
        "simulated": all(one.simulated for one in kept),
        "systems": list(key.systems),
        "design": _design(key),
        "settings": {"level": LEVEL, "power": POWER, "rope": ROPE, "sure": SURE, "bootstrap": runs, "seed": seed},
        "listeners": {
            "asked": len(answered),
            "silent": len(listeners) - len(answered),
            "kept": len(kept),
            "left_out": [one.as_json() for one in left_out],
            "spoiled": [asdict(one) for one in spoiled],
            "codes": sorted(one.code for one in answered if len(one.answers) == len(key.test.pages_of(one.id))),
        },
        "strengths": _strengths(wins, drawn, key.systems),
        "preferences": _preferences(preferences, key.systems, seed),
        "scales": _scales(ratings, key.systems, key.test.scales, seed),
        "agreement": _agreement(key, kept, preferences, ratings, seed, min(runs, ALPHA_RUNS)),
        "objective": _objective(wins, drawn, ratings, key, objective, seed),
        "questions": _questions(key.test, kept),
    }
    rounded = _round(found)
    assert isinstance(rounded, dict)
    return rounded


def _design(key: Key) -> Json:
    """What the test consists of: prompts (or pieces of each system), seconds of music in its clips."""
    rated = [key.seconds[clip] for clip in key.prompts]
    return {
        "clips": len(rated),
        "prompts": len(set(key.prompts.values())),
        "shortest": min(rated),
        "longest": max(rated),
        "pages": len(key.test.sheets[0]),
    }


def _strengths(wins: Floats, drawn: Floats, systems: Sequence[str]) -> Json:
    """Strengths of wins (listeners, systems, systems), with intervals from those of drawn listeners (runs, systems)."""
    together = wins.sum(axis=0)
    values = strengths(together)
    low, high = interval(drawn)
    votes = together.sum(axis=1) / np.maximum(together.sum(axis=1) + together.sum(axis=0), 1)
    ranks = {int(place): rank for rank, place in enumerate(np.argsort(-values, kind="stable"), 1)}
    return {
        name: {
            "strength": float(values[place]),
            "low": float(low[place]),
            "high": float(high[place]),
            "wins": float(votes[place]),
            "rank": ranks[place],
        }
        for place, name in enumerate(systems)
    }


def _preferences(answers: Sequence[Preference], systems: Sequence[str], seed: int) -> Json:
    from scipy.stats import binomtest

    differences = {(PREFERENCE, *pair): own for pair, own in preference_differences(answers, systems).items()}
    found = compare(differences, ROPE["preference"], RANGE["preference"], seed)
    decided = [one.choice for one in answers if one.choice]
    first = sum(choice > 0 for choice in decided)
    several = len({one.listener for one in answers}) >= FEW
    return {
        "answers": len(answers),
        "comparisons": [_comparison(one) for one in found],
        "none": 1 - len(decided) / len(answers) if answers else math.nan,
        "first": first / len(decided) if decided else math.nan,
        "first_p": float(binomtest(first, len(decided)).pvalue) if decided and several else math.nan,
    }


def _scales(answers: Sequence[Rating], systems: Sequence[str], scales: Sequence[str], seed: int) -> Json:
    """All scales are one family of tests."""
    differences = {
        (scale, *pair): own for scale in scales for pair, own in rating_differences(answers, systems, scale).items()
    }
    found: Json = {}
    for scale in scales:
        means = rating_means(answers, scale)
        intervals = {name: mean_interval(np.array(list(means.get(name, {}).values())), 1, 5) for name in systems}
        found[scale] = {
            "means": {name: {"mean": mean, "low": low, "high": high} for name, (mean, low, high) in intervals.items()},
            "comparisons": [],
        }
    for (scale, *_), one in zip(differences, compare(differences, ROPE["rating"], RANGE["rating"], seed), strict=True):
        found[scale]["comparisons"].append(_comparison(one))
    return found


def _comparison(one: Comparison) -> Json:
    return asdict(one) | {"verdict": one.verdict}


def _agreement(
    key: Key,
    kept: Sequence[Listener],
    preferences: Sequence[Preference],
    ratings: Sequence[Rating],
    seed: int,
    runs: int,
) -> Json:
    judged: dict[str, dict[str, int]] = {}
    for one in preferences:
        first, second = sorted(one.clips)
        judged.setdefault(one.listener, {})[f"{first} {second}"] = one.choice if one.clips[0] == first else -one.choice
    tables = {PREFERENCE: judged}
    for rating in ratings:
        tables.setdefault(rating.scale, {}).setdefault(rating.listener, {})[rating.clip] = rating.value
    found: Json = {}
    for name, table in tables.items():
        alpha, low, high = agreement(table, runs, seed)
        found[name] = {"alpha": alpha, "low": low, "high": high}
    pairs = [contradictions(key.test, one) for one in kept]
    found["retest"] = {"pairs": sum(count for _, count in pairs), "contradicted": sum(wrong for wrong, _ in pairs)}
    return found


def _objective(
    wins: Floats,
    drawn: Floats,
    ratings: Sequence[Rating],
    key: Key,
    objective: Mapping[str, Mapping[str, float]],
    seed: int,
) -> list[Json]:
    """Rank correlations of what listeners say with each measure that all evaluated systems have.

    ``wins`` and ``drawn`` as of ``_strengths``; the means of ratings are of the same drawn listeners.
    """
    models = [name for name in key.systems if name in objective]
    if len(models) < 3:
        return []
    shared = set.intersection(*(set(objective[name]) for name in models))
    measures = {
        name: np.array([objective[model][name] for model in models])
        for name in sorted(shared)
        if not name.endswith(LESS) and name not in COUNTS
    }
    measures = {name: own for name, own in measures.items() if np.isfinite(own).all() and np.ptp(own) > 0}
    places = [key.systems.index(name) for name in models]
    said = {PREFERENCE: (strengths(wins.sum(axis=0))[places], drawn[:, places])}  # (models,), (runs, models)
    for scale in key.test.scales:
        means = rating_means(ratings, scale)
        listeners = sorted({name for own in means.values() for name in own})
        table = np.array([[means.get(model, {}).get(name, np.nan) for model in models] for name in listeners])
        if len(table):
            said[scale] = (_column_means(table), over_listeners(len(table), _means_of(table), seed, len(drawn)))
    found = []
    for measure, own in measures.items():
        for subjective, (values, runs) in said.items():
            low, high = interval(spearman(runs, own))
            found.append(
                {
                    "measure": measure,
                    "subjective": subjective,
                    "rho": float(spearman(values[None], own)[0]),
                    "low": float(low),
                    "high": float(high),
                    "n": len(models),
                }
            )
    return found


def _means_of(table: Floats) -> Callable[[NDArray[np.intp]], Floats]:
    """From the places of listeners to the means of their rows in a table (listeners, models)."""
    return lambda places: _column_means(table[places])


def _column_means(values: Floats) -> Floats:
    counts = (~np.isnan(values)).sum(axis=0)
    return np.where(counts > 0, np.nansum(values, axis=0) / np.maximum(counts, 1), np.nan)


def _questions(test: Test, kept: Sequence[Listener]) -> Json:
    found: Json = {}
    for page in test.pages:
        if page.kind == QUESTION:
            found[page.text] = dict.fromkeys(page.choices, 0)
    for one in kept:
        for place, page in enumerate(test.pages_of(one.id)):
            if page.kind == QUESTION:
                found[page.text][page.choices[one.answers[place]["choice"]]] += 1
    return found


def _round(value: Any) -> Any:
    """Numbers with six digits, and null for nan, so that equal answers give equal bytes on any CPU."""
    if isinstance(value, dict):
        return {name: _round(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_round(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) + 0.0 if math.isfinite(value) else None
    return value


def objective_measures(session: Session, systems: Sequence[str]) -> dict[str, dict[str, float]]:
    """The figures in reports/evaluate of the systems that are evaluated models: system -> measure -> value."""
    found = {}
    for name in systems:
        path = session.find(catalog.evaluation(name))
        if path is not None:
            metrics = read_json(path, catalog.evaluation(name).made_by)["metrics"]
            found[name] = {
                measure: float(value)
                for measure, value in metrics.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            }
    return found


def main_figures(analysis: Json) -> dict[str, float]:
    """The figures of an analysis that are logged to MLflow, by name."""
    found = {"listen/listeners": float(analysis["listeners"]["kept"])}
    for name, own in analysis["strengths"].items():
        found[f"listen/strength_{name}"] = own["strength"]
    for scale, parts in analysis["scales"].items():
        for name, own in parts["means"].items():
            found[f"listen/{scale}_{name}"] = own["mean"]
    found["listen/alpha_preference"] = analysis["agreement"].get(PREFERENCE, {}).get("alpha")
    return {name: value for name, value in found.items() if value is not None}


def reasons(analysis: Json) -> list[tuple[str, int]]:
    """Why listeners were left out, in words, and how many for each reason."""
    counts = {reason: 0 for reason in REASONS}
    for one in analysis["listeners"]["left_out"]:
        counts[one["reason"]] += 1
    return [(REASONS[reason], count) for reason, count in counts.items() if count]


def scale_names(analysis: Json) -> list[str]:
    """The scales in the order of the page."""
    return [name for name in SCALES if name in analysis["scales"]]
