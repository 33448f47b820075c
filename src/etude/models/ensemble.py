"""An ensemble: several networks of one kind that predict together.

Source: Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, 2017.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from etude.models.sequence import SequenceModel

LEAST = 1e-7  # probability of a key, so that its logit is finite


class Ensemble(SequenceModel):
    """The probability of an item is the mean of those of the networks; in training each row is predicted by one."""

    def __init__(self, networks: Sequence[SequenceModel]) -> None:
        """Args: networks of one kind, each with first weights of its own."""
        first = networks[0]
        super().__init__(first.item_spec)
        self.networks = nn.ModuleList(networks)
        self.reads, self.takes, self.stride = first.reads, first.takes, first.stride  # type: ignore[misc]
        self.can_continue, self.can_harmonize = first.can_continue, first.can_harmonize  # type: ignore[misc]
        self.gains_by_bf16 = getattr(first, "gains_by_bf16", False)

    @staticmethod
    def takes_kind(kind: type) -> bool:
        """Whether networks of a class may predict together: of those whose costs follow from ``forward`` alone."""
        return issubclass(kind, SequenceModel) and (kind.loss, kind.nats) == (SequenceModel.loss, SequenceModel.nats)

    @property
    def min_batch(self) -> int:
        """See SequenceModel."""
        return max(int(network.min_batch) for network in self.networks)  # type: ignore[arg-type]

    def forward(self, items: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """See SequenceModel; the state is a list, an entry a network. There is none in training."""
        if self.training:
            rows = [slice(place, None, len(self.networks)) for place in range(min(len(self.networks), len(items)))]
            parts = [network(items[own])[0] for network, own in zip(self.networks, rows, strict=False)]
            logits = items.new_empty((*items.shape[:2], parts[0].shape[-1]), dtype=parts[0].dtype)
            for own, part in zip(rows, parts, strict=True):
                logits[own] = part
            return logits, []
        return self._together([network(items, own) for network, own in self._with_states(state)])

    def step(self, items: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """See SequenceModel."""
        return self._together([network.step(items, own) for network, own in self._with_states(state)])  # type: ignore[operator]

    def _with_states(self, state: list[Any] | None) -> list[tuple[nn.Module, Any]]:
        return list(zip(self.networks, state or [None] * len(self.networks), strict=True))

    def _together(self, parts: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, list[Any]]:
        """Logits of the mean probability, and all states."""
        logits = torch.stack([part for part, _ in parts]).float()
        states = [after for _, after in parts]
        if self.item_spec.keys:
            return torch.logit(logits.sigmoid().mean(dim=0), eps=LEAST), states
        return logits.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(parts)), states
