"""Sampling from models of frames: frame after frame, each key drawn by itself."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude.artifacts.token_store import Store
from etude.config.sections import Generate
from etude.core.progress import bar
from etude.models.sequence import SequenceModel
from etude.sampling import Sampled


def sample_frames(
    model: SequenceModel, firsts: NDArray[np.float32], length: int, config: Generate, show: bool = False
) -> NDArray[np.uint8]:
    """Draw pieces, each with its own random numbers: (pieces, length, keys) of 0 and 1.

    A key that sounds with a share of at most 1 - ``top_p`` stays silent: of 88 keys, each of them unlikely, one would
    sound in many a frame.

    Args:
        model: of frames.
        firsts: the first frame of each piece (pieces, keys).
        length: frames of a piece.
        config: temperature, top_p, seed and batch_size.
        show: with a progress bar.
    """
    count, keys = firsts.shape
    pieces = np.zeros((count, length, keys), dtype=np.uint8)
    with bar("generate", -(-count // config.batch_size) * length, show) as tell:
        for start in range(0, count, config.batch_size):
            places = range(start, min(start + config.batch_size, count))
            rng = np.stack([np.random.default_rng((config.seed, place)).random((length, keys)) for place in places])
            last, state = firsts[start : places.stop], None
            pieces[start : places.stop, 0] = last
            for step in range(1, length):
                logits, state = model.step(torch.from_numpy(last), state)
                probabilities = (logits.double() / config.temperature_of()).sigmoid().numpy()
                sounding = (rng[:, step] < probabilities) & (probabilities > 1 - config.top_p)
                last = sounding.astype(np.float32)
                pieces[start : places.stop, step] = last
                tell(start // config.batch_size * length + step + 1)
    return pieces


def sample(
    model: SequenceModel, representation: Any, store: Store, config: Generate, count: int, show: bool
) -> list[Sampled]:
    """See etude.sampling.drawn. A piece begins as a train piece does, one drawn for each, and has bars of 4/4."""
    pieces = len(store.offsets("train")) - 1
    starts = [int(np.random.default_rng((config.seed, place, 0)).integers(pieces)) for place in range(count)]
    firsts = np.stack([model.item_spec.items(store.piece("train", place)[:1])[0] for place in starts])
    sample_pieces = sample_frames(
        model, firsts, config.length(representation.tempo) * 4 * representation.steps, config, show
    )
    return [Sampled(representation.decode(frames)) for frames in sample_pieces]
