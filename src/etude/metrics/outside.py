"""Metrics of other installed packages: descriptors of pieces, measured on samples and on the real test pieces.

A package declares a function in the group of entry points ``etude.metrics``. It takes the pieces and the resolution,
and returns descriptor -> one value for each piece. What it measures are further columns of an evaluation. They do not
enter ``samples/distance``, which stays comparable between installations.
"""

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from etude.config.outside import METRICS, declared, package_of
from etude.core.errors import EtudeError
from etude.metrics.descriptors import UNITS
from etude.metrics.distance import distance, summary


def opening(score: ScoreTick, bars: int) -> ScoreTick:
    """The first ``bars`` bars of a piece as a copy, by its first time signature (4/4 where there is none).

    A note that sounds across the end is cut there.
    """
    signatures = sorted(score.time_signatures, key=lambda signature: signature.time)
    top, bottom = (signatures[0].numerator, signatures[0].denominator) if signatures else (4, 4)
    end = math.ceil(Fraction(4 * top * score.ticks_per_quarter * bars, max(1, bottom)))
    cut: ScoreTick = score.clip(0, end, clip_end=False)  # True would leave out the notes that sound across the end
    for track in cut.tracks:
        for note in track.notes:
            note.duration = min(note.duration, end - note.time)
    return cut


def measure(scores: Sequence[ScoreTick], resolution: int, bars: int) -> dict[str, np.ndarray]:
    """Call every declared metric: descriptor -> (pieces,), nan where a piece has no value. Without any: empty.

    Args:
        scores: the pieces; each metric gets copies of their first ``bars`` bars.
        resolution: time steps per quarter note at which the metrics should measure.
        bars: of each piece.

    Raises:
        EtudeError: a metric cannot be imported, fails, or returns something else than one number a piece.
    """
    found: dict[str, np.ndarray] = {}
    for entry in declared(METRICS):
        who = f"The metric {entry.name} of {package_of(entry)}"
        try:
            made = entry.load()([opening(score, bars) for score in scores], resolution)
        except Exception as error:
            raise EtudeError(f"{who} ({entry.value}) failed: {type(error).__name__}: {error}.") from error
        if not isinstance(made, Mapping):
            raise EtudeError(f"{who} returned {type(made).__name__}: it must return descriptor -> one value a piece.")
        for name, values in made.items():
            if not isinstance(name, str) or not re.fullmatch(r"\w+", name) or name in UNITS or name in found:
                raise EtudeError(
                    f"{who} returned the descriptor {name!r}: a name has letters, digits and _, and is not in use yet."
                )
            found[name] = _column(values, len(scores), f"{who}: {name}")
    return found


def _column(values: Any, count: int, where: str) -> np.ndarray:
    try:
        column = np.array([math.nan if value is None else float(value) for value in values], dtype=float)
    except (TypeError, ValueError) as error:
        raise EtudeError(f"{where} has a value that is no number ({error}).") from None
    if len(column) != count:
        raise EtudeError(f"{where} has {len(column)} values for {count} pieces: it must have one a piece.")
    return np.where(np.isfinite(column), column, math.nan)


def describe(
    samples: Mapping[str, np.ndarray], real: Mapping[str, Sequence[float | None]], resamples: int, seed: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """Compare samples with real pieces.

    Args:
        samples: descriptor -> values of the samples, as ``measure`` gives them.
        real: the same of the real test pieces; None or nan where a piece has no value.
        resamples: of the bootstrap intervals.
        seed: of the bootstrap.

    Returns:
        For each descriptor its mean, interval, values and distance (``etude.metrics.distance``). And the flat metrics
        ``samples/NAME_mean``, ``samples/NAME_distance`` and ``real/NAME_mean``.
    """
    found: dict[str, Any] = dict(summary(samples, resamples, seed))
    metrics: dict[str, float] = {}
    for name, values in samples.items():
        theirs = np.array(real[name], dtype=float)
        found[name]["distance"] = distance(values, theirs)
        kept = theirs[~np.isnan(theirs)]
        metrics[f"samples/{name}_mean"] = found[name]["mean"]
        metrics[f"samples/{name}_distance"] = found[name]["distance"]
        metrics[f"real/{name}_mean"] = float(kept.mean()) if len(kept) else math.nan
    return found, metrics
