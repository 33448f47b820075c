"""The key that fits best, and its signature."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.music.key import MODES, PROFILES, SCALES, Mode, best_key, best_keys, sharps_of


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


def fits(totals: list[int]) -> list[float]:
    """Pearson's correlation with the profile of each key, by numpy."""
    rolled = [np.roll(np.array(PROFILES[mode]), tonic) for tonic in range(12) for mode in MODES]
    return [float(np.corrcoef(np.array(totals), profile)[0, 1]) for profile in rolled]


@hypothesis(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 50), min_size=12, max_size=12), max_size=4))
def test_the_keys_of_many_pieces_have_the_highest_correlation(durations: list[list[int]]) -> None:
    found = best_keys(np.array(durations).reshape(-1, 12))
    assert len(found) == len(durations)
    for totals, key in zip(durations, found.tolist(), strict=True):
        if len(set(totals)) == 1:
            assert key == -1 and best_key(totals) is None
            continue
        own = fits(totals)
        assert own[key] == pytest.approx(max(own)) and best_key(totals) == (key // 2, MODES[key % 2])


def test_of_equally_good_keys_the_lower_tonic_and_major_is_taken() -> None:
    for totals in ([1, 0] * 6, [0, 1] * 6, [1, 0, 0] * 4, [1, 0, 0, 0, 0, 0] * 2):
        found = fits(totals)
        first = next(key for key, fit in enumerate(found) if fit > max(found) - 1e-9)
        assert best_keys(np.array([totals, totals]) * 0.1 + 7).tolist() == [first, first]


def test_durations_of_other_shapes_are_refused() -> None:
    for wrong in (np.zeros(12), np.zeros((2, 11))):
        with pytest.raises(ValueError, match="12 pitch classes"):
            best_keys(wrong)
    with pytest.raises(ValueError, match="12 pitch classes"):
        best_key([1, 2])


def test_scales_by_key() -> None:
    assert SCALES.shape == (24, 12) and (SCALES.sum(axis=1) == 7).all()
    assert np.flatnonzero(SCALES[0]).tolist() == [0, 2, 4, 5, 7, 9, 11]
    assert SCALES[2 * 9 + 1].tolist() == SCALES[0].tolist(), "A minor has the notes of C major"
    assert np.flatnonzero(SCALES[2 * 2]).tolist() == [1, 2, 4, 6, 7, 9, 11]


@pytest.mark.parametrize(
    ("tonic", "mode", "sharps"),
    [(0, "major", 0), (9, "minor", 0), (7, "major", 1), (5, "major", -1), (2, "minor", -1), (6, "major", 6)],
)
def test_the_signature_of_a_key(tonic: int, mode: Mode, sharps: int) -> None:
    assert sharps_of(tonic, mode) == sharps
