"""The counting baselines of the voice grid against counts worked out manually."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.baselines.voice_counts import ADDED, contexts, costs

VOCABULARY = 8  # tokens 3 and above are cells: hold, rest, and the pitches 5, 6, 7
CELLS = st.lists(st.sampled_from([3, 4, 5, 6, 7]), max_size=24)


def tokens(*cells: int) -> np.ndarray:
    return np.array([1, *cells, 2], dtype=np.uint16)


def test_the_context_of_a_cell_is_its_voice_its_step_and_the_sounding_token() -> None:
    voice, step, before, cell = contexts(tokens(5, 3, 3, 6, 4, 3, 3, 7), 2, 3)
    assert voice.tolist() == [[0, 1]] * 4
    assert step[:, 0].tolist() == [0, 1, 2, 0]
    assert before.tolist() == [[0, 0], [5, 0], [5, 6], [4, 6]]
    assert cell.tolist() == [[5, 3], [3, 6], [4, 3], [3, 7]]


def test_costs_are_those_of_the_counts_with_a_constant_added() -> None:
    train = [tokens(5, 3, 3, 6), tokens(5, 3)]
    rows = costs(train, [tokens(5, 3, 3), tokens(6), tokens()], VOCABULARY, 1, 1)
    start, hold = (2 + ADDED) / (2 + 5 * ADDED), (3 + ADDED) / (4 + 5 * ADDED)  # 5 starts twice; 3 of 4 after it hold
    assert rows == pytest.approx([-math.log(start * hold * hold), -math.log(ADDED / (2 + 5 * ADDED)), 0])


def test_the_step_within_the_beat_counts_if_requested() -> None:
    train = [tokens(*[5, 3] * 20)]
    without, given = (costs(train, [tokens(*[5, 3] * 4)], VOCABULARY, 1, steps)[0] for steps in (1, 2))
    assert given < 0.2 * without


@hypothesis(deadline=None, max_examples=30)
@given(st.lists(CELLS.map(lambda cells: cells[: len(cells) // 2 * 2]), max_size=3), st.integers(1, 4))
def test_the_probabilities_of_all_next_cells_add_up_to_one(train: list[list[int]], steps: int) -> None:
    known = [tokens(*cells) for cells in train]
    start = [5, 6, 3, 4]
    one = costs(known, [tokens(*start)], VOCABULARY, 2, steps)[0]
    after = costs(known, [tokens(*start, cell, other) for cell in range(3, 8) for other in range(3, 8)], 8, 2, steps)
    assert np.exp(one - after).sum() == pytest.approx(1)
