"""Mastering: one loudness, a ceiling for the true peak, one gain curve."""

import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import smoke
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from etude.audio.loudness import STEP, loudness_of, true_peak_of
from etude.audio.mastering import between_blocks, master

RATE = 16000
TIME = np.arange(3 * RATE) / RATE
MIX = replace(smoke().mix, sample_rate=RATE)


def tone(level: float, clicks: float = 0.0, frequency: float = 440) -> np.ndarray:
    """Three seconds of a tone, with short loud clicks every half second."""
    wave = level * np.sin(2 * np.pi * frequency * TIME) + clicks * (TIME % 0.5 < 0.002)
    return np.stack([wave, wave])


def measured(mix: np.ndarray, **changes: object) -> tuple[float, float]:
    """The loudness of a mastered mix, and its true peak by another interpolation."""
    chosen = replace(MIX, **changes)  # type: ignore[arg-type]
    found = mix * master(mix, chosen)
    assert np.abs(found).max() < 1 and np.isfinite(found).all()
    other = float(np.abs(resample_poly(found, 8, 1, axis=1)).max())
    return loudness_of(found, RATE), 20 * math.log10(other)


@settings(deadline=None, max_examples=15)
@given(level=st.floats(0.00001, 4), other=st.floats(0.0, 2))
def test_loudness_does_not_depend_on_how_loud_it_came_in(level: float, other: float) -> None:
    loudness, peak = measured(tone(level) + tone(other, frequency=300))
    assert loudness == pytest.approx(MIX.loudness, abs=0.15) and peak <= MIX.peak + 0.01


@pytest.mark.parametrize("loudness", [-30.0, -14.0, -9.0])
@pytest.mark.parametrize("kind", ["clicks", "one click", "noise", "squares", "bursts", "a quarter of the rate"])
def test_peaky_and_dense_sounds_reach_the_loudness_under_the_ceiling(kind: str, loudness: float) -> None:
    rng = np.random.default_rng(1)
    one = np.zeros(len(TIME))
    one[RATE] = 1
    sounds = {
        "clicks": tone(0.02, clicks=1.0),
        "one click": np.stack([one, one]) + 0.001 * rng.standard_normal((2, len(TIME))),
        "noise": rng.standard_normal((2, len(TIME))),
        "squares": np.sign(tone(1.0, frequency=110)),
        "bursts": tone(1.0) * (TIME % 1 < 0.05) + tone(0.001),
        "a quarter of the rate": np.sin(np.pi / 2 * np.arange(len(TIME)) + np.pi / 4) * np.ones((2, 1)),
    }
    found, peak = measured(sounds[kind], loudness=loudness)
    assert found == pytest.approx(loudness, abs=0.5) and peak <= MIX.peak + 0.05


def test_the_ceiling_is_used() -> None:
    mix = tone(0.02, clicks=1.0)
    assert true_peak_of(mix * master(mix, MIX), RATE) == pytest.approx(MIX.peak, abs=0.3)


def test_fades_are_part_of_the_curve_and_of_the_loudness() -> None:
    mix = tone(0.2)
    faded = replace(MIX, fade_in=0.5, fade_out=1.0)
    curve = master(mix, faded)
    assert curve[0] < 1e-6 and abs(curve[-1]) < 1e-6 and curve[len(curve) // 2] > 0
    assert loudness_of(mix * curve, RATE) == pytest.approx(MIX.loudness, abs=0.15)


def test_silence_and_what_is_too_short() -> None:
    silent = np.zeros((2, RATE))
    assert not (silent * master(silent, MIX)).any()
    short = tone(0.1)[:, :100]
    peak = true_peak_of(short * master(short, replace(MIX, peak=-6.0)), RATE)
    assert peak == pytest.approx(-6, abs=0.2) and peak <= -6
    assert len(master(np.zeros((2, 0)), MIX)) == 0
    assert np.isfinite(master(np.ones((2, 1)), MIX)).all()


def test_gains_between_blocks_are_straight_lines() -> None:
    gain = between_blocks(np.array([1.0, 0.0, 0.5]), 3 * STEP - 5)
    middles = np.arange(3) * STEP + STEP // 2
    assert np.allclose(gain, np.interp(np.arange(3 * STEP - 5), middles, [1, 0, 0.5]), atol=1e-6)
