"""Sampling from models of frames: frame after frame, each key drawn by itself."""

import numpy as np
import torch
from numpy.typing import NDArray

from etude.config.sections import Generate
from etude.core.progress import bar
from etude.models.finite import require_finite
from etude.models.sequence import SequenceModel
from etude.representations.base.representation import Observed
from etude.representations.frames import Frames
from etude.sampling import Sampled


def sample_frames(
    model: SequenceModel, firsts: NDArray[np.float32], length: int, config: Generate, show: bool = False
) -> NDArray[np.uint8]:
    """Draw pieces, each with its own random numbers: (pieces, length, keys) of 0 and 1.

    A key with a probability of at most 1 - ``top_p`` stays silent: of 88 improbable keys one would sound in many a
    frame.

    Args:
        model: of frames.
        firsts: the first frame of each piece (pieces, keys).
        length: frames of a piece.
        config: temperature, top_p, seed and batch_size.
        show: with a progress bar.
    """
    count, keys = firsts.shape
    temperature = 1.0 if config.temperature is None else config.temperature
    pieces = np.zeros((count, length, keys), dtype=np.uint8)
    with bar("generate", -(-count // config.batch_size) * length, show) as advance:
        for start in range(0, count, config.batch_size):
            places = range(start, min(start + config.batch_size, count))
            uniforms = np.stack(
                [np.random.default_rng((config.seed, place)).random((length, keys)) for place in places]
            )
            last, state = firsts[start : places.stop], None
            pieces[start : places.stop, 0] = last
            for step in range(1, length):
                logits, state = model.step(torch.from_numpy(last), state)
                require_finite(logits)
                probabilities = (logits.double() / temperature).sigmoid().numpy()
                sounding = (uniforms[:, step] < probabilities) & (probabilities > 1 - config.top_p)
                last = sounding.astype(np.float32)
                pieces[start : places.stop, step] = last
                advance(start // config.batch_size * length + step + 1)
    return pieces


def sample(
    model: SequenceModel, representation: Frames, observed: Observed, config: Generate, count: int, show: bool
) -> list[Sampled]:
    """See Sampler. A piece has bars of 4/4, and the first frame of a random train piece."""
    pieces = len(observed["firsts"])
    starts = [int(np.random.default_rng((config.seed, place, 0)).integers(pieces)) for place in range(count)]
    firsts = model.item_spec.items(observed["firsts"][starts]).astype(np.float32)
    length = config.length(representation.tempo) * 4 * representation.steps
    return [Sampled(representation.decode(frames)) for frames in sample_frames(model, firsts, length, config, show)]
