"""Sampling from models of piano-roll windows: a piece is a row of windows, drawn one by one."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.encoding.store import Store
from etude.representations.pianoroll import PianoRoll
from etude.seeds import seed_of
from etude.settings import Generate


def sample_windows(model: Any, representation: PianoRoll, plan: Generate, count: int) -> list[NDArray[np.uint8]]:
    """``count`` pieces of at least plan.bars bars of 4/4, each (windows, voices, steps, pitches) of 0 and 1."""
    windows = max(1, -(-plan.bars * 4 // representation.beats))
    pieces = []
    for piece in range(count):
        generator = torch.Generator().manual_seed(seed_of("sample", plan.seed, piece))
        pieces.append(model.draw(windows, generator).numpy())
    return pieces


def sample(
    model: Any, representation: PianoRoll, store: Store, plan: Generate, count: int, show: bool
) -> list[ScoreTick]:
    """See etude.sampling.sample."""
    return [representation.decode(rolls) for rolls in sample_windows(model, representation, plan, count)]
