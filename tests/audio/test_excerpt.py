"""Excerpts: only what is cut fades."""

import numpy as np

from etude.audio.excerpt import excerpt, from_first_sound


def test_excerpt_fades_only_what_it_cuts() -> None:
    sound = np.ones((2, 1000), np.float32)
    assert np.array_equal(excerpt(sound, 100, 10), sound)
    cut = excerpt(sound, 100, 5)
    assert cut.shape == (2, 500) and cut[0, 0] == 1 and abs(cut[0, -1]) < 1e-6 and sound.all()


def test_the_silence_before_the_first_sound_goes() -> None:
    sound = np.zeros((2, 1000), np.float32)
    assert from_first_sound(sound, 100).shape == (2, 1000), "nothing sounds at all"
    sound[1, 300:] = 0.1
    assert from_first_sound(sound, 100).shape == (2, 705)
    assert from_first_sound(sound[:, 300:], 100).shape == (2, 700)
