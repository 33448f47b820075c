"""The states of a model: the same to the last digit, whatever was asked before."""

from typing import Any

import pytest
import torch

from etude.live.memory import Memory, for_steps
from etude.models.lstm import LSTM
from etude.representations.base.grammar import BOS
from etude.representations.base.vocabulary import ItemSpec


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


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("hidden", [8, [8, 12, 6]])
def test_a_model_for_steps_predicts_the_same(layers: int, hidden: int | list[int]) -> None:
    if isinstance(hidden, list):
        layers = len(hidden)
    model = LSTM(ItemSpec(40), hidden, layers, 0.1, 0.1).eval()
    made, items = for_steps(model), torch.randint(40, (2, 9))
    with torch.no_grad():
        whole, _ = model(items)
        first, state = made(items[:, :4])
        second, _ = made(items[:, 4:], state)
    assert not any(isinstance(layer, torch.nn.LSTM) for layer in made.modules())
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


def test_it_keeps_the_bars_that_were_asked_last_alone(lstm: Any) -> None:
    memory = Memory(lstm.model)
    for number in range(30):
        memory.recall([[10 + number, 11], [12, 13]])
    assert len(memory._bars) == len(memory._states) == 2
