"""Reverb: a room as decaying noise, which tracks are convolved with."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from etude.config.sections import Reverb

CENTRES = 125.0 * 2.0 ** np.arange(8)  # Hz of the bands, which decay each in its own time
EVEN, DAMPED = 500.0, 8000.0  # Hz up to which the decay is that of the setting, and from which it is damped in full
LOW_CUT = 180.0  # Hz below which the room is silent, so that basses stay clear
SHORTEST = 0.05  # of the time of decay, that the highest frequencies keep
DECAY = 60.0  # dB in the time of decay


@cache
def impulse_response(settings: Reverb, sample_rate: int) -> NDArray[np.float32]:
    """How a room answers a click: noise that decays by 60 dB in ``seconds``, high frequencies sooner.

    Both channels have their own noise, so that the room surrounds the listener. The squares of each channel add up to
    1: noise is as loud after the room as before. The same settings give the same samples. Source: Moorer (1979), About
    this reverberation business, Computer Music Journal 3(2).

    Args:
        settings: seconds of decay and before it starts, damping, and the seed of the noise.
        sample_rate: samples a second.

    Returns:
        (2, samples).
    """
    length, before = round(settings.seconds * sample_rate), round(settings.predelay * sample_rate)
    noise = np.fft.rfft(np.random.default_rng(settings.seed).standard_normal((2, length)))  # (2, frequencies)
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / sample_rate), 1.0)
    noise /= 1 + (LOW_CUT / frequency) ** 4
    octave = np.clip(np.log2(frequency / CENTRES[0]), 0, len(CENTRES) - 1)
    sooner = np.clip(np.log2(CENTRES / EVEN) / np.log2(DAMPED / EVEN), 0, 1)  # (bands,)
    seconds = settings.seconds * np.maximum(1 - settings.damping * sooner, SHORTEST)
    time = np.arange(length) / sample_rate
    response = np.zeros((2, before + length))
    for band, decay in enumerate(seconds):
        share = np.maximum(0, 1 - np.abs(octave - band))  # neighbouring bands add up to 1
        response[:, before:] += np.fft.irfft(noise * share, length) * 10 ** (-DECAY * time / (20 * decay))
    return (response / np.sqrt(np.square(response).sum(axis=1, keepdims=True))).astype(np.float32)


def reverberate(send: np.ndarray, response: NDArray[np.float32]) -> NDArray[np.float32]:
    """The room's answer to a sound (samples,): (2, samples), cut where the sound ends."""
    if not send.any():
        return np.zeros((2, len(send)), np.float32)
    found = np.asarray(oaconvolve(send[None].astype(np.float32), response, axes=1)[:, : len(send)], dtype=np.float32)
    found[:, : np.flatnonzero(send)[0]] = 0  # silence but for the rounding of the Fourier transforms
    return found
