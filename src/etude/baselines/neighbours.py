"""The counting floor of what is foretold cell by cell: how often a token stood between these two in its voice in train.

Witten-Bell weights after Bell, Cleary and Witten, Text Compression, 1990.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from etude.artifacts.token_store import Store
from etude.metrics.pseudo_likelihood import measured
from etude.models.deepbach import batches, sounding
from etude.representations.base.grid import HOLD


class Neighbours(nn.Module):
    """Each cell given its voice, what sounds before it, the token after it, and the step in the beat.

    p_k(w | c) = (count(c w) + kinds(c) p_{k-1}(w | shorter c)) / (count(c) + kinds(c)), from uniform on over the voice
    alone, what sounds before, the token after, and the step. A context that was never seen hands over to the shorter
    one.
    """

    def __init__(self, vocabulary: int, steps: int, names: Sequence[str]) -> None:
        """Args: number of tokens, steps of a beat, names of the voices."""
        super().__init__()
        self.vocabulary, self.steps, self.names = vocabulary, steps, list(names)
        kinds = vocabulary - HOLD
        sizes = (1, vocabulary, vocabulary**2, vocabulary**2 * steps)
        self.tables = [torch.zeros(len(self.names), size, kinds, dtype=torch.int32) for size in sizes]

    def count(self, pieces: Iterable[NDArray[Any]]) -> None:
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
            wanted = cells[..., voice][real] - HOLD
            shares = torch.full((len(wanted), self.vocabulary - HOLD), 1 / (self.vocabulary - HOLD)).double()
            for table, context in zip(self.tables, self._contexts(cells, known, voice), strict=True):
                seen = table[voice][context[real]]  # (N, V)
                kinds = (seen > 0).sum(-1, keepdim=True)
                shares = torch.where(kinds > 0, (seen + kinds * shares) / (seen.sum(-1, keepdim=True) + kinds), shares)
            costs[..., voice][real] = -shares.gather(-1, wanted[:, None])[:, 0].log()
            best[..., voice][real] = shares.argmax(-1) + HOLD
        return costs, best

    def _contexts(self, cells: Tensor, known: Tensor, voice: int) -> list[Tensor]:
        """A number for the context of each cell, from the shortest to the longest: each (B, T)."""
        line = cells[..., voice]
        before = sounding(cells)[..., voice].roll(1, 1)  # the first frame is a begin
        after = line.roll(-1, 1)  # and the last an end
        both = before * self.vocabulary + after
        return [torch.zeros_like(line), before, both, both * self.steps + known[..., 0]]


def measure(store: Store, representation: Any) -> list[tuple[str, dict[str, float]]]:
    """The floor's name, and what it measures on valid and test, as ``measured`` says it."""
    floor = Neighbours(representation.vocabulary, representation.steps, list(representation.voices))
    floor.count(store.pieces("train"))
    found = [measured(floor, list(store.pieces(split)), split) for split in ("valid", "test")]
    return [("counts of the cell's neighbours", {**found[0], **found[1]})]
