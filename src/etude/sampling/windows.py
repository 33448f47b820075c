"""Sampling from models of piano-roll windows: a piece is a row of windows, drawn one by one."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from etude.config.sections import Generate
from etude.core.seeds import seed_of
from etude.representations.base.representation import Observed
from etude.representations.pianoroll import PianoRoll
from etude.sampling import Sampled


class WindowModel(Protocol):
    """A model of windows."""

    def draw(self, count: int, rng: torch.Generator, temperature: float = 1.0, /) -> torch.Tensor:
        """``count`` windows of one piece, in their order: (windows, voices, steps, pitches) of 0 and 1."""


def sample_windows(
    model: WindowModel, representation: PianoRoll, config: Generate, count: int
) -> list[NDArray[np.uint8]]:
    """``count`` pieces that hold the requested bars, each (windows, voices, steps, pitches) of 0 and 1.

    What the last window has after these bars is left out.
    """
    steps = config.length(representation.tempo) * 4 * representation.steps
    windows = -(-steps // (representation.beats * representation.steps))
    temperature = 1.0 if config.temperature is None else config.temperature
    pieces = []
    for piece in range(count):
        generator = torch.Generator().manual_seed(seed_of("sample", config.seed, piece))
        rolls = model.draw(windows, generator, temperature).numpy()
        rolls[-1][:, steps - (windows - 1) * rolls.shape[2] :] = 0
        pieces.append(rolls)
    return pieces


def sample(
    model: WindowModel, representation: PianoRoll, observed: Observed, config: Generate, count: int, show: bool
) -> list[Sampled]:
    """See Sampler."""
    return [Sampled(representation.decode(rolls)) for rolls in sample_windows(model, representation, config, count)]
