"""The counting baseline of models that predict cell by cell: how often a token has these neighbours in train.

Witten-Bell weights after Bell, Cleary and Witten, Text Compression, 1990.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etude.artifacts.token_store import Store
from etude.metrics import pseudo_likelihood
from etude.models.deepbach import batches, find_sounding
from etude.representations.base.grid import HOLD
from etude.representations.chorale import Chorale


class Neighbours(nn.Module):
    """Predicts each cell from its voice, the sounding token before it, the token after it, and the step in the beat.

    p_k(w | c) = (count(c w) + kinds(c) p_{k-1}(w | shorter c)) / (count(c) + kinds(c)). The contexts grow from none
    (uniform) by the voice, the token before, the token after, and the step. An unseen context falls back to the shorter
    one.
    """

    def __init__(self, vocabulary: int, steps: int, names: Sequence[str]) -> None:
        """Start without counts. Args: number of tokens, steps per beat, names of the voices."""
        super().__init__()
        self.vocabulary, self.steps, self.names = vocabulary, steps, list(names)
        kinds = vocabulary - HOLD
        sizes = (1, vocabulary, vocabulary**2, vocabulary**2 * steps)
        self.tables = [torch.zeros(len(self.names), size, kinds, dtype=torch.int32) for size in sizes]

    def count(self, pieces: Iterable[NDArray[np.integer]]) -> None:
        """Count the cells of ``pieces``, each (frames, voices + 6)."""
        for cells, known, _ in batches(list(pieces), len(self.names)):
            for voice in range(len(self.names)):
                real = cells[..., voice] >= HOLD
                tokens = cells[..., voice][real] - HOLD
                for table, context in zip(self.tables, self._contexts(cells, known, voice), strict=True):
                    ones = torch.ones_like(tokens, dtype=torch.int32)
                    table[voice].view(-1).index_add_(0, context[real] * table.shape[2] + tokens, ones)

    def nats(self, cells: Tensor, known: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See DeepBach.nats."""
        costs, best = torch.zeros(cells.shape, dtype=torch.float64), torch.zeros_like(cells)
        for voice in range(len(self.names)):
            real = cells[..., voice] >= HOLD
            targets = cells[..., voice][real] - HOLD
            probabilities = torch.full((len(targets), self.vocabulary - HOLD), 1 / (self.vocabulary - HOLD)).double()
            for table, context in zip(self.tables, self._contexts(cells, known, voice), strict=True):
                seen = table[voice][context[real]]  # (N, V)
                kinds = (seen > 0).sum(-1, keepdim=True)
                longer = (seen + kinds * probabilities) / (seen.sum(-1, keepdim=True) + kinds)
                probabilities = torch.where(kinds > 0, longer, probabilities)
            costs[..., voice][real] = -probabilities.gather(-1, targets[:, None])[:, 0].log()
            best[..., voice][real] = probabilities.argmax(-1) + HOLD
        return costs, best

    def _contexts(self, cells: Tensor, known: Tensor, voice: int) -> list[Tensor]:
        """The contexts of each cell as numbers, from the shortest to the longest: each (B, T)."""
        line = cells[..., voice]
        before = find_sounding(cells)[..., voice].roll(1, 1)  # the first frame is a start
        after = line.roll(-1, 1)  # and the last an end
        both = before * self.vocabulary + after
        return [torch.zeros_like(line), before, both, both * self.steps + known[..., 0]]


def measure(store: Store, representation: Chorale) -> list[tuple[str, dict[str, float]]]:
    """The baseline's name, and its metrics on valid and test (``etude.metrics.pseudo_likelihood.measure``)."""
    baseline = Neighbours(representation.vocabulary, representation.steps, list(representation.voices))
    baseline.count(store.pieces("train"))
    return [("counts of the cell's neighbours", pseudo_likelihood.likelihood(baseline, store))]
