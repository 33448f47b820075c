"""How well each cell of a piece is foretold from all its other cells: a pseudo-likelihood (Besag, 1975).

It is no likelihood: each cell's cost is given its own past and future, so that the costs do not add up to that of a
piece, and must not be compared with nats per note.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude.artifacts.token_store import Store
from etude.models.deepbach import batches
from etude.representations.base.grid import FIRST, HOLD


@torch.no_grad()
def measured(model: Any, pieces: Sequence[NDArray[Any]], split: str) -> dict[str, float]:
    """What the conditionals of a model say of the cells of some pieces.

    Args:
        model: ``nats`` gives the cost of each cell and the likeliest token, as DeepBach's does; ``names`` its voices.
        pieces: each (frames, voices + 6).
        split: valid or test, the front part of the names.

    Returns:
        ``side/pseudo_nats_per_cell`` (a cell is a voice and a step of the grid), so that each cell counts the same, and
        ``side/pseudo_nats_per_cell_by_piece``, the mean over pieces of each one's cost a cell, pieces without any left
        out; and for all voices, and for each by its name: ``side/accuracy``, the share of cells whose likeliest token
        is the right one, and ``side/onset_accuracy``, the same among the cells where a note begins. nan where there is
        no such cell.
    """
    device = next(model.parameters(), torch.empty(0)).device
    names = list(model.names)
    sums = np.zeros((5, len(names)))  # cost, cells, right cells, onsets, right onsets
    own: list[float] = []  # each piece's cost a cell
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
    """The metrics of ``measured``.

    Args:
        sums: (5, voices), of cost, cells, right cells, onsets and right onsets.
        own: of each piece the cost a cell.
        names: of the voices.
        split: valid or test, the front part of the names.
    """

    def share(part: float, whole: float) -> float:
        return float(part / whole) if whole else float("nan")

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


def likelihood(model: Any, store: Store) -> dict[str, float]:
    """``measured`` of valid and test."""
    return {
        name: value
        for split in ("valid", "test")
        for name, value in measured(model, list(store.pieces(split)), split).items()
    }
