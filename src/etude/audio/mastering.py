"""Mastering: every mix at one loudness, so that none is preferred for being louder, under a true peak."""

import math

import numpy as np
from numpy.typing import NDArray

from etude.audio.dynamics import compress, limit
from etude.audio.fades import fades
from etude.audio.loudness import QUICK, STEP, BlockLoudness, TruePeaks, decibels
from etude.config.sections import Mix

EXACT = 0.1  # LU between the loudness and that of the settings, which nobody hears
CLOSE = 0.02  # LU between the estimated loudness and the one aimed at
SLACK = 0.05  # dB that the true peak stays below the wanted one, for what other meters may find between the samples
MARGIN = 0.05  # dB that the limiter keeps below that, for what the interpolation of its gains adds
CHECKS = 5  # of the finished mix; all but heavily limited ones need one
ROUNDS = 24  # of the search for a gain
STEEPEST = 12.0  # dB of gain for one LU at most, where the limiter takes most of it
MOST = 90.0  # dB of gain over a mix whose highest sample is at full scale


def master(mix: np.ndarray, settings: Mix) -> NDArray[np.float32]:
    """The gain at each sample with which a mix has the wanted loudness and stays under the wanted true peak.

    A level for all, then a compressor, a limiter and the fades. Where the limiter takes loudness away, the level comes
    up until the loudness is there: within 0.1 LU for all that sounds a second or more. One gain for all tracks: tracks
    that add up to the mix still do, each under this gain.

    Shorter than 0.4 s there is no loudness, and the mix is scaled to the peak. A few clicks in perfect silence stay
    softer than wanted: at the ceiling they have no more power. Silence stays silence.

    Args:
        mix: a sound, (2, samples).
        settings: ``sample_rate``, ``loudness`` in LUFS and ``peak`` in dBTP, ``compressor``, ``fade_in``, ``fade_out``.

    Returns:
        (samples,).
    """
    samples, rate = mix.shape[1], settings.sample_rate
    highest = float(np.abs(mix).max(initial=0.0))
    faded = fades(samples, rate, settings.fade_in, settings.fade_out)
    if not highest:
        return np.ones(samples, np.float32)
    search = _Search(mix / np.float32(highest), settings, faded)
    top, aim = settings.peak - SLACK, settings.loudness
    ceiling = top - MARGIN
    best, error = np.zeros(0, np.float32), math.inf
    for _ in range(CHECKS):
        curve = search.curve(aim, ceiling) / np.float32(highest)
        made = mix * curve
        found = BlockLoudness(made, rate).of()
        peak = decibels(float(TruePeaks(made).above(10 ** (top / 20)).max()))
        miss = abs(found - settings.loudness) if math.isfinite(found) else 0.0
        if peak <= top and (miss < error or not len(best)):
            best, error = curve, miss
        if peak <= top and miss <= EXACT:
            return best
        aim += settings.loudness - found if math.isfinite(found) else 0.0
        ceiling -= max(0.0, peak - top)
    if not len(best):  # of which no case is known: the peak counts more than the loudness
        return np.asarray(curve * np.float32(10 ** ((top - peak) / 20)))
    return best


class _Search:
    """The search for the level at which a mix, after compressor, limiter and fades, has a loudness."""

    def __init__(self, mix: np.ndarray, settings: Mix, faded: NDArray[np.float32] | None) -> None:
        """Args: a mix whose highest sample is 1; the settings; the gains of its fades."""
        self.settings, self.samples, self.faded = settings, mix.shape[1], faded
        self.peaks = TruePeaks(mix, QUICK)
        self.loudness = BlockLoudness(mix, settings.sample_rate)
        blocks = len(self.peaks.of_samples)
        middle = np.minimum(np.arange(blocks) * STEP + STEP // 2, self.samples - 1)
        self.fade = np.ones(blocks) if faded is None else faded[middle].astype(np.float64)

    def curve(self, loudness: float, ceiling: float) -> NDArray[np.float32]:
        """The gain at each sample, for a loudness in LUFS and a ceiling in dBTP."""
        alone = self.loudness.of(self.fade)
        top = 10 ** (ceiling / 20)
        if not math.isfinite(alone):  # too short to have a loudness
            level = top / float(self.peaks.above(1.0).max())
            gain = np.full(len(self.fade), level)
        else:
            gain = self._settle(loudness, loudness - alone, top)
        found = between_blocks(gain, self.samples)
        return found if self.faded is None else found * self.faded

    def _settle(self, loudness: float, level: float, top: float) -> NDArray[np.float64]:
        """The gain of each block, without fades, from a first level in dB: a secant search."""
        last: tuple[float, float] | None = None
        for _ in range(ROUNDS):
            gain = self._chain(10 ** (level / 20), top)
            found = self.loudness.of(gain * self.fade)
            if abs(found - loudness) <= CLOSE:
                break
            slope = 1.0
            if last is not None and found != last[1]:
                slope = min(max((level - last[0]) / (found - last[1]), 1.0), STEEPEST)
            last = level, found
            level = min(level + slope * (loudness - found), MOST)
            if level == last[0]:
                break
        return gain

    def _chain(self, level: float, top: float) -> NDArray[np.float64]:
        """The gain of each block at a level: compressor, then limiter."""
        rate = self.settings.sample_rate
        gain = level * compress(self.peaks.of_samples * level, rate, self.settings.compressor)
        return gain * limit(self.peaks.above(top / level) * gain, rate, top)


def between_blocks(gain: NDArray[np.float64], samples: int) -> NDArray[np.float32]:
    """Gains of blocks of ``STEP`` samples (blocks,) as gains of samples (samples,), straight lines between them."""
    ends = np.concatenate([gain[:1], gain, gain[-1:]]).astype(np.float32)
    along = np.arange(STEP, dtype=np.float32) / STEP
    found = np.asarray(ends[:-1, None] + np.diff(ends)[:, None] * along, dtype=np.float32)
    return found.reshape(-1)[STEP // 2 : STEP // 2 + samples]
