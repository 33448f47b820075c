"""Likelihood with a stated unit: nats per note, per cell, per frame and per piece, of whole pieces.

A piece's cost, its negative log-likelihood (NLL), is that of all its tokens, the end included. Several token sequences
can stand for one piece; the cost of the tokenizer's own is an upper bound of the piece's. The first frame of a piece in
frames is given and costs nothing, as in the literature (Bai et al., 2018).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude.models.sequence import SequenceModel
from etude.representations.base.vocabulary import ItemSpec

BATCH = 8  # whole pieces at a time


def batches(pieces: Sequence[NDArray[np.integer]], item_spec: ItemSpec) -> list[tuple[list[int], torch.Tensor]]:
    """Batch pieces of similar length, padded: the pieces' places, and tokens (B, T) or frames (B, T, keys)."""
    order = sorted(range(len(pieces)), key=lambda place: (len(pieces[place]), place))
    found = []
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        items = item_spec.padded(len(places), max(len(pieces[place]) for place in places))
        for row, place in zip(items, places, strict=True):
            row[: len(pieces[place])] = item_spec.items(pieces[place])
        found.append((places, torch.from_numpy(items)))
    return found


@torch.no_grad()
def piece_costs(
    model: SequenceModel, pieces: Sequence[NDArray[np.integer]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cost of each piece in nats, and that of its last item alone, from pieces as stored: each (pieces,)."""
    device = next(model.parameters(), torch.empty(0)).device
    costs, ends = np.zeros(len(pieces)), np.zeros(len(pieces))
    for places, items in batches(pieces, model.item_spec):
        nats = model.nats(items.to(device)).double().cpu().numpy()
        costs[places] = nats.sum(axis=1)
        ends[places] = [row[len(pieces[place]) - 2] for row, place in zip(nats, places, strict=True)]
    return costs, ends


def piece_nats(model: SequenceModel, pieces: Sequence[NDArray[np.integer]]) -> NDArray[np.float64]:
    """Cost of each piece in nats, from pieces as stored: (pieces,). An empty list gives an empty array."""
    return piece_costs(model, pieces)[0]


def per_unit(
    costs: NDArray[np.float64],
    facts: Sequence[dict[str, Any]],
    split: str,
    ends: NDArray[np.float64] | None = None,
) -> dict[str, float]:
    """The costs of a split's pieces by unit.

    Args:
        costs: (pieces,) in nats.
        facts: for each piece its ``notes`` and its ``cells`` (voices times sixteenths, the unit of the JSB literature);
            or, for models of frames, ``frames``, the number of frames after the first.
        split: valid or test, the prefix of the names.
        ends: (pieces,) the part of the costs from the end, which is no cell: nats per cell exclude it.

    Returns:
        ``split/nats_per_piece``, and ``split/nats_per_note`` and ``split/nats_per_cell``, or ``split/nats_per_frame``:
        sums over the split divided by sums, so that each note counts the same. With the suffix ``_by_piece``: the mean
        over pieces of each one's cost per note (cell, frame), so that each piece counts the same; pieces without any
        are left out. nan without notes.
    """
    found = {f"{split}/nats_per_piece": _ratio(costs.sum(), len(facts))}
    framed = bool(facts) and "frames" in facts[0]
    for unit, fact in {"frame": "frames"}.items() if framed else {"note": "notes", "cell": "cells"}.items():
        counts = np.array([entry[fact] for entry in facts], dtype=np.float64)
        some = counts > 0
        own = costs - ends if unit == "cell" and ends is not None else costs
        found[f"{split}/nats_per_{unit}"] = _ratio(own.sum(), counts.sum())
        found[f"{split}/nats_per_{unit}_by_piece"] = _ratio((own[some] / counts[some]).sum(), some.sum())
    return found


def _ratio(total: float, count: float) -> float:
    return float(total / count) if count else float("nan")
