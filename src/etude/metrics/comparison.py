"""A set of pieces compared with real music by every measure of this room: what evaluate and reference write."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.config.sections import Evaluate
from etude.core.files import Json
from etude.metrics import distributions, features, originality, sets, structure
from etude.metrics.descriptors import Values, descriptors
from etude.metrics.distance import at_size, distances, interval, overall, piece_distances, ranks, summary
from etude.metrics.features import Space
from etude.metrics.notes import Notes, tabulate
from etude.metrics.originality import Copied, Line, Reference
from etude.metrics.structure import Bars, bars_of, distinct_bars

LONGEST = 1000  # bars of a piece in which copies are searched


@dataclass(frozen=True)
class Measured:
    """A set of pieces and what is measured of each alone."""

    notes: Notes  # the opening bars, on the grid of ``evaluate.resolution``
    points: Notes  # the whole pieces, on the grid of ``etude.metrics.originality``
    descriptors: Values
    structure: Values
    vectors: NDArray[np.float64]  # (pieces, features)
    observed: dict[str, distributions.Observed]
    bars: Bars

    @classmethod
    def of(cls, scores: Sequence[ScoreTick], settings: Evaluate) -> "Measured":
        """Measure pieces; each may be empty."""
        notes = tabulate(scores, settings.resolution, settings.bars)
        return cls(
            notes,
            tabulate(scores, originality.STEPS, LONGEST),
            descriptors(notes),
            structure.structure(notes),
            features.features(notes),
            distributions.observe(notes),
            bars_of(notes),
        )

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self.notes)


@dataclass(frozen=True)
class Train:
    """The train pieces in which copies are searched."""

    names: list[tuple[str, str]]  # id and title of each
    reference: Reference
    total: int  # train pieces that there are

    @classmethod
    def of(cls, scores: Sequence[ScoreTick], names: Sequence[tuple[str, str]], total: int) -> "Train":
        """Of the chosen pieces (``choose_train``)."""
        return cls(list(names), Reference.of(tabulate(scores, originality.STEPS, LONGEST)), total)


def choose_train(ids: Sequence[str], settings: Evaluate) -> list[str]:
    """At most ``evaluate.train`` of the train pieces, drawn by seed, in their order."""
    if len(ids) <= settings.train:
        return list(ids)
    chosen = np.random.default_rng(settings.seed).permutation(len(ids))[: settings.train]
    return [ids[place] for place in sorted(chosen.tolist())]


@dataclass(frozen=True)
class Real:
    """The real music that sets of pieces are compared with."""

    descriptors: Values
    structure: Values
    counts: dict[str, dict[int, int]]  # distribution -> value -> count
    space: Space
    vectors: NDArray[np.float64]  # standardised, of pieces with notes
    line: Line

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Real":
        """From reports/reference.json."""

        def arrays(part: Mapping[str, Any]) -> Values:
            return {name: np.array(found["values"], dtype=float) for name, found in part.items()}

        return cls(
            arrays(report["descriptors"]),
            arrays(report["structure"]),
            {
                name: {int(value): int(count) for value, count in pairs}
                for name, pairs in report["distributions"].items()
            },
            Space.of(report["space"]),
            np.array(report["vectors"], dtype=float).reshape(-1, len(features.UNITS)),
            Line.from_dict(report["originality"]["line"]),
        )


def describe(
    train: Measured,
    valid: Measured,
    test: Measured,
    settings: Evaluate,
    size: int,
    copied: Sequence[Copied],
) -> Json:
    """Describe the real test pieces, and compare real with real: the report of reference.

    Args:
        train: vectors are standardised by these pieces.
        valid: sets of ``size`` of these are compared with test, as samples are.
        test: what samples are compared with.
        settings: draws, resamples and seed.
        size: pieces of a set of samples.
        copied: the test pieces, compared with train (``etude.metrics.originality.compare``).

    Returns:
        ``descriptors`` and ``structure`` of the test pieces; ``real_against_real``, the distance of sets of valid
        pieces (``etude.metrics.distance.at_size``); ``distributions`` as pairs of a value and its count;
        ``distributions_at_size``, ``distinct_at_size`` and ``sets``, what sets of valid pieces score;
        ``space`` and ``vectors``; ``originality``, the line of the test pieces.
    """
    space = Space.fit(train.vectors)
    vectors = space.standardise(test.vectors)
    counts = {name: distributions.pool(observed) for name, observed in test.observed.items()}
    rng = np.random.default_rng(settings.seed)
    chosen = [rng.permutation(len(valid))[:size] for _ in range(settings.draws)]
    drawn = [distinct_bars(valid.bars, pieces) for pieces in chosen]
    others = space.standardise(valid.vectors)
    return {
        "resolution": settings.resolution,
        "bars": settings.bars,
        "window": settings.window,
        "pieces": len(test),
        "descriptors": summary(test.descriptors, settings.bootstrap, settings.seed),
        "structure": {
            name: {**found, "real_distance": apart}
            for (name, found), apart in zip(
                summary(test.structure, settings.bootstrap, settings.seed).items(),
                at_size(valid.structure, test.structure, size, settings.draws, settings.seed)["descriptors"].values(),
                strict=True,
            )
        },
        "real_against_real": at_size(valid.descriptors, test.descriptors, size, settings.bootstrap, settings.seed),
        "distributions": {name: sorted(found.items()) for name, found in counts.items()},
        "distributions_at_size": distributions.compare_at_size(
            valid.observed, counts, len(valid), size, settings.bootstrap, settings.seed
        ),
        "distinct_at_size": {name: float(np.mean([row[name] for row in drawn])) for name in drawn[0]},
        "sets": sets.compare_at_size(others, vectors, space.project, size, settings.draws, settings.seed),
        "space": space.as_dict(),
        "vectors": vectors.tolist(),
        "originality": {
            "line": Line.of(copied).as_dict(),
            "scores": [one.score for one in copied],
        },
    }


def compare(samples: Measured, real: Real, settings: Evaluate) -> tuple[Json, dict[str, float]]:
    """Compare a set of pieces with real music, all but originality.

    Args:
        samples: the pieces, in order.
        real: what they are compared with.
        settings: resamples, permutations and seed.

    Returns:
        ``descriptors`` and ``structure`` (mean, its interval, values, distance), ``distributions``
        (``etude.metrics.distributions.compare``), ``sets`` (``etude.metrics.sets.compare``) and ``ranks``, for each
        piece its place and distance (rank 0: the most typical of real music). And the flat metrics ``samples/...``.
    """
    seed, ours, theirs = settings.seed, samples.descriptors, real.descriptors
    low, high = interval(ours, theirs, settings.bootstrap, seed)
    far = piece_distances(ours, theirs)
    compared = distributions.compare(samples.observed, real.counts, len(samples), settings.bootstrap, seed)
    as_sets = sets.compare(
        real.space.standardise(samples.vectors), real.vectors, real.space.project, list(features.UNITS),
        settings.permutations, seed,
    )  # fmt: skip
    described = {
        "descriptors": _described(ours, theirs, settings),
        "structure": _described(samples.structure, real.structure, settings),
    }
    metrics = {
        "samples/distance": overall(ours, theirs),
        "samples/distance_low": low,
        "samples/distance_high": high,
        "samples/pieces": len(samples),
        "samples/empty": int((samples.notes.count() == 0).sum()),
        **{f"samples/{name}": found["value"] for name, found in as_sets.items()},
        "samples/classifier_p": as_sets["classifier"]["p"],
        "samples/mmd_p": as_sets["mmd"]["p"],
        **{f"samples/overlap_{name}": found["overlap"] for name, found in compared.items()},
        **{f"samples/{name}": value for name, value in distinct_bars(samples.bars).items()},
        **{f"samples/{name}_mean": found["mean"] for part in described.values() for name, found in part.items()},
    }
    places = [{"rank": rank, "distance": float(value)} for rank, value in zip(ranks(far), far, strict=True)]
    return {**described, "distributions": compared, "sets": as_sets, "ranks": places}, metrics


def _described(ours: Values, theirs: Values, settings: Evaluate) -> dict[str, Any]:
    apart = distances(ours, theirs)
    measured = summary(ours, settings.bootstrap, settings.seed)
    return {name: {**measured[name], "distance": apart[name]} for name in apart}


def follow_copies(
    snapshots: Mapping[int, Sequence[ScoreTick]], train: Train, line: Line, settings: Evaluate
) -> list[Json]:
    """What a model copied at earlier steps of its training.

    Args:
        snapshots: step -> pieces sampled at it.
        train: the train pieces.
        line: what real pieces score.
        settings: the window.

    Returns:
        for each step ``step``, ``pieces``, ``flagged``, and ``median`` and ``highest`` of the scores, nan without any.
    """
    rows: list[Json] = []
    for step, scores in snapshots.items():
        points = tabulate(scores, originality.STEPS, LONGEST)
        copied = originality.compare(points, train.reference, settings.window)
        known = [one.score for one in copied if not math.isnan(one.score)]
        row: Json = {"step": step, "pieces": len(scores)}
        row |= {
            "flagged": sum(originality.flagged(one, line) for one in copied),
            "highest": max(known, default=math.nan),
        }
        row["median"] = float(np.median(known)) if known else math.nan
        rows.append(row)
    return rows


def describe_copies(
    copied: Sequence[Copied], files: Sequence[str], train: Train, line: Line
) -> tuple[Json, dict[str, float]]:
    """What samples have in common with train pieces.

    Args:
        copied: the samples, compared with the train pieces (``etude.metrics.originality.compare``).
        files: their names.
        train: the train pieces.
        line: what real pieces score.

    Returns:
        ``pieces``, the highest score first: file, the values of ``Copied`` with times in quarter notes, ``nearest`` and
        ``title`` of the train piece (null without a score), ``flagged``; ``compared_with``, the number of train pieces,
        ``of`` so many that there are. And the metrics ``samples/...``.
    """
    steps = originality.STEPS
    found: list[dict[str, Any]] = []
    for file, one in zip(files, copied, strict=True):
        ident, title = train.names[one.nearest] if one.nearest >= 0 else (None, None)
        piece = {"file": file, "score": one.score, "nearest": ident, "title": title, "semitones": one.semitones}
        times = {"start": one.start, "quarters": one.length, "where": one.where}
        piece |= {name: math.nan if ident is None else value / steps for name, value in times.items()}
        piece |= {"run": one.run, "runs_found": one.runs_found, "flagged": originality.flagged(one, line)}
        found.append(piece)
    found.sort(key=lambda piece: (math.isnan(piece["score"]), -piece["score"], piece["file"]))
    scores = [one.score for one in copied if not math.isnan(one.score)]
    shares = [one.runs_found for one in copied if not math.isnan(one.runs_found)]
    return {"pieces": found, "compared_with": len(train.names), "of": train.total}, {
        "samples/copied_median": float(np.median(scores)) if scores else math.nan,
        "samples/copied_highest": max(scores, default=math.nan),
        "samples/copied_flagged": sum(piece["flagged"] for piece in found),
        "samples/runs_found": float(np.mean(shares)) if shares else math.nan,
        "samples/longest_run": max((one.run for one in copied), default=0),
    }
