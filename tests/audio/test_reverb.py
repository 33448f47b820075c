"""The room: how it decays, how loud it is, and that its channels differ."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from etude.audio.reverb import impulse_response, reverberate
from etude.config.sections import Reverb

RATE = 32000
ROOM = Reverb(seconds=0.8, predelay=0.02, damping=0.0, seed=1)


def decay_of(response: np.ndarray) -> float:
    """Seconds for 60 dB, by the slope of the backward integral from -5 to -25 dB (Schroeder, 1965)."""
    power = np.square(response).sum(axis=0)
    left = np.asarray(10 * np.log10(np.cumsum(power[::-1])[::-1] / power.sum() + 1e-12))
    first, last = np.argmax(left < -5), np.argmax(left < -25)
    return float(60 * (last - first) / RATE / (left[first] - left[last]))


def test_it_starts_late_and_decays_in_its_time() -> None:
    response = impulse_response(ROOM, RATE)
    assert response.shape == (2, round(0.82 * RATE)) and response.dtype == np.float32
    assert not response[:, : round(0.02 * RATE)].any() and response[:, round(0.02 * RATE)].any()
    assert decay_of(response) == pytest.approx(0.8, rel=0.1)
    assert decay_of(impulse_response(replace(ROOM, seconds=2.0), RATE)) == pytest.approx(2.0, rel=0.1)


def test_high_frequencies_decay_sooner_where_it_is_damped() -> None:
    response = impulse_response(replace(ROOM, damping=0.7), RATE)
    low = sosfilt(butter(4, 500, "low", fs=RATE, output="sos"), response)
    high = sosfilt(butter(4, 8000, "high", fs=RATE, output="sos"), response)
    assert decay_of(low) == pytest.approx(0.8, rel=0.2) and decay_of(high) == pytest.approx(0.24, rel=0.25)


def test_its_energy_is_one_and_its_channels_are_strangers() -> None:
    for damping in (0.0, 0.6, 1.0):
        response = impulse_response(replace(ROOM, damping=damping), RATE)
        assert np.allclose(np.square(response).sum(axis=1), 1, atol=1e-3)
        left, right = response
        assert abs(np.dot(left, right)) < 0.1


def test_the_seed_decides() -> None:
    again = impulse_response.__wrapped__(ROOM, RATE)
    assert np.array_equal(impulse_response(ROOM, RATE), again)
    assert not np.allclose(again, impulse_response(replace(ROOM, seed=2), RATE))


def test_it_is_a_convolution() -> None:
    response = impulse_response(ROOM, RATE)
    send = np.zeros(RATE, np.float32)
    send[[100, 5000]] = 1, -0.5
    expected = np.zeros((2, RATE), np.float32)
    for at, level in ((100, 1), (5000, -0.5)):
        part = response[:, : RATE - at]
        expected[:, at : at + part.shape[1]] += level * part
    assert np.allclose(reverberate(send, response), expected, atol=1e-5)
    assert not reverberate(send * 0, response).any()
    assert reverberate(np.zeros(0, np.float32), response).shape == (2, 0)
