"""Parallels of tokens: counted as in the finished grid, and mended where that is worth its price."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from etude.metrics.voice_leading import parallels, sounding
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.sampling.parallels import count_of_tokens, count_parallels, mend_parallels

TOKENS = 14  # HOLD, REST and the pitches of an octave
GRIDS = arrays(np.int64, st.tuples(st.integers(4, 9), st.just(3)), elements=st.integers(HOLD, HOLD + TOKENS - 1))


@given(GRIDS)
def test_parallels_of_tokens_are_those_of_their_pitches(grid: np.ndarray) -> None:
    grid[0] = REST
    pitches = sounding(grid, 50)
    assert np.array_equal(count_parallels(grid[None])[0], parallels(pitches[:-1], pitches[1:]))


@given(GRIDS, st.integers(0, 2), st.integers(1, 2))
def test_what_a_token_would_make_is_what_it_makes(grid: np.ndarray, voice: int, frame: int) -> None:
    grid[0] = grid[-1] = REST
    chosen = np.zeros((1, len(grid)), dtype=bool)
    chosen[0, frame] = True
    (found,) = count_of_tokens(grid[None], chosen, voice, TOKENS)
    there = np.where(grid[frame + 1 :, voice] != HOLD)[0][0] + frame + 1  # where its note ends
    for token in range(TOKENS):
        changed = grid.copy()
        changed[frame, voice] = HOLD + token
        others = [pair for pair in range(3) if pair != voice]
        made = sum(
            int(count_parallels(changed[None, :, [voice, other]])[0, step - 1])
            for other in others
            for step in {frame, there}
        )
        assert made == found[token]


FIFTHS = np.array([[FIRST + 7, FIRST], [FIRST + 9, FIRST + 2], [FIRST + 7, FIRST]])


def all_cost(grids: list[np.ndarray], change: float) -> np.ndarray:
    """Each token that is not that of FIFTHS costs ``change``."""
    return np.array([change * (grid != FIFTHS).sum() for grid in grids], dtype=float)


def flat(grid: np.ndarray, free: tuple[int, ...] = (1,)) -> np.ndarray:
    scores = np.full((len(grid), 2, TOKENS), -np.inf)
    scores[:, list(free)] = 0.0
    return scores


def test_parallels_go_where_their_price_is_higher_than_that_of_a_change() -> None:
    assert count_parallels(FIFTHS[None]).tolist() == [[1, 1]]
    found = mend_parallels(FIFTHS, flat, lambda grids: all_cost(list(grids), 1.0), 5.0)
    assert not count_parallels(found[None]).any()
    assert np.array_equal(found[:, 0], FIFTHS[:, 0]), "a voice whose cells may have no other token stays"
    assert (found != FIFTHS).sum() == 1, "one change mends both"


def test_a_parallel_stays_where_a_change_is_dearer_and_where_nothing_is_free() -> None:
    dear = mend_parallels(FIFTHS, flat, lambda grids: all_cost(list(grids), 20.0), 5.0)
    fixed = mend_parallels(FIFTHS, lambda grid: flat(grid, ()), lambda grids: all_cost(list(grids), 0.0), 5.0)
    assert np.array_equal(dear, FIFTHS) and np.array_equal(fixed, FIFTHS)


@given(GRIDS, st.integers(0, 99))
def test_the_whole_never_becomes_dearer(grid: np.ndarray, seed: int) -> None:
    grid[0] = REST
    table = np.random.default_rng(seed).random((len(grid), 3, TOKENS)) * 8
    cells = np.indices(grid.shape)

    def costs(grids: list[np.ndarray]) -> np.ndarray:
        return np.array([table[cells[0], cells[1], one - HOLD].sum() for one in grids])

    def whole(one: np.ndarray) -> float:
        return float(costs([one])[0]) + 5.0 * int(count_parallels(one[None]).sum())

    found = mend_parallels(grid, lambda _: -table, lambda grids: costs(list(grids)), 5.0)
    assert whole(found) <= whole(grid) + 1e-9
    assert count_parallels(found[None]).sum() <= count_parallels(grid[None]).sum()
