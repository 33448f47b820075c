"""The compressor's curve and times; the limiter's ceiling."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.audio.dynamics import KNEE, compress, compression, limit
from etude.audio.loudness import STEP
from etude.config.sections import Compressor

RATE = 16000
SETTINGS = Compressor(threshold=-20.0, ratio=4.0, attack=0.01, release=0.1)
SECOND = RATE // STEP  # blocks


def test_the_curve_has_the_ratio_above_the_threshold_and_a_soft_knee() -> None:
    found = compression(np.array([-60.0, -20 - KNEE / 2, -20.0, -20 + KNEE / 2, 0.0]), SETTINGS)
    assert found[:2].tolist() == [0, 0]
    assert found[2] == pytest.approx(0.75 * KNEE / 8)
    assert found[3] == pytest.approx(0.75 * KNEE / 2)
    assert found[4] == pytest.approx(15), "20 dB over the threshold become 5"
    levels = np.linspace(-40, 0, 4001)
    slope = np.diff(levels - compression(levels, SETTINGS)) / np.diff(levels)
    assert slope.min() >= 0.25 - 1e-6 and slope.max() <= 1 + 1e-6 and (np.diff(slope) <= 1e-6).all()


def test_a_steady_level_gets_what_the_curve_says() -> None:
    gain = compress(np.full(2 * SECOND, 0.5), RATE, SETTINGS)
    expected = -float(compression(np.array([20 * math.log10(0.5)]), SETTINGS)[0])
    assert 20 * math.log10(gain[-1]) == pytest.approx(expected, abs=1e-6)


def test_attack_and_release_are_time_constants() -> None:
    level = np.full(3 * SECOND, 0.01)
    level[SECOND : 2 * SECOND] = 1.0
    turned = -20 * np.log10(compress(level, RATE, SETTINGS))
    assert turned[SECOND - 1] == 0 and turned[2 * SECOND - 1] == pytest.approx(15, abs=0.01)
    attack = np.argmax(turned > 15 * (1 - math.exp(-1))) - SECOND
    assert attack * STEP / RATE == pytest.approx(SETTINGS.attack, abs=2 * STEP / RATE)
    release = np.argmax(turned[2 * SECOND :] < 15 - 0.75 * 20 * math.log10(math.e))
    assert release * STEP / RATE == pytest.approx(SETTINGS.release + SETTINGS.attack, abs=0.01)


def test_a_ratio_of_one_does_nothing() -> None:
    off = Compressor(threshold=-60.0, ratio=1.0, attack=0.01, release=0.1)
    assert (compress(np.ones(10), RATE, off) == 1).all() and len(compress(np.zeros(0), RATE, off)) == 0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), ceiling=st.floats(0.05, 1))
def test_no_peak_exceeds_the_ceiling_and_soft_ones_stay(seed: int, ceiling: float) -> None:
    rng = np.random.default_rng(seed)
    peaks = np.abs(rng.standard_normal(500)) * rng.choice([0.01, 1, 5])
    gain = limit(peaks, RATE, ceiling)
    assert (peaks * gain <= ceiling + 1e-9).all() and (gain > 0).all() and (gain <= 1).all()
    for near in (gain[1:], gain[:-1]):  # the gain between two blocks lies between theirs
        middle = (near + (gain[:-1] if near is not gain[:-1] else gain[1:])) / 2
        assert (peaks[1:] * middle <= ceiling + 1e-9).all() and (peaks[:-1] * middle <= ceiling + 1e-9).all()
    assert (limit(np.full(100, ceiling / 2), RATE, ceiling) == 1).all()


def test_it_turns_down_before_a_peak_and_comes_up_again() -> None:
    peaks = np.full(2 * SECOND, 0.1)
    peaks[SECOND] = 4.0
    gain = limit(peaks, RATE, 1.0)
    assert gain[SECOND] <= 0.25 and (gain[: SECOND - SECOND // 50] == 1).all()
    assert gain[-1] == pytest.approx(1)
    assert 0.25 < gain[SECOND + SECOND // 40] < 1
    assert np.abs(np.diff(gain)).max() < 0.3, "no jump"
