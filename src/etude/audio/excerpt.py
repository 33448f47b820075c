"""Excerpts: the start of a sound, faded out where it is cut."""

import numpy as np

FADE = 1.5  # seconds at the end of an excerpt


def excerpt(audio: np.ndarray, sample_rate: int, seconds: float) -> np.ndarray:
    """The first ``seconds`` of a sound (channels, samples), faded out where it was cut; a shorter one as it is."""
    length = round(seconds * sample_rate)
    if audio.shape[1] <= length:
        return audio
    cut = audio[:, :length].copy()
    fade = min(length, round(FADE * sample_rate))
    if fade:
        cut[:, -fade:] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    return cut
