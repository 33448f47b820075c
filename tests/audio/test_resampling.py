"""Other rates: a sine stays a sine, nothing aliases; other numbers of channels."""

import numpy as np
import pytest

from etude.audio.resampling import resample, to_stereo


def sine(frequency: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    wave = np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, 0.5 * wave]).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "wanted"), [(48000, 44100), (22050, 44100), (44100, 32000), (96000, 44100), (8000, 48000), (44101, 44100)]
)
def test_a_sine_stays_a_sine_at_its_time(rate: int, wanted: int) -> None:
    found = resample(sine(997, rate), rate, wanted)
    assert found.shape == (2, wanted) and found.dtype == np.float32
    middle = slice(wanted // 10, -wanted // 10)
    assert np.abs(found - sine(997, wanted))[:, middle].max() < 1e-4


@pytest.mark.parametrize(("rate", "wanted", "frequency"), [(48000, 32000, 20000), (96000, 44100, 30000)])
def test_what_the_lower_rate_cannot_hold_does_not_alias(rate: int, wanted: int, frequency: float) -> None:
    found = resample(sine(frequency, rate), rate, wanted)
    middle = slice(wanted // 10, -wanted // 10)
    assert np.abs(found[:, middle]).max() < 2e-5, "100 dB below the sine"


def test_an_impulse_stays_at_its_place_and_the_same_rate_changes_nothing() -> None:
    click = np.zeros((1, 8000), np.float32)
    click[0, 2000] = 1
    assert np.argmax(resample(click, 8000, 44100)) == 2000 * 44100 // 8000
    assert np.array_equal(resample(click, 8000, 8000), click)


def test_channels_become_two() -> None:
    noise = np.random.default_rng(0).standard_normal((8, 100)).astype(np.float32)
    assert np.array_equal(to_stereo(noise[:2]), noise[:2])
    assert np.array_equal(to_stereo(noise[:1]), noise[[0, 0]])
    assert np.allclose(to_stereo(noise), noise.mean(axis=0), atol=1e-6) and to_stereo(noise).shape == (2, 100)
    left, right = to_stereo(noise[:6])
    assert np.allclose(left, noise[0] + np.sqrt(0.5) * (noise[2] + noise[4]), atol=1e-5)
    assert np.allclose(right, noise[1] + np.sqrt(0.5) * (noise[2] + noise[5]), atol=1e-5)
    for channels in (3, 4, 5):
        assert to_stereo(noise[:channels]).shape == (2, 100)
