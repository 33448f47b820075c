"""Mixing: peak, gain, pan, silence."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.audio.mixing import add, balance, decibels
from etude.core.errors import EtudeError

TONE = np.sin(np.arange(800) / 7).astype(np.float32)
STEREO = np.stack([TONE, TONE])


def mix(stems: dict[str, np.ndarray], gain: dict[str, float], pan: dict[str, float], peak: float) -> np.ndarray:
    return add(balance(stems, gain, pan, peak))


@settings(deadline=None, max_examples=25)
@given(gain=st.floats(-30, 20), pan=st.floats(-1, 1), peak=st.floats(-20, 0))
def test_peak_and_constant_power(gain: float, pan: float, peak: float) -> None:
    mixed = mix({"A": STEREO}, {"A": gain}, {"A": pan}, peak)
    assert mixed.shape == (2, 800) and mixed.dtype == np.float32
    assert decibels(float(np.abs(mixed).max())) == pytest.approx(peak, abs=1e-4)
    other = STEREO[:, ::-1] * 4  # loud enough to set the scale of both mixes alike
    parts = balance({"A": STEREO, "B": other}, {"A": gain}, {"A": pan}, peak)
    middle = balance({"A": STEREO, "B": other}, {"A": gain}, {}, peak)
    ratio = np.square(parts["A"]).sum() / np.square(parts["B"]).sum()
    assert ratio == pytest.approx(np.square(middle["A"]).sum() / np.square(middle["B"]).sum(), rel=1e-6)


def test_pan_goes_left_and_right() -> None:
    left, right = mix({"A": STEREO}, {}, {"A": -1}, -1)
    assert np.abs(right).max() < 1e-6 < np.abs(left).max()
    left, right = mix({"A": STEREO}, {}, {"A": 0.5}, -1)
    assert np.abs(right).max() > np.abs(left).max() > 0
    left, right = mix({"A": STEREO}, {}, {}, -1)
    assert np.array_equal(left, right)


def test_gain_in_decibels_and_parts_that_add_up() -> None:
    stems = {"A": STEREO, "B": STEREO[:, ::-1]}
    parts = balance(stems, {"B": -6}, {"A": 0.3, "nobody": 1}, -3)
    loud, soft = np.square(parts["A"]).sum(), np.square(parts["B"]).sum()
    assert 10 * math.log10(soft / loud) == pytest.approx(-6, abs=1e-6)
    assert np.allclose(parts["A"] + parts["B"], mix(stems, {"B": -6}, {"A": 0.3}, -3), atol=1e-6)


def test_silence_stays_silence() -> None:
    mixed = mix({"A": np.zeros((2, 10), np.float32), "B": np.zeros((2, 10), np.float32)}, {"A": 3}, {"B": 1}, -1)
    assert mixed.shape == (2, 10) and not mixed.any()
    assert mix({"A": np.zeros((2, 0), np.float32)}, {}, {}, -1).shape == (2, 0)
    assert decibels(0) == -math.inf and decibels(1) == 0


def test_wrong_values_are_named() -> None:
    with pytest.raises(EtudeError, match=r"arrange\.pan\.A = 2"):
        mix({"A": STEREO}, {}, {"A": 2}, -1)
    with pytest.raises(EtudeError, match=r"arrange\.gain\.A = 'loud'"):
        mix({"A": STEREO}, {"A": "loud"}, {}, -1)  # type: ignore[dict-item]
    with pytest.raises(EtudeError, match="nothing to mix"):
        mix({}, {}, {}, -1)
    with pytest.raises(EtudeError, match="one length"):
        mix({"A": STEREO, "B": STEREO[:, :5]}, {}, {}, -1)
