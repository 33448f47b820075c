"""Counting floors on frames: what each key does by itself in train. Who does not beat them has learned nothing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.artifacts.token_store import Store
from etude.representations.base.vocabulary import ItemSpec

FLOORS = {"independent keys": 0, "each key given its last frame": 1, "each key given its last two frames": 2}


def shares(pieces: list[NDArray[np.uint8]], past: int) -> NDArray[np.float64]:
    """How often each key sounds after each of its own pasts, frames after the first alone: (keys, 2 ** past).

    One time each of sounding and silence is added, so that nothing is impossible (Laplace).

    Args:
        pieces: (T, keys) of 0 and 1 each.
        past: number of frames before that are looked at; before a piece all keys are silent.
    """
    keys = pieces[0].shape[1]
    counts = np.ones((keys, 2**past, 2))
    for piece in pieces:
        number = np.broadcast_to(np.arange(keys), piece[1:].shape)
        np.add.at(counts, (number, _context(piece, past), piece[1:].astype(np.int64)), 1)
    found: NDArray[np.float64] = counts[..., 1] / counts.sum(-1)
    return found


def costs(pieces: list[NDArray[np.uint8]], known: NDArray[np.float64], past: int) -> NDArray[np.float64]:
    """The cost of each piece's frames after the first in nats, under ``shares`` of the same ``past``: (pieces,)."""
    found = np.zeros(len(pieces))
    for place, piece in enumerate(pieces):
        sounding = known[np.arange(known.shape[0]), _context(piece, past)]  # (T - 1, keys)
        found[place] = -np.log(np.where(piece[1:] > 0, sounding, 1 - sounding)).sum()
    return found


def measure(store: Store, representation: Any) -> list[tuple[str, Mapping[str, NDArray[np.float64]]]]:
    """Each floor with the costs of the pieces of valid and test. Counted on the train pieces with their copies."""
    item_spec: ItemSpec = representation.item_spec
    splits = {
        split: [item_spec.items(piece).astype(np.uint8) for piece in store.pieces(split)]
        for split in ("train", "valid", "test")
    }
    made: list[tuple[str, Mapping[str, NDArray[np.float64]]]] = []
    for name, past in FLOORS.items():
        known = shares(splits["train"], past)
        made.append((name, {split: costs(splits[split], known, past) for split in ("valid", "test")}))
    return made


def _context(piece: NDArray[np.uint8], past: int) -> NDArray[np.int64]:
    """The number of each key's past, the last frame as its lowest bit, for the frames after the first."""
    padded = np.pad(piece.astype(np.int64), ((past, 0), (0, 0)))
    found = np.zeros(piece[1:].shape, dtype=np.int64)
    for back in range(1, past + 1):
        found += padded[past + 1 - back : past + len(piece) - back] << (back - 1)
    return found
