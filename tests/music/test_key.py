"""The key that fits best, and its signature."""

import pytest

from etude.music.key import PROFILES, Mode, best_key, sharps_of


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_each_profile_is_the_best_of_its_own_key(tonic: int, mode: Mode) -> None:
    durations = [PROFILES[mode][(pitch - tonic) % 12] for pitch in range(12)]
    assert best_key(durations) == (tonic, mode)


def test_the_key_of_a_melody() -> None:
    c_minor = [(0, 72), (2, 24), (3, 48), (5, 24), (7, 72), (8, 24), (11, 12)]
    durations = [0] * 12
    for pitch, length in c_minor:
        durations[pitch] = length
    assert best_key(durations) == (0, "minor")
    assert best_key([0] * 12) is None
    assert best_key([7] * 12) is None


@pytest.mark.parametrize(
    ("tonic", "mode", "sharps"),
    [(0, "major", 0), (9, "minor", 0), (7, "major", 1), (5, "major", -1), (2, "minor", -1), (6, "major", 6)],
)
def test_the_signature_of_a_key(tonic: int, mode: Mode, sharps: int) -> None:
    assert sharps_of(tonic, mode) == sharps
