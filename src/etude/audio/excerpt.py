"""Excerpts: the start of a sound, faded out where it is cut, without the silence before it."""

import numpy as np

from etude.audio.fades import fade_out

FADE = 1.5  # seconds at the end of an excerpt
SILENT = 1e-4  # amplitude (-80 dBFS) below which nothing is heard
BEFORE = 0.05  # seconds that stay before the first sound


def excerpt(audio: np.ndarray, sample_rate: int, seconds: float) -> np.ndarray:
    """The first ``seconds`` of a sound (channels, samples), faded out where it was cut; a shorter one as it is."""
    length = round(seconds * sample_rate)
    if audio.shape[1] <= length:
        return audio
    cut = audio[:, :length].copy()
    fade = min(length, round(FADE * sample_rate))
    if fade:
        cut[:, -fade:] *= fade_out(fade)
    return cut


def from_first_sound(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """A sound (channels, samples) without the silence that it starts with, as the rests before an upbeat are."""
    heard = np.flatnonzero(np.abs(audio).max(axis=0, initial=0.0) > SILENT)
    return audio[:, max(0, int(heard[0]) - round(BEFORE * sample_rate)) :] if len(heard) else audio
