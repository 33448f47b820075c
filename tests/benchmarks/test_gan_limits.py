"""The limits of music made of independent windows: how windows are moved to one key."""

from types import ModuleType

import numpy as np
import pytest
from conftest import benchmark_script

C_MAJOR = (0, 2, 4, 5, 7, 9, 11)


@pytest.fixture(scope="module")
def limits() -> ModuleType:
    return benchmark_script("gan_limits")


def scale(tonic: int, low: int = 40, pitches: int = 48) -> np.ndarray:
    """Two windows of one voice with the notes of a major scale, the tonic longest, but for the outer octaves."""
    rolls = np.zeros((2, 1, 16, pitches), dtype=np.uint8)
    for pitch in range(12, pitches - 12):
        degree = (pitch + low - tonic) % 12
        if degree in C_MAJOR:
            rolls[..., : 16 if degree in (0, 7) else 4, pitch] = 1
    return rolls


def test_pitches_that_leave_the_range_are_left_out(limits: ModuleType) -> None:
    rolls = np.zeros((1, 1, 1, 5), dtype=np.uint8)
    rolls[..., [0, 3]] = 1
    assert limits.moved(rolls, 2).nonzero()[3].tolist() == [2]
    assert limits.moved(rolls, -2).nonzero()[3].tolist() == [1]
    assert limits.moved(rolls, 0).nonzero()[3].tolist() == [0, 3]


@pytest.mark.parametrize("tonic", range(12))
def test_windows_are_moved_to_a_key_by_a_tritone_at_most(limits: ModuleType, tonic: int) -> None:
    rolls = scale(tonic)
    assert limits.key_of(rolls, 40) == tonic
    assert limits.key_of(limits.in_key(rolls, 4, 40), 40) == 4
    assert np.array_equal(limits.in_key(rolls, 4, 40), limits.moved(rolls, (4 - tonic + 6) % 12 - 6))
