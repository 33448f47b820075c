"""The likelihood of accompaniments given their lead sheets: nats per note of the accompaniment.

A piece's cost is that of all its items: notes with their lengths, and where the next ones start, up to its end. Control
attributes are left open.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from etude.models.accompaniment import Accompaniment
from etude.models.accompaniment_features import open_batches


class Pieces(Protocol):
    """The encoded pieces of a dataset, as a token store has them."""

    def pieces(self, split: str, /) -> Iterable[NDArray[np.integer]]:
        """The pieces of valid or test in rows."""


@torch.no_grad()
def measure(model: Accompaniment, pieces: Sequence[NDArray[np.integer]], split: str) -> dict[str, float]:
    """The cost of the accompaniments of some pieces.

    Args:
        model: a trained model.
        pieces: in rows, as ``LeadSheet`` encodes them. Those without a note of accompaniment are left out.
        split: valid or test, the prefix of the names.

    Returns:
        ``split/nats_per_note``: the sum over the pieces divided by their notes; of it ``split/nats_per_note_keys``,
        ``_lengths`` and ``_steps`` are the costs of keys, of lengths, and of where the next note starts;
        ``split/nats_per_note_by_piece``: the mean over pieces of each one's; ``split/nats_per_piece``. nan without
        notes.
    """
    device = next(model.parameters()).device
    sums, own, notes = np.zeros(3), [], 0
    for batch in open_batches(pieces, model.density, model.steps):
        costs = model.nats(type(batch)(*(part.to(device) for part in batch))).double().cpu()
        is_note = batch.length >= 0
        key, step, length = costs[..., 0] * is_note, costs[..., 0] * ~is_note, costs[..., 1]
        sums += [float(part.sum()) for part in (key, length, step)]
        counts = is_note.sum(dim=1)
        own += (costs.sum(dim=(1, 2)) / counts).tolist()
        notes += int(counts.sum())

    def share(total: float, count: int) -> float:
        return float(total / count) if count else float("nan")

    found = {f"{split}/nats_per_note": share(sums.sum(), notes)}
    for name, total in zip(("keys", "lengths", "steps"), sums, strict=True):
        found[f"{split}/nats_per_note_{name}"] = share(total, notes)
    found[f"{split}/nats_per_note_by_piece"] = share(sum(own), len(own))
    found[f"{split}/nats_per_piece"] = share(sums.sum(), len(own))
    return found


def likelihood(model: Accompaniment, store: Pieces) -> dict[str, float]:
    """``measure`` of valid and test."""
    return {
        name: value
        for split in ("valid", "test")
        for name, value in measure(model, list(store.pieces(split)), split).items()
    }
