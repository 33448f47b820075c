"""The samplers that draw some voices where others are given."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick
from torch import nn

from etude.config.sections import Harmonize
from etude.representations.base.grid import VoicesOnGrid


@dataclass(frozen=True)
class HarmonyTask:
    """What is asked of a sampler: a harmony for each of ``rngs``."""

    piece: ScoreTick  # what is known besides the cells: meter, key and fermatas
    allowed: NDArray[np.bool_]  # tokens that each cell may have (frames, voices, V), at least one each
    config: Harmonize  # how they are drawn
    rngs: Sequence[np.random.Generator]  # the random number generator of each harmony
    show: bool = False  # with a progress bar


# the tokens of each harmony (frames, voices), and the cost of each in nats (harmonies,)
SampledHarmonies = tuple[list[NDArray[np.int64]], NDArray[np.float64]]


class HarmonySampler(Protocol):
    """A file of sampling/ that draws voices on a grid in which cells may have only some tokens.

    The model is trained, of the kind that the sampler draws from, and reads the representation.
    """

    def sample_harmonies(
        self, model: nn.Module, representation: VoicesOnGrid, tasks: Sequence[HarmonyTask]
    ) -> list[SampledHarmonies]:
        """The harmonies of each task; those of one do not depend on the others.

        The settings of the tasks may differ in ``parallel_cost``.
        """

    def cost(self, model: nn.Module, representation: VoicesOnGrid, task: HarmonyTask, grid: NDArray[np.int64]) -> float:
        """The cost in nats of a grid (frames, voices), counted as ``sample_harmonies`` counts it."""


# the sampler that a model's class names -> how it draws voices to others; imported when needed: each knows its models
SAMPLERS = {"gibbs": "etude.sampling.gibbs", "tokens": "etude.sampling.particles"}


def harmony_sampler(name: str) -> HarmonySampler:
    """How a model that is sampled by ``name`` draws voices to others."""
    sampler: HarmonySampler = importlib.import_module(SAMPLERS[name])
    return sampler
