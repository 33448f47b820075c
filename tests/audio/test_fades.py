"""Fades: smooth, and of the length that is asked for."""

import numpy as np

from etude.audio.fades import fade_out, fades


def test_a_sound_comes_and_goes() -> None:
    gain = fades(1000, 100, 2.0, 3.0)
    assert gain is not None and gain[0] < 1e-6 and abs(gain[-1]) < 1e-6 and (gain[200:700] == 1).all()
    assert (np.diff(gain[:200]) > 0).all() and (np.diff(gain[-300:]) < 0).all()
    assert fades(1000, 100, 0, 0) is None
    assert np.allclose(fade_out(300), gain[-300:])


def test_a_short_sound_fades_as_long_as_it_lasts() -> None:
    gain = fades(50, 100, 0, 3.0)
    assert gain is not None and gain[0] == 1 and abs(gain[-1]) < 1e-6
