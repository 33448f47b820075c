"""Mastering: every mix at one loudness, so that none is preferred for being louder, under a ceiling for its peaks."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from etude.audio.mixing import total

LOOK_AHEAD = 0.005  # seconds by which the limiter turns down before a peak
BLOCK = 0.4  # seconds of sound that a loudness needs at least
ROUNDS = 4  # of gain and limiter: where peaks are turned down, the rest has to come up


def loudness_of(mix: np.ndarray, sample_rate: int) -> float:
    """The integrated loudness of a sound (2, samples) in LUFS; minus infinity of silence and of less than 0.4 s.

    Source: ITU-R BS.1770-4, as pyloudnorm measures it.
    """
    from pyloudnorm import Meter  # half a second, with scipy.signal

    if mix.shape[1] < BLOCK * sample_rate:
        return -math.inf
    with np.errstate(divide="ignore"):
        return float(Meter(sample_rate, block_size=BLOCK).integrated_loudness(mix.T))


def master(
    stems: Mapping[str, np.ndarray], sample_rate: int, loudness: float, peak: float
) -> dict[str, NDArray[np.float64]]:
    """Scale stems so that their sum has the given loudness, and limit it to the given peak.

    Args:
        stems: track name -> (2, samples), as they sound in the mix.
        sample_rate: samples a second.
        loudness: of the sum, in LUFS.
        peak: the highest absolute sample of the sum, in dBFS (0 is full scale).

    Returns:
        Track name -> (2, samples), float64; their sum is the mix. Silence stays silence; what is too short to have a
        loudness is scaled to the peak.
    """
    parts = {name: np.asarray(stem, dtype=np.float64) for name, stem in stems.items()}
    ceiling = 10 ** (peak / 20)
    for _ in range(ROUNDS):
        mix = total(parts)
        highest = float(np.abs(mix).max(initial=0.0))
        measured = loudness_of(mix, sample_rate)
        if not highest:
            return parts
        gain = 10 ** ((loudness - measured) / 20) if math.isfinite(measured) else ceiling / highest
        curve = limit(mix * gain, sample_rate, ceiling) * gain
        parts = {name: part * curve for name, part in parts.items()}
        if highest * gain <= ceiling:  # nothing was limited: the loudness is exact
            break
    return parts


def limit(mix: np.ndarray, sample_rate: int, ceiling: float) -> NDArray[np.float64]:
    """The gain at each sample (samples,), at most 1, with which no sample of a sound (2, samples) exceeds ``ceiling``.

    Each sample gets the mean of the gains that the samples around it need, each of them the lowest within the look
    ahead: the gain moves smoothly, and is low enough where the peak is.
    """
    highest = np.abs(mix).max(axis=0, initial=0.0)
    needed = np.minimum(1.0, ceiling / np.maximum(highest, 1e-12))
    half = max(1, round(LOOK_AHEAD * sample_rate))
    lowest = minimum_filter1d(needed, 2 * half + 1, mode="nearest")
    return np.minimum(uniform_filter1d(lowest, 2 * half + 1, mode="nearest"), 1.0)
