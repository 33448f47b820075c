"""The particle filter: harmonies of several melodies together are those of each alone."""

import dataclasses

import numpy as np
from conftest import make_piece
from tasks.test_harmony import CONFIG, KNOWN

from etude.music.melody import find_melody
from etude.sampling.constraints import keep_given
from etude.sampling.harmonies import HarmonyTask
from etude.sampling.particles import sample_harmonies
from etude.tasks.harmony import place_on_grid

MODEL, KIND = KNOWN.models["voices"]


def task(seed: int, beats: int, cost: float, count: int) -> HarmonyTask:
    """A task for a melody of some beats, with new random number generators."""
    source = make_piece(seed, beats)
    melody = place_on_grid(KNOWN.grids[KIND], KNOWN.observed[KIND], source, find_melody(source))
    given = np.zeros(melody.grid.shape, dtype=bool)
    given[:, 0] = True
    allowed = keep_given(melody.grid, given, KNOWN.observed[KIND])
    config = dataclasses.replace(CONFIG, parallel_cost=cost)
    return HarmonyTask(melody.piece, allowed, config, [np.random.default_rng((seed, place)) for place in range(count)])


def test_harmonies_are_the_same_alone_and_together() -> None:
    asked = [(1, 6, 0.0, 2), (2, 4, 50.0, 1), (1, 6, 50.0, 2), (3, 5, 6.0, 3)]  # of several lengths and costs
    together = sample_harmonies(MODEL, KNOWN.grids[KIND], [task(*one) for one in asked])
    assert [len(grids) for grids, _ in together] == [2, 1, 2, 3]
    for (grids, nats), one in zip(together, asked, strict=True):
        ((alone, cost),) = sample_harmonies(MODEL, KNOWN.grids[KIND], [task(*one)])
        assert all(len(grid) == 4 * one[1] for grid in grids)
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(grids, alone, strict=True))
        assert np.allclose(nats, cost, rtol=1e-6)


def test_a_search_finds_more_probable_harmonies() -> None:
    def costs(sharpness: float) -> np.ndarray:
        asked = [task(seed, 6, 6.0, 4) for seed in (1, 2, 3)]
        changed = [
            dataclasses.replace(one, config=dataclasses.replace(one.config, sharpness=sharpness)) for one in asked
        ]
        return np.array([nats for _, nats in sample_harmonies(MODEL, KNOWN.grids[KIND], changed)])

    drawn, searched = costs(0.0), costs(1.0)
    assert searched.mean() < drawn.mean()
    assert (searched.min(axis=1) <= drawn.min(axis=1) + 1e-9).mean() > 0.5
