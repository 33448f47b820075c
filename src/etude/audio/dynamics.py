"""Dynamics: a compressor and a limiter, as gains of blocks of samples that hold for both channels."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import lfilter

from etude.audio.loudness import STEP
from etude.config.sections import Compressor

KNEE = 6.0  # dB around the threshold in which the compressor sets in
LOOK_AHEAD = 0.005  # seconds by which the limiter turns down before a peak
RECOVERY = 200.0  # dB a second by which the limiter comes up again: slower than the waves of a bass
SOFTEST = 1e-9  # below this level nothing is measured


def compression(level: NDArray[np.float64], settings: Compressor) -> NDArray[np.float64]:
    """By how many dB a level in dBFS is turned down in the end.

    Nothing below the threshold, (1 - 1 / ratio) of what is above it, and a parabola within a knee of 6 dB.
    """
    over = level - settings.threshold
    bent = np.square(np.clip(over + KNEE / 2, 0, KNEE)) / (2 * KNEE)
    return (1 - 1 / settings.ratio) * (bent + np.maximum(0, over - KNEE / 2))


def compress(peaks: NDArray[np.float64], sample_rate: int, settings: Compressor) -> NDArray[np.float64]:
    """The gains of a compressor.

    The level follows peaks at once and decays with the time constant ``release``; the gain follows it with the time
    constant ``attack``. Source: the decoupled detector of Giannoulis, Massberg and Reiss (2012), Digital dynamic range
    compressor design, J. Audio Eng. Soc. 60(6).

    Args:
        peaks: the highest level of each block of ``STEP`` samples: (blocks,), 1 is full scale.
        sample_rate: samples a second.
        settings: threshold in dBFS, ratio, attack and release in seconds.

    Returns:
        A gain for each block, (blocks,), at most 1.
    """
    if settings.ratio == 1 or not len(peaks):
        return np.ones(len(peaks))
    level = 20 * np.log10(np.maximum(peaks, SOFTEST))
    held = _hold(level, 20 * math.log10(math.e) * STEP / (settings.release * sample_rate))
    kept = math.exp(-STEP / (settings.attack * sample_rate))
    turned = compression(held, settings)
    smooth, _ = lfilter([1 - kept], [1, -kept], turned, zi=[kept * turned[0]])
    return np.asarray(10 ** (-smooth / 20))


def limit(peaks: NDArray[np.float64], sample_rate: int, ceiling: float) -> NDArray[np.float64]:
    """The gains of a limiter with a look ahead of 5 ms, which recovers by 200 dB a second.

    Each block gets the mean of the gains that the blocks around it need, each of them the lowest within the look ahead:
    the gain moves smoothly, and is low enough where the peak is, also where it is interpolated between two blocks.

    Args:
        peaks: the true peak of each block of ``STEP`` samples: (blocks,), 1 is full scale.
        sample_rate: samples a second.
        ceiling: the highest level that is left.

    Returns:
        A gain for each block, (blocks,), at most 1, with which no peak exceeds ``ceiling``.
    """
    if peaks.max(initial=0.0) <= ceiling:
        return np.ones(len(peaks))
    over = 20 * np.log10(np.maximum(peaks / ceiling, 1.0))
    needed = 10 ** (-_hold(over, RECOVERY * STEP / sample_rate) / 20)
    half = max(1, round(LOOK_AHEAD * sample_rate / STEP))
    lowest = minimum_filter1d(np.minimum(needed, 1.0), 2 * half + 3, mode="nearest")
    return np.minimum(uniform_filter1d(lowest, 2 * half + 1, mode="nearest"), 1.0)


def _hold(level: NDArray[np.float64], decay: float) -> NDArray[np.float64]:
    """Levels in dB that rise at once and fall by ``decay`` a block: the highest of all earlier ones, as they fell."""
    fallen = np.arange(len(level)) * decay
    return np.maximum.accumulate(level + fallen) - fallen
