"""Excerpts: only what is cut fades."""

import numpy as np

from etude.audio.excerpt import excerpt


def test_excerpt_fades_only_what_it_cuts() -> None:
    sound = np.ones((2, 1000), np.float32)
    assert np.array_equal(excerpt(sound, 100, 10), sound)
    cut = excerpt(sound, 100, 5)
    assert cut.shape == (2, 500) and cut[0, 0] == 1 and abs(cut[0, -1]) < 1e-6 and sound.all()
