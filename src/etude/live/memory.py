"""The state of a model after some bars, kept, so that going on from there is cheap."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from etude.models.sequence import ComposedEmbedding, ComposedHead, SequenceModel
from etude.representations.base.grammar import BOS
from etude.sampling.tokens import predict


class Cells(nn.Module):
    """The layers of an LSTM as cells, one item after another; the state is a list, an entry a layer.

    oneDNN's LSTM puts its weights in order at each call, which takes two thirds of the time of a single step.
    """

    def __init__(self, lstm: nn.LSTM) -> None:
        """Args: whose weights are copied; batch first, of one direction."""
        super().__init__()
        self.cells = nn.ModuleList()
        for layer in range(lstm.num_layers):
            cell = nn.LSTMCell(lstm.hidden_size if layer else lstm.input_size, lstm.hidden_size)
            cell.load_state_dict({name: getattr(lstm, f"{name}_l{layer}") for name in cell.state_dict()})
            self.cells.append(cell)

    def forward(self, items: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """Of (B, T, width): what the last layer gives (B, T, hidden), and the state."""
        made: list[Tensor] = []
        after: list[Any] = [None] * len(self.cells) if state is None else list(state)
        for item in items.unbind(1):
            for layer, cell in enumerate(self.cells):
                after[layer] = cell(item, after[layer])
                item = after[layer][0]
            made.append(item)
        return torch.stack(made, 1), after


def for_steps(model: nn.Module) -> nn.Module:
    """A copy that is quick at single steps: what is composed of parts is composed once, and an LSTM is cells.

    Embeddings and heads would be composed again at each step, which takes most of its time. The predictions are the
    same, but for rounding in an LSTM.
    """
    made = deepcopy(model)
    for parent in list(made.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, ComposedHead):
                linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
                linear.weight, linear.bias = nn.Parameter(layer.weight.detach().clone()), layer.bias
                setattr(parent, name, linear)
            elif isinstance(layer, ComposedEmbedding):
                setattr(parent, name, nn.Embedding.from_pretrained(layer.weight.detach().clone()))
            elif isinstance(layer, nn.LSTM):
                setattr(parent, name, Cells(layer))
    return made.eval()


class Memory:
    """The states of a model after the bars of one piece.

    The state after some bars is always computed bar by bar from the first, so that it is the same to the last digit,
    whatever was asked before.
    """

    def __init__(self, model: SequenceModel, guidance: float = 1.0) -> None:
        """Args: the model; the weight of its control attributes, as ``predict`` takes it."""
        self.model: Any = for_steps(model)
        self.guidance = guidance
        # models with a step of their own go on from nothing else; others take a bar at once, in a fraction of the time
        self.at_once = guidance == 1 and type(model).step is SequenceModel.step
        self._bars: list[tuple[int, ...]] = []
        self._states: list[tuple[int, Any]] = []

    def recall(self, bars: Sequence[Sequence[int]]) -> tuple[int, Any]:
        """The last token of some bars, and the state before it. Without bars that is the start of a piece."""
        wanted = [tuple(bar) for bar in bars if len(bar)]
        common = 0
        while common < min(len(wanted), len(self._bars)) and wanted[common] == self._bars[common]:
            common += 1
        del self._bars[common:], self._states[common:]
        for bar in wanted[common:]:
            last, state = self._states[-1] if self._states else (BOS, None)
            self._states.append(self._feed(last, state, bar))
            self._bars.append(bar)
        return self._states[-1] if self._states else (BOS, None)

    @torch.no_grad()
    def _feed(self, last: int, state: Any, bar: tuple[int, ...]) -> tuple[int, Any]:
        read = [last, *bar[:-1]]
        if self.at_once:
            return bar[-1], self.model(torch.tensor([read]), state)[1]
        for token in read:
            state = self.step(token, state)[1]
        return bar[-1], state

    @torch.no_grad()
    def step(self, last: int, state: Any) -> tuple[Tensor, Any]:
        """Log-probabilities (1, V) of what comes after the last token, and the state after it."""
        return predict(self.model, torch.tensor([last]), state, self.guidance)
