"""Mixing: stems with gain and pan become one stereo sound."""

import math
from collections.abc import Mapping

import numpy as np

from etude.core.errors import EtudeError


def balance(
    stems: Mapping[str, np.ndarray], gain: Mapping[str, float], pan: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Give stems their gain and pan.

    The pan has constant power: the channels are scaled by sqrt(2) cos(a) and sqrt(2) sin(a), a = (pan + 1) pi / 4, so
    that the middle leaves a stem as it is and the squares always sum to 2.

    Args:
        stems: track name -> (2, samples), all of the same length.
        gain: track name -> dB; a track without one gets 0. Names that no stem has are ignored.
        pan: track name -> place from -1 (left) to 1 (right); a track without one gets 0.

    Returns:
        Track name -> (2, samples), float64, in the order of ``stems``.

    Raises:
        EtudeError: there is no stem, their lengths differ, or a gain or a pan is out of range.
    """
    if not stems:
        raise EtudeError("There is nothing to mix: the piece has no stems.")
    shapes = {stem.shape for stem in stems.values()}
    if len(shapes) > 1:
        raise EtudeError(f"Stems of one piece must have one length; these have the shapes {sorted(shapes)}.")
    parts = {}
    for name, stem in stems.items():
        level = 10 ** (_number(gain, name, "gain", -120, 40) / 20)
        angle = (_number(pan, name, "pan", -1, 1) + 1) * math.pi / 4
        parts[name] = np.array([[math.cos(angle)], [math.sin(angle)]]) * math.sqrt(2) * level * stem  # (2, samples)
    return parts


def total(stems: Mapping[str, np.ndarray]) -> np.ndarray:
    """The sum of stems (2, samples)."""
    first, *others = stems.values()
    found = first.copy()
    for stem in others:
        found += stem
    return found


def decibels(level: float) -> float:
    """A level (1 is full scale) in dBFS; silence gives minus infinity."""
    return 20 * math.log10(level) if level > 0 else -math.inf


def _number(values: Mapping[str, object], name: str, key: str, low: float, high: float) -> float:
    value = values.get(name, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise EtudeError(f"arrange.{key}.{name} = {value!r} must be a number between {low} and {high}.")
    return float(value)
