"""Counting baselines on frames: how each key behaves by itself in train. A model must beat them."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from etude.artifacts.token_store import Store
from etude.representations.base.vocabulary import ItemSpec

BASELINES = {"independent keys": 0, "each key given its last frame": 1, "each key given its last two frames": 2}


class Framed(Protocol):
    """A representation in frames."""

    @property
    def item_spec(self) -> ItemSpec:
        """How stored pieces become frames."""


def probabilities(pieces: list[NDArray[np.uint8]], past: int) -> NDArray[np.float64]:
    """The probability that each key sounds after each of its own pasts: (keys, 2 ** past).

    Frames after the first are counted. One frame each of sound and silence is added, so that nothing is impossible
    (Laplace).

    Args:
        pieces: (T, keys) of 0 and 1 each.
        past: number of previous frames that count; before a piece all keys are silent.
    """
    keys = pieces[0].shape[1]
    counts = np.ones((keys, 2**past, 2))
    for piece in pieces:
        number = np.broadcast_to(np.arange(keys), piece[1:].shape)
        np.add.at(counts, (number, _context(piece, past), piece[1:].astype(np.int64)), 1)
    found: NDArray[np.float64] = counts[..., 1] / counts.sum(-1)
    return found


def costs(pieces: list[NDArray[np.uint8]], counted: NDArray[np.float64], past: int) -> NDArray[np.float64]:
    """The NLL in nats of each piece's frames after the first, under ``probabilities`` of this ``past``: (pieces,)."""
    found = np.zeros(len(pieces))
    for place, piece in enumerate(pieces):
        sounding = counted[np.arange(counted.shape[0]), _context(piece, past)]  # (T - 1, keys)
        found[place] = -np.log(np.where(piece[1:] > 0, sounding, 1 - sounding)).sum()
    return found


def measure(store: Store, representation: Framed) -> list[tuple[str, Mapping[str, NDArray[np.float64]]]]:
    """Each baseline with the costs of the pieces of valid and test, counted on the train pieces with their copies."""
    item_spec = representation.item_spec
    splits = {
        split: [item_spec.items(piece).astype(np.uint8) for piece in store.pieces(split)]
        for split in ("train", "valid", "test")
    }
    found: list[tuple[str, Mapping[str, NDArray[np.float64]]]] = []
    for name, past in BASELINES.items():
        counted = probabilities(splits["train"], past)
        found.append((name, {split: costs(splits[split], counted, past) for split in ("valid", "test")}))
    return found


def _context(piece: NDArray[np.uint8], past: int) -> NDArray[np.int64]:
    """Each key's past as a number, the last frame its lowest bit, for the frames after the first: (T - 1, keys)."""
    padded = np.pad(piece.astype(np.int64), ((past, 0), (0, 0)))
    found = np.zeros(piece[1:].shape, dtype=np.int64)
    for back in range(1, past + 1):
        found += padded[past + 1 - back : past + len(piece) - back] << (back - 1)
    return found
