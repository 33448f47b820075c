"""The counting baselines of the voice grid: the cost of a cell that is predicted from its own voice's past alone.

A cell is given its voice, the last sounding token of the voice and, in the second baseline, the step within the beat.
Probabilities are counts of train and its transposed copies, with a constant added, so that nothing is impossible.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from etude.artifacts.token_store import Store
from etude.representations.base.grid import HOLD, REST
from etude.representations.voicegrid import VoiceGrid

SPLITS = ("valid", "test")
ADDED = 0.1  # to each count


def contexts(tokens: NDArray[np.integer], voices: int, steps: int) -> tuple[NDArray[np.int64], ...]:
    """The voice of each cell of a piece, its step modulo ``steps``, its voice's last sounding token, and its own token.

    Each has shape (frames, voices). A sounding token is that of a pitch or rest, 0 at the start.
    """
    cells = np.asarray(tokens[1:-1], dtype=np.int64).reshape(-1, voices)
    place = np.arange(len(cells))[:, None]
    start = np.maximum.accumulate(np.where(cells >= REST, place, -1), axis=0)
    sounds = np.where(start >= 0, np.take_along_axis(cells, np.maximum(start, 0), axis=0), 0)
    before = np.concatenate([np.zeros((1, voices), dtype=np.int64), sounds])[: len(cells)]
    voice = np.broadcast_to(np.arange(voices), cells.shape)
    return voice, np.broadcast_to(place % steps, cells.shape), before, cells


def costs(
    train: Iterable[NDArray[np.integer]],
    pieces: Iterable[NDArray[np.integer]],
    vocabulary: int,
    voices: int,
    steps: int,
) -> NDArray[np.float64]:
    """The NLL in nats of the cells of each piece, without its end, by the counts of train: (T,) each -> (pieces,)."""
    counts = np.zeros((voices, steps, vocabulary, vocabulary))
    for tokens in train:
        np.add.at(counts, contexts(tokens, voices, steps), 1)
    counts[..., HOLD:] += ADDED  # padding, start and end are no cells
    probabilities = counts / counts.sum(axis=-1, keepdims=True)
    return np.array([-np.log(probabilities[contexts(tokens, voices, steps)]).sum() for tokens in pieces])


def measure(store: Store, representation: VoiceGrid) -> Iterator[tuple[str, dict[str, NDArray[np.float64]]]]:
    """Each baseline's name, and the cost of each piece in nats by split."""
    baselines = {"a voice's last pitch": 1, "a voice's last pitch and the step within the beat": representation.steps}
    for name, steps in baselines.items():
        size = (representation.vocabulary, len(representation.voices), steps)
        yield name, {split: costs(store.pieces("train"), store.pieces(split), *size) for split in SPLITS}
