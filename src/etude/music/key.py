"""The key that fits a piece best, by the Krumhansl-Schmuckler profile."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["major", "minor"]

# Probe-tone ratings of Krumhansl and Kessler (1982), from the tonic upwards: Carol L. Krumhansl, Cognitive Foundations
# of Musical Pitch, Oxford University Press 1990, chapter 2; chapter 4 has her and Mark Schmuckler's algorithm.
PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


# pitch classes in the scale of each key, (24, 12): C major, C natural minor, C# major, ...
SCALES: NDArray[np.int64] = np.array(
    [np.roll(steps, tonic) for tonic in range(12) for steps in ([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1],
                                                                [1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0])]
)  # fmt: skip
MODES: tuple[Mode, ...] = ("major", "minor")


def best_keys(durations: NDArray[np.number]) -> NDArray[np.int64]:
    """Find the key of each piece whose profile correlates best with the sounding time of its pitch classes.

    Args:
        durations: (pieces, 12) totals from C upwards, in any unit of time.

    Returns:
        (pieces,): twice the tonic's pitch class (0 is C), plus 1 in minor; -1 where no pitch class stands out (silence,
        or all twelve equal). Among equally good keys the lower tonic wins, then major, so that the result is
        deterministic.

    Source: the key-finding algorithm of Krumhansl and Schmuckler (Krumhansl 1990, chapter 4): Pearson's correlation
    with each of the 24 rotated profiles.
    """
    totals = np.asarray(durations, dtype=float)
    if totals.ndim != 2 or totals.shape[1] != 12:
        raise ValueError(f"durations must hold 12 pitch classes, not {totals.shape}")
    centred = totals - totals.mean(axis=1, keepdims=True)
    stands = np.ptp(totals, axis=1) > 0
    norm = np.where(stands, np.linalg.norm(centred, axis=1), 1)
    found, highest = np.full(len(totals), -1), np.full(len(totals), -np.inf)
    for key in range(24):
        profile = np.roll(PROFILES[MODES[key % 2]], key // 2)
        profile = profile - profile.mean()
        fit = (centred * profile).sum(axis=1) / (norm * np.linalg.norm(profile))
        better = stands & (fit > highest + 1e-12)  # a last digit decides no tie
        found[better], highest[better] = key, fit[better]
    return found


def best_key(durations: Sequence[float] | NDArray[np.number]) -> tuple[int, Mode] | None:
    """The tonic and mode of one piece, from 12 durations; see ``best_keys``. None where no key stands out."""
    totals = np.asarray(durations, dtype=float)
    if totals.shape != (12,):
        raise ValueError(f"durations must hold 12 pitch classes, not {totals.shape}")
    key = int(best_keys(totals[None])[0])
    return None if key < 0 else (key // 2, MODES[key % 2])


def sharps_of(tonic: int, mode: Mode) -> int:
    """The sharps, or minus the flats, of a key signature, in -5 to 6: ``sharps_of(9, "minor")`` is 0."""
    return ((tonic + (3 if mode == "minor" else 0)) * 7 + 5) % 12 - 5
