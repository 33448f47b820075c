"""Sampling from models of piano-roll windows: a piece is a row of windows, drawn one by one."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude.encoding.store import Store
from etude.representations.pianoroll import PianoRoll
from etude.sampling import Sampled
from etude.seeds import seed_of
from etude.settings import Generate


def sample_windows(model: Any, representation: PianoRoll, plan: Generate, count: int) -> list[NDArray[np.uint8]]:
    """``count`` pieces of windows that hold the wanted bars, each (windows, voices, steps, pitches) of 0 and 1.

    What is in the last window after these bars is left out.
    """
    steps = plan.length(representation.tempo) * 4 * representation.steps
    windows = -(-steps // (representation.beats * representation.steps))
    pieces = []
    for piece in range(count):
        generator = torch.Generator().manual_seed(seed_of("sample", plan.seed, piece))
        rolls = model.draw(windows, generator).numpy()
        rolls[-1][:, steps - (windows - 1) * rolls.shape[2] :] = 0
        pieces.append(rolls)
    return pieces


def sample(
    model: Any, representation: PianoRoll, store: Store, plan: Generate, count: int, show: bool
) -> list[Sampled]:
    """See etude.sampling.drawn."""
    return [Sampled(representation.decode(rolls)) for rolls in sample_windows(model, representation, plan, count)]
