"""Mastering: one loudness, a ceiling, stems that add up."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.audio.mastering import limit, loudness_of, master

RATE = 16000
TIME = np.arange(3 * RATE) / RATE


def tone(level: float, clicks: float = 0.0, frequency: float = 440) -> np.ndarray:
    """Three seconds of a tone, with short loud clicks every half second."""
    wave = level * np.sin(2 * np.pi * frequency * TIME) + clicks * (TIME % 0.5 < 0.002)
    return np.stack([wave, wave])


def test_a_sine_of_known_loudness() -> None:
    full = np.sin(2 * np.pi * 997 * np.arange(4 * 48000) / 48000)  # BS.1770: 0 dBFS in one channel is -3.01 LUFS
    assert loudness_of(np.stack([full, np.zeros_like(full)]), 48000) == pytest.approx(-3.01, abs=0.1)


@settings(deadline=None, max_examples=15)
@given(level=st.floats(0.001, 4), other=st.floats(0.0, 2))
def test_loudness_does_not_depend_on_how_loud_it_came_in(level: float, other: float) -> None:
    parts = master({"A": tone(level), "B": tone(other, frequency=300)}, RATE, -16, -1)
    mix = parts["A"] + parts["B"]
    assert loudness_of(mix, RATE) == pytest.approx(-16, abs=0.05)
    assert np.abs(mix).max() <= 10 ** (-1 / 20) + 1e-9


def test_peaks_are_turned_down_and_the_loudness_is_kept() -> None:
    parts = master({"A": tone(0.02, clicks=1.0), "B": tone(0.01)}, RATE, -16, -1)
    mix = parts["A"] + parts["B"]
    assert np.abs(mix).max() == pytest.approx(10 ** (-1 / 20), rel=1e-6), "the ceiling is reached"
    assert loudness_of(mix, RATE) == pytest.approx(-16, abs=0.5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), ceiling=st.floats(0.05, 1))
def test_no_sample_exceeds_the_ceiling_and_soft_ones_stay(seed: int, ceiling: float) -> None:
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((2, 2000)) * rng.choice([0.01, 1, 5])
    gain = limit(mix, RATE, ceiling)
    assert (np.abs(mix * gain) <= ceiling + 1e-9).all() and (gain > 0).all() and (gain <= 1).all()
    assert (limit(np.full((2, 100), ceiling / 2), RATE, ceiling) == 1).all()


def test_silence_and_what_is_too_short() -> None:
    silent = master({"A": np.zeros((2, RATE))}, RATE, -16, -1)
    assert not silent["A"].any() and loudness_of(silent["A"], RATE) == -math.inf
    short = master({"A": tone(0.1)[:, :100]}, RATE, -16, -6)
    assert np.abs(short["A"]).max() == pytest.approx(10 ** (-6 / 20))
    assert master({"A": np.zeros((2, 0))}, RATE, -16, -1)["A"].shape == (2, 0)
