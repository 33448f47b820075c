"""The counting floors of the voice grid: what a cell costs that is foretold by its own voice's last cell alone.

A cell is given its voice, what the voice sounded before it and, in the second floor, the step within the beat. Shares
are counts of train, its transposed copies among them, with a little added to each, so that nothing is impossible.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.artifacts.token_store import Store
from etude.representations.base.grid import HOLD, REST
from etude.representations.voicegrid import VoiceGrid

SPLITS = ("valid", "test")
ADDED = 0.1  # to each count


def contexts(tokens: NDArray[Any], voices: int, steps: int) -> tuple[NDArray[np.int64], ...]:
    """For each cell of a piece its voice, its step modulo ``steps``, what its voice sounded before, and its token.

    Each (frames, voices); what sounded is the token of a pitch or rest, 0 at the begin.
    """
    cells = np.asarray(tokens[1:-1], dtype=np.int64).reshape(-1, voices)
    place = np.arange(len(cells))[:, None]
    began = np.maximum.accumulate(np.where(cells >= REST, place, -1), axis=0)
    sounds = np.where(began >= 0, np.take_along_axis(cells, np.maximum(began, 0), axis=0), 0)
    before = np.concatenate([np.zeros((1, voices), dtype=np.int64), sounds])[: len(cells)]
    voice = np.broadcast_to(np.arange(voices), cells.shape)
    return voice, np.broadcast_to(place % steps, cells.shape), before, cells


def costs(
    train: Iterable[NDArray[Any]], pieces: Iterable[NDArray[Any]], vocabulary: int, voices: int, steps: int
) -> NDArray[np.float64]:
    """Cost of the cells of each piece, its end left out, by the counts of train: tokens (T,) each -> (pieces,) nats."""
    counts = np.zeros((voices, steps, vocabulary, vocabulary))
    for tokens in train:
        np.add.at(counts, contexts(tokens, voices, steps), 1)
    counts[..., HOLD:] += ADDED  # padding, begin and end are no cells
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return np.array([-np.log(shares[contexts(tokens, voices, steps)]).sum() for tokens in pieces])


def measure(store: Store, representation: VoiceGrid) -> Iterator[tuple[str, dict[str, NDArray[np.float64]]]]:
    """Each floor's name, and by side the cost of each piece in nats."""
    named = {"a voice's last pitch": 1, "a voice's last pitch and the step within the beat": representation.steps}
    for name, steps in named.items():
        size = (representation.vocabulary, len(representation.voices), steps)
        yield name, {split: costs(store.pieces("train"), store.pieces(split), *size) for split in SPLITS}
