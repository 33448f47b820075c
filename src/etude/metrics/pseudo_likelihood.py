"""How well each cell of a piece is predicted from all its other cells: a pseudo-likelihood (Besag, 1975).

It is no likelihood: the cost of each cell is given its own past and future. The costs do not add up to that of a piece,
and must not be compared with nats per note.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etude.models.deepbach import batches
from etude.representations.base.grid import FIRST, HOLD


class CellModel(Protocol):
    """A model of each cell given all others, as DeepBach is."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the voices."""

    def nats(self, cells: Tensor, known: Tensor, lengths: Tensor, /) -> tuple[Tensor, Tensor]:
        """The cost of each cell in nats, and its most probable token: (B, T, voices) twice."""

    def parameters(self) -> Iterable[Tensor]:
        """The weights, whose device is that of ``nats``; none: the CPU."""


class Pieces(Protocol):
    """The encoded pieces of a dataset, as a token store has them."""

    def pieces(self, split: str, /) -> Iterable[NDArray[np.integer]]:
        """The pieces of valid or test, each (frames, voices + 6)."""


@torch.no_grad()
def measure(model: CellModel, pieces: Sequence[NDArray[np.integer]], split: str) -> dict[str, float]:
    """Measure the conditional distributions of a model on the cells of some pieces.

    Args:
        model: its costs are measured.
        pieces: each (frames, voices + 6).
        split: valid or test, the prefix of the names.

    Returns:
        ``split/pseudo_nats_per_cell`` (a cell is a voice at a step of the grid), so that each cell counts the same, and
        ``split/pseudo_nats_per_cell_by_piece``, the mean over pieces of each one's cost per cell, pieces without cells
        left out. For all voices, and for each by its name: ``split/accuracy``, the share of cells whose most probable
        token is right, and ``split/onset_accuracy``, the same among the cells where a note starts; nan without such a
        cell.
    """
    device = next(iter(model.parameters()), torch.empty(0)).device
    names = list(model.names)
    sums = np.zeros((5, len(names)))  # cost, cells, right cells, onsets, right onsets
    own: list[float] = []  # each piece's cost per cell
    for batch in batches(pieces, len(names)):
        cells = batch[0]
        costs, best = (found.cpu() for found in model.nats(*(part.to(device) for part in batch)))
        right, real, onset = best == cells, cells >= HOLD, cells >= FIRST
        for row, values in enumerate((costs.double(), real, real & right, onset, onset & right)):
            sums[row] += values.sum(dim=(0, 1)).numpy()
        counts = real.sum(dim=(1, 2))
        own += (costs.double().sum(dim=(1, 2))[counts > 0] / counts[counts > 0]).tolist()
    return summary(sums, own, names, split)


def summary(sums: NDArray[np.float64], own: Sequence[float], names: Sequence[str], split: str) -> dict[str, float]:
    """The metrics of ``measure``.

    Args:
        sums: (5, voices), of cost, cells, right cells, onsets and right onsets.
        own: the cost per cell of each piece.
        names: of the voices.
        split: valid or test, the prefix of the names.
    """

    def share(part: float, total: float) -> float:
        return float(part / total) if total else float("nan")

    cost, cells, right, onsets, right_onsets = sums.sum(axis=1)
    found = {
        f"{split}/pseudo_nats_per_cell": share(cost, cells),
        f"{split}/pseudo_nats_per_cell_by_piece": share(sum(own), len(own)),
        f"{split}/accuracy": share(right, cells),
        f"{split}/onset_accuracy": share(right_onsets, onsets),
    }
    for name, (_, cells, right, onsets, right_onsets) in zip(names, sums.T, strict=True):
        found[f"{split}/accuracy_{name}"] = share(right, cells)
        found[f"{split}/onset_accuracy_{name}"] = share(right_onsets, onsets)
    return found


def likelihood(model: CellModel, store: Pieces) -> dict[str, float]:
    """``measure`` of valid and test."""
    return {
        name: value
        for split in ("valid", "test")
        for name, value in measure(model, list(store.pieces(split)), split).items()
    }
