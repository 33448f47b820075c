"""How loud a sound is: integrated loudness, and the true peak, which may lie between two samples (ITU-R BS.1770-4)."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

GATE = 0.4  # seconds of a block whose loudness counts
HOP = 0.1  # seconds between two blocks
ABSOLUTE, RELATIVE = -70.0, -10.0  # LUFS, and LU, below which a block does not count
STEP = 16  # samples of a block whose peak is measured, and that has one gain
TAPS = 24  # of the interpolation between two samples
OVERSAMPLING = 8  # BS.1770-4 asks for 4, which misses up to 0.6 dB of the highest frequencies; 8 misses 0.15 dB
QUICK = 4  # within a search
BATCH = 1 << 14  # blocks that are interpolated at once, for the memory's sake


def decibels(level: float) -> float:
    """A level (1 is full scale) in dBFS; silence gives minus infinity."""
    return 20 * math.log10(level) if level > 0 else -math.inf


def loudness_of(mix: np.ndarray, sample_rate: int) -> float:
    """The integrated loudness of a sound (channels, samples) in LUFS.

    Minus infinity of silence, of what is softer than -70 LUFS, and of less than 0.4 s. Source: ITU-R BS.1770-4, as
    pyloudnorm measures it.
    """
    from pyloudnorm import Meter  # half a second, with scipy.signal

    if mix.shape[1] < GATE * sample_rate:
        return -math.inf
    with np.errstate(divide="ignore"):
        return float(Meter(sample_rate, block_size=GATE).integrated_loudness(mix.T.astype(np.float64)))


def true_peak_of(mix: np.ndarray, sample_rate: int) -> float:
    """The true peak of a sound (channels, samples) in dBTP: the highest level of the samples and between them.

    Minus infinity of silence. Source: ITU-R BS.1770-4, annex 2; the sound is interpolated at 8 times its rate, at 4
    times from 96 kHz.
    """
    peaks = TruePeaks(mix, OVERSAMPLING if sample_rate < 96000 else 4)
    highest = float(peaks.of_samples.max(initial=0.0))
    return decibels(float(peaks.above(highest).max(initial=0.0)))


class TruePeaks:
    """The true peak of each block of ``STEP`` samples, interpolated only where that is needed.

    ``of_samples`` has the highest absolute sample of each block: (blocks,), of all channels.
    """

    def __init__(self, mix: np.ndarray, oversampling: int = OVERSAMPLING) -> None:
        """Args: a sound (channels, samples); how many times its rate it is interpolated at."""
        self._kernel, self._most = _kernel(oversampling)
        self.of_samples = block_peaks(mix)
        blocks = len(self.of_samples)
        padded = np.zeros((len(mix), blocks * STEP + TAPS - 1), np.float32)
        padded[:, TAPS // 2 - 1 : TAPS // 2 - 1 + mix.shape[1]] = mix
        # (channels, blocks, STEP + TAPS - 1): what the interpolation of a block sees
        self._frames = np.lib.stride_tricks.sliding_window_view(padded, len(self._kernel), axis=1)[:, ::STEP]
        self._found = self.of_samples.copy()
        self._known = np.zeros(blocks, dtype=bool)

    def above(self, level: float) -> NDArray[np.float64]:
        """The peak of each block (blocks,): the true one where it may be above ``level``, else that of the samples."""
        around = self.of_samples.copy()  # the interpolation sees the neighbours' samples too
        around[1:] = np.maximum(around[1:], self.of_samples[:-1])
        around[:-1] = np.maximum(around[:-1], self.of_samples[1:])
        missing = np.flatnonzero((around * self._most > level) & ~self._known)
        for start in range(0, len(missing), BATCH):
            blocks = missing[start : start + BATCH]
            for frames in self._frames:
                between = np.abs(frames[blocks] @ self._kernel).max(axis=1)  # (blocks,)
                self._found[blocks] = np.maximum(self._found[blocks], between)
        self._known[missing] = True
        return self._found


@cache
def _kernel(oversampling: int) -> tuple[NDArray[np.float32], float]:
    """The interpolation of a block, and the most that it can exceed the samples by.

    A sinc in a Kaiser window, of TAPS samples: (STEP + TAPS - 1, STEP * (oversampling - 1)).
    """
    place = np.arange(1 - TAPS // 2, TAPS // 2 + 1)  # (TAPS,) samples around the first of two
    kernel = np.zeros((STEP + TAPS - 1, STEP, oversampling - 1))
    most = 1.0
    for phase in range(1, oversampling):
        distance = place - phase / oversampling
        window = np.i0(7 * np.sqrt(np.clip(1 - (distance / (TAPS / 2 + 0.5)) ** 2, 0, 1))) / np.i0(7.0)
        taps = np.sinc(distance) * window
        taps /= taps.sum()
        most = max(most, float(np.abs(taps).sum()))
        for sample in range(STEP):
            kernel[sample : sample + TAPS, sample, phase - 1] = taps
    return kernel.reshape(len(kernel), -1).astype(np.float32), most


def block_peaks(mix: np.ndarray) -> NDArray[np.float64]:
    """The highest absolute sample of each block of ``STEP`` samples (channels, samples): (blocks,)."""
    samples = mix.shape[1]
    blocks = -(-samples // STEP)
    highest = np.zeros(blocks)
    padded = np.zeros(blocks * STEP, np.float32)
    for channel in mix:
        np.abs(channel, out=padded[:samples], casting="same_kind")
        np.maximum(highest, padded.reshape(-1, STEP).max(axis=1), out=highest)
    return highest


class BlockLoudness:
    """The loudness of a sound, also under gains that move slowly, one a block of ``STEP`` samples.

    The sound is weighted once, and its gains are applied to the weighted power: far quicker than measuring each time.
    Without gains it is what ``loudness_of`` measures, within some hundredths of a LU.
    """

    def __init__(self, mix: np.ndarray, sample_rate: int) -> None:
        """Args: a sound (channels, samples); samples a second."""
        from pyloudnorm import IIRfilter

        stages = [  # those of BS.1770-4, for any rate
            IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, sample_rate, "high_shelf"),
            IIRfilter(0.0, 0.5, 38.0, sample_rate, "high_pass"),
        ]
        weighting = np.array([[*stage.b, *stage.a] for stage in stages])
        blocks = -(-mix.shape[1] // STEP)
        power = np.zeros(blocks * STEP)
        for channel in mix:
            weighted = sosfilt(weighting, channel.astype(np.float64))
            power[: len(weighted)] += np.square(weighted)
        self._power = power.reshape(-1, STEP).sum(axis=1)  # (blocks,)
        self._rate, self._samples = sample_rate, mix.shape[1]

    def of(self, gain: NDArray[np.float64] | float = 1.0) -> float:
        """The integrated loudness in LUFS, with a gain a block (blocks,)."""
        hops = int(self._samples / (HOP * self._rate) + 1e-9)
        if hops < round(GATE / HOP):
            return -math.inf
        summed = np.concatenate([[0.0], np.cumsum(self._power * np.square(gain))])
        edges = np.interp(np.arange(hops + 1) * HOP * self._rate / STEP, np.arange(len(summed)), summed)
        span = round(GATE / HOP)
        power = (edges[span:] - edges[:-span]) / (GATE * self._rate)
        for gate in (ABSOLUTE, None):
            threshold = gate if gate is not None else _lufs(float(power.mean())) + RELATIVE
            power = power[power > 10 ** ((threshold + 0.691) / 10)]
            if not len(power):
                return -math.inf
        return _lufs(float(power.mean()))


def _lufs(power: float) -> float:
    return -0.691 + 10 * math.log10(power) if power > 0 else -math.inf
