"""Mixing: gain, pan, silence."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.audio.mixing import balance, decibels, total
from etude.core.errors import EtudeError

TONE = np.sin(np.arange(800) / 7).astype(np.float32)
STEREO = np.stack([TONE, TONE])


def mix(stems: dict[str, np.ndarray], gain: dict[str, float], pan: dict[str, float]) -> np.ndarray:
    return total(balance(stems, gain, pan))


@settings(deadline=None, max_examples=25)
@given(gain=st.floats(-30, 20), pan=st.floats(-1, 1))
def test_the_power_depends_on_the_gain_alone(gain: float, pan: float) -> None:
    mixed = mix({"A": STEREO}, {"A": gain}, {"A": pan})
    assert mixed.shape == (2, 800)
    assert 10 * math.log10(np.square(mixed).sum() / np.square(STEREO).sum()) == pytest.approx(gain, abs=1e-4)


def test_pan_goes_left_and_right() -> None:
    left, right = mix({"A": STEREO}, {}, {"A": -1})
    assert np.abs(right).max() < 1e-6 < np.abs(left).max()
    left, right = mix({"A": STEREO}, {}, {"A": 0.5})
    assert np.abs(right).max() > np.abs(left).max() > 0
    left, right = mix({"A": STEREO}, {}, {})
    assert np.allclose(left, right)


def test_gain_in_decibels_and_parts_that_add_up() -> None:
    stems = {"A": STEREO, "B": STEREO[:, ::-1]}
    parts = balance(stems, {"B": -6}, {"A": 0.3, "nobody": 1})
    loud, soft = np.square(parts["A"]).sum(), np.square(parts["B"]).sum()
    assert 10 * math.log10(soft / loud) == pytest.approx(-6, abs=1e-6)
    assert np.allclose(parts["A"] + parts["B"], mix(stems, {"B": -6}, {"A": 0.3}), atol=1e-6)


def test_silence_stays_silence() -> None:
    mixed = mix({"A": np.zeros((2, 10), np.float32), "B": np.zeros((2, 10), np.float32)}, {"A": 3}, {"B": 1})
    assert mixed.shape == (2, 10) and not mixed.any()
    assert mix({"A": np.zeros((2, 0), np.float32)}, {}, {}).shape == (2, 0)
    assert decibels(0) == -math.inf and decibels(1) == 0


def test_wrong_values_are_named() -> None:
    with pytest.raises(EtudeError, match=r"arrange\.pan\.A = 2"):
        mix({"A": STEREO}, {}, {"A": 2})
    with pytest.raises(EtudeError, match=r"arrange\.gain\.A = 'loud'"):
        mix({"A": STEREO}, {"A": "loud"}, {})  # type: ignore[dict-item]
    with pytest.raises(EtudeError, match="nothing to mix"):
        mix({}, {}, {})
    with pytest.raises(EtudeError, match="one length"):
        mix({"A": STEREO, "B": STEREO[:, :5]}, {}, {})
