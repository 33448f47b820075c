"""Mixing: gain, pan, reverb, silence, and tracks that add up."""

import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import smoke
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.audio.mixing import Channel, Desk, mix_stems
from etude.core.errors import EtudeError

RATE = 16000
TONE = np.sin(np.arange(RATE) / 7).astype(np.float32)
STEREO = np.stack([TONE, TONE])
MIX = replace(smoke().mix, sample_rate=RATE)


@settings(deadline=None, max_examples=25)
@given(gain=st.floats(-30, 20), pan=st.floats(-1, 1))
def test_the_power_depends_on_the_gain_alone(gain: float, pan: float) -> None:
    placed = Channel(gain, pan).place(STEREO)
    assert placed.shape == STEREO.shape and placed.dtype == np.float32
    assert 10 * math.log10(np.square(placed).sum() / np.square(STEREO).sum()) == pytest.approx(gain, abs=1e-3)


def test_pan_goes_left_and_right() -> None:
    left, right = Channel(pan=-1).place(STEREO)
    assert np.abs(right).max() < 1e-6 < np.abs(left).max()
    left, right = Channel(pan=0.5).place(STEREO)
    assert np.abs(right).max() > np.abs(left).max() > 0
    assert np.allclose(Channel().place(STEREO), STEREO, atol=1e-6)


def test_a_channel_is_found_by_the_name_of_its_track() -> None:
    chosen = replace(MIX, gain={"A": -6.0}, pan={"B": 0.5, "nobody": 1.0}, send={"all": -20.0, "B": -30.0})
    assert Channel.of("A", chosen) == Channel(-6, 0, -20) and Channel.of("B", chosen) == Channel(0, 0.5, -30)
    assert Channel.of("A", replace(chosen, send={})).to_reverb(STEREO) is None


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**31), gain=st.floats(-20, 20), send=st.floats(-40, 0))
def test_tracks_as_they_sound_add_up_to_the_mix(seed: int, gain: float, send: float) -> None:
    rng = np.random.default_rng(seed)
    stems = {name: rng.standard_normal((2, RATE)).astype(np.float32) * 0.2 for name in "ABC"}
    stems["C"][:, 1000] = 30  # a click, for the limiter
    chosen = replace(MIX, gain={"B": gain}, pan={"A": 0.7}, send={"all": send, "C": -120.0}, fade_out=0.3)
    desk, mix = mix_stems(stems, chosen)
    total = sum(desk.stem(stem, Channel.of(name, chosen)) for name, stem in stems.items())
    assert np.allclose(total, mix, atol=1e-6) and np.array_equal(mix_stems(stems, chosen)[1], mix)


def test_the_reverb_sounds_on_after_a_track_and_is_as_loud_as_its_send() -> None:
    rng = np.random.default_rng(0)
    noise = np.repeat(rng.standard_normal((1, 3 * RATE)).astype(np.float32), 2, axis=0)
    noise[:, 2 * RATE :] = 0
    even = replace(MIX, compressor=replace(MIX.compressor, ratio=1.0))
    levels = {}
    for send in (-120.0, -40.0, -20.0):
        desk, _ = mix_stems({"A": noise}, replace(even, send={"all": send}))
        both, dry = (desk.stem(noise, Channel(send=one)) for one in (send, -120.0))
        room = both - dry
        levels[send] = 10 * math.log10(
            np.square(room[:, RATE : 2 * RATE]).sum() / np.square(dry[:, RATE : 2 * RATE]).sum() + 1e-20
        )
        assert bool(room[:, 2 * RATE + 500 :].any()) == (send > -120)
    assert levels[-120.0] < -150 and levels[-40.0] == pytest.approx(-40, abs=1.5)
    assert levels[-20.0] == pytest.approx(-20, abs=1.5)


def test_tracks_of_several_lengths() -> None:
    desk = Desk(RATE, MIX)
    desk.add(STEREO[:, :5000], Channel(send=-20))
    desk.add(STEREO[:, :9000], Channel())
    mix = desk.finish()
    assert mix.shape == (2, RATE) and mix[:, 8000:9000].any()
    total = desk.stem(STEREO[:, :5000], Channel(send=-20)) + desk.stem(STEREO[:, :9000], Channel())
    assert np.allclose(total, mix, atol=1e-6)
    with pytest.raises(ValueError, match="not finished"):
        Desk(5, MIX).stem(STEREO, Channel())


def test_silence_stays_silence() -> None:
    _, mix = mix_stems({"A": np.zeros((2, 10), np.float32), "B": np.zeros((2, 10), np.float32)}, MIX)
    assert mix.shape == (2, 10) and not mix.any()
    assert mix_stems({"A": np.zeros((2, 0), np.float32)}, MIX)[1].shape == (2, 0)


def test_wrong_stems_are_named() -> None:
    with pytest.raises(EtudeError, match="nothing to mix"):
        mix_stems({}, MIX)
    with pytest.raises(EtudeError, match="one length"):
        mix_stems({"A": STEREO, "B": STEREO[:, :5]}, MIX)
