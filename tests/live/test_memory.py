"""The states of a model: the same to the last digit, whatever was asked before."""

from typing import Any

import pytest
import torch

from etude.live.memory import Memory
from etude.representations.base.grammar import BOS


@pytest.mark.parametrize("name", ["voices", "lstm"])
def test_a_state_does_not_depend_on_what_was_asked_before(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name).model
    bars = [[10, 11, 12, 13], [], [14, 15, 16, 17], [18, 19, 20, 21]]
    other = [bars[0], [9, 8, 7, 6]]

    def scores(memory: Memory, asked: list[list[int]]) -> torch.Tensor:
        return memory.step(*memory.recall(asked))[0]

    fresh = scores(Memory(model), bars)
    used = Memory(model)
    for asked in (bars[:1], bars, other, [], bars):
        last = scores(used, asked)
    assert torch.equal(fresh, last) and fresh.shape[0] == 1
    assert not torch.equal(scores(used, other), fresh)
    assert used.recall([]) == (BOS, None) and used.recall([[], []]) == (BOS, None)


def test_it_keeps_the_bars_that_were_asked_last_alone(lstm: Any) -> None:
    memory = Memory(lstm.model)
    for number in range(30):
        memory.recall([[10 + number, 11], [12, 13]])
    assert len(memory._bars) == len(memory._states) == 2
