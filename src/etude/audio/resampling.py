"""Sounds of any rate and any number of channels as stereo at one rate."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

HALF = 64  # taps of the filter to each side, a sample of the lower rate: it passes 90 % of the band
STOP = 10.06  # the beta of a Kaiser window of 100 dB
MINUS_3 = math.sqrt(0.5)
# channels -> what of each goes to the left and to the right, in the order of WAV files. Source: ITU-R BS.775-4, table 2
DOWNMIX = {
    3: [(1, 0, MINUS_3), (0, 1, MINUS_3)],
    4: [(1, 0, MINUS_3, 0), (0, 1, 0, MINUS_3)],
    5: [(1, 0, MINUS_3, MINUS_3, 0), (0, 1, MINUS_3, 0, MINUS_3)],
    6: [(1, 0, MINUS_3, 0, MINUS_3, 0), (0, 1, MINUS_3, 0, 0, MINUS_3)],  # without the channel for basses
}


def to_stereo(audio: np.ndarray) -> NDArray[np.float32]:
    """A sound (channels, samples) in two channels: (2, samples).

    One channel sounds in both; three to six are mixed down by ITU-R BS.775; of any other number both have the mean.
    """
    channels = len(audio)
    if channels == 2:
        return np.asarray(audio, dtype=np.float32)
    if channels in DOWNMIX:
        return np.asarray(np.array(DOWNMIX[channels], np.float32) @ audio, dtype=np.float32)
    return np.repeat(audio.mean(axis=0, keepdims=True, dtype=np.float32), 2, axis=0)


def resample(audio: np.ndarray, rate: int, wanted: int) -> NDArray[np.float32]:
    """A sound (channels, samples) at another rate, by a polyphase filter that lets nothing alias above -100 dB.

    Args:
        audio: the sound.
        rate: its samples a second.
        wanted: those of the result.

    Returns:
        (channels, samples): as many as are needed for the same seconds, rounded up.
    """
    if rate == wanted:
        return np.asarray(audio, dtype=np.float32)
    shared = math.gcd(rate, wanted)
    up, down = wanted // shared, rate // shared
    most = max(up, down)
    taps = firwin(2 * HALF * most + 1, 0.95 / most, window=("kaiser", STOP)).astype(np.float32)
    return np.asarray(resample_poly(audio.astype(np.float32), up, down, axis=1, window=taps), dtype=np.float32)
