"""Loudness and true peak: known sounds, and the same by other means."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from etude.audio.loudness import STEP, BlockLoudness, TruePeaks, decibels, loudness_of, true_peak_of

RATE = 48000
TIME = np.arange(2 * RATE) / RATE


def test_a_sine_of_known_loudness() -> None:
    full = np.sin(2 * np.pi * 997 * np.arange(4 * RATE) / RATE)  # BS.1770: 0 dBFS in one channel is -3.01 LUFS
    sound = np.stack([full, np.zeros_like(full)])
    assert loudness_of(sound, RATE) == pytest.approx(-3.01, abs=0.1)
    assert BlockLoudness(sound, RATE).of() == pytest.approx(loudness_of(sound, RATE), abs=0.01)
    assert loudness_of(sound * 0, RATE) == -math.inf == loudness_of(sound[:, :1000], RATE)


def test_a_peak_between_two_samples() -> None:
    between = np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4)[None]  # a quarter of the rate: each sample is at 0.707
    between *= np.sin(np.pi * np.arange(RATE) / RATE)  # without a jump at its ends, which has peaks of its own
    assert decibels(np.abs(between).max()) == pytest.approx(-3.01, abs=0.01)
    assert true_peak_of(between, RATE) == pytest.approx(0, abs=0.02)
    assert true_peak_of(between * 0, RATE) == -math.inf
    assert true_peak_of(np.full((1, 1), 0.5), RATE) >= decibels(0.5)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31), samples=st.integers(40, 4000))
def test_the_true_peak_is_that_of_a_resampled_sound(seed: int, samples: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((2, samples))
    sound = resample_poly(noise, 2, 1, axis=1)  # nothing above half of the band, where two interpolations may differ
    other = decibels(np.abs(resample_poly(sound, 8, 1, axis=1, window=("kaiser", 9.0))).max())
    assert true_peak_of(sound, RATE) == pytest.approx(other, abs=0.1)
    assert true_peak_of(sound, RATE) >= decibels(np.abs(sound).max()) - 1e-6


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31), level=st.floats(0.1, 4))
def test_no_block_above_a_level_is_missed(seed: int, level: float) -> None:
    noise = np.random.default_rng(seed).standard_normal((2, 50 * STEP + 3))
    every = TruePeaks(noise).above(0)
    found = TruePeaks(noise).above(level)
    assert np.array_equal(found > level, every > level)
    assert np.array_equal(found[every > level], every[every > level])


def test_the_loudness_under_gains_is_that_of_the_sound_with_them() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 3 * RATE)) * 0.1
    gain = 0.6 + 0.4 * np.sin(np.arange(3 * RATE // STEP) * STEP / RATE * 7)
    with_gain = noise * np.repeat(gain, STEP)
    assert BlockLoudness(noise, RATE).of(gain) == pytest.approx(loudness_of(with_gain, RATE), abs=0.05)
    assert decibels(0) == -math.inf and decibels(1) == 0
