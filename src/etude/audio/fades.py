"""Fades: the gains with which a sound comes and goes."""

import numpy as np
from numpy.typing import NDArray


def fade_out(samples: int) -> NDArray[np.float32]:
    """Gains from 1 to 0, the square of a cosine: (samples,)."""
    return np.asarray(np.cos(np.linspace(0, np.pi / 2, samples, dtype=np.float32)) ** 2)


def fades(samples: int, sample_rate: int, start: float, end: float) -> NDArray[np.float32] | None:
    """The gains of a sound that fades in and out: (samples,); None where it does neither.

    Args:
        samples: its length.
        sample_rate: samples a second.
        start: seconds in which it comes; a shorter sound has as many as it lasts.
        end: seconds in which it goes.
    """
    rise, fall = (min(samples, round(seconds * sample_rate)) for seconds in (start, end))
    if not rise and not fall:
        return None
    gain = np.ones(samples, np.float32)
    if rise:
        gain[:rise] *= fade_out(rise)[::-1]
    if fall:
        gain[-fall:] *= fade_out(fall)
    return gain
