"""The key that fits a piece best, by the Krumhansl-Schmuckler profile."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

Mode = Literal["major", "minor"]

# Probe-tone ratings of Krumhansl and Kessler (1982), from the tonic upwards: Carol L. Krumhansl, Cognitive Foundations
# of Musical Pitch, Oxford University Press 1990, chapter 2; chapter 4 has her and Mark Schmuckler's algorithm.
PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


def best_key(durations: Sequence[float] | np.ndarray) -> tuple[int, Mode] | None:
    """Find the key whose profile correlates best with the sounding time of each pitch class.

    Args:
        durations: 12 totals from C upwards, in any unit of time.

    Returns:
        The tonic as a pitch class (0 is C) and the mode. Among equally good keys the lower tonic wins, then major, so
        that the result is deterministic. ``None`` where no pitch class stands out (silence, or all twelve equal).

    Source: the key-finding algorithm of Krumhansl and Schmuckler (Krumhansl 1990, chapter 4): Pearson's correlation
    with each of the 24 rotated profiles.
    """
    totals = np.asarray(durations, dtype=float)
    if totals.shape != (12,):
        raise ValueError(f"durations must hold 12 pitch classes, not {totals.shape}")
    if np.ptp(totals) == 0:
        return None
    best: tuple[int, Mode] | None = None
    highest = -np.inf
    for tonic in range(12):
        for mode, profile in PROFILES.items():
            fit = float(np.corrcoef(totals, np.roll(profile, tonic))[0, 1])
            if fit > highest + 1e-12:  # a last digit decides no tie
                best, highest = (tonic, mode), fit
    return best


def sharps_of(tonic: int, mode: Mode) -> int:
    """The sharps, or minus the flats, of a key signature, in -5 to 6: ``sharps_of(9, "minor")`` is 0."""
    return ((tonic + (3 if mode == "minor" else 0)) * 7 + 5) % 12 - 5
