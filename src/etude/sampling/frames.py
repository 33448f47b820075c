"""Sampling from models of frames: frame after frame, each key drawn by itself."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude.encoding.store import Store
from etude.models.sequence import SequenceModel
from etude.progress import bar
from etude.sampling import Sampled
from etude.settings import Generate


def sample_frames(
    model: SequenceModel, firsts: NDArray[np.float32], length: int, plan: Generate, show: bool = False
) -> NDArray[np.uint8]:
    """Draw pieces, each with its own random numbers: (pieces, length, keys) of 0 and 1.

    A key that sounds with a share of at most 1 - ``top_p`` stays silent: of 88 keys, each of them unlikely, one would
    sound in many a frame.

    Args:
        model: of frames.
        firsts: the first frame of each piece (pieces, keys).
        length: frames of a piece.
        plan: temperature, top_p, seed and batch_size.
        show: with a progress bar.
    """
    count, keys = firsts.shape
    pieces = np.zeros((count, length, keys), dtype=np.uint8)
    with bar("generate", -(-count // plan.batch_size) * length, show) as tell:
        for begin in range(0, count, plan.batch_size):
            places = range(begin, min(begin + plan.batch_size, count))
            luck = np.stack([np.random.default_rng((plan.seed, place)).random((length, keys)) for place in places])
            last, state = firsts[begin : places.stop], None
            pieces[begin : places.stop, 0] = last
            for step in range(1, length):
                logits, state = model.step(torch.from_numpy(last), state)
                shares = (logits.double() / plan.heat()).sigmoid().numpy()
                sounding = (luck[:, step] < shares) & (shares > 1 - plan.top_p)
                last = sounding.astype(np.float32)
                pieces[begin : places.stop, step] = last
                tell(begin // plan.batch_size * length + step + 1)
    return pieces


def sample(
    model: SequenceModel, representation: Any, store: Store, plan: Generate, count: int, show: bool
) -> list[Sampled]:
    """See etude.sampling.drawn. A piece begins as a train piece does, one drawn for each, and has bars of 4/4."""
    pieces = len(store.offsets("train")) - 1
    begins = [int(np.random.default_rng((plan.seed, place, 0)).integers(pieces)) for place in range(count)]
    firsts = np.stack([model.alphabet.items(store.piece("train", place)[:1])[0] for place in begins])
    drawn = sample_frames(model, firsts, plan.length(representation.tempo) * 4 * representation.steps, plan, show)
    return [Sampled(representation.decode(frames)) for frames in drawn]
