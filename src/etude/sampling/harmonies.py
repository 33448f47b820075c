"""The samplers that draw some voices where others are given."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.config.sections import Harmonize


class HarmonySampler(Protocol):
    """A file of sampling/ that draws voices on a grid in which cells may have some tokens alone."""

    def sample_harmonies(
        self,
        model: Any,
        representation: Any,
        piece: ScoreTick,
        allowed: NDArray[np.bool_],
        config: Harmonize,
        rngs: Sequence[np.random.Generator],
        show: bool = False,
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
        """Draw a harmony for each of ``rngs``.

        Args:
            model: a trained model of voices on a grid, of the kind that the sampler draws from.
            representation: the one that it reads.
            piece: what is known besides the cells: meter, key and fermatas.
            allowed: tokens that each cell may have (frames, voices, V), at least one each.
            config: how they are drawn.
            rngs: the random number generator of each harmony.
            show: with a progress bar.

        Returns:
            the tokens of each harmony (frames, voices), and the cost of each in nats (harmonies,).
        """

    def cost(
        self,
        model: Any,
        representation: Any,
        piece: ScoreTick,
        allowed: NDArray[np.bool_],
        grid: NDArray[np.int64],
    ) -> float:
        """The cost in nats of a grid (frames, voices), counted as ``sample_harmonies`` counts it."""


# the sampler that a model's class names -> how it draws voices to others; imported when needed: each knows its models
SAMPLERS = {"gibbs": "etude.sampling.gibbs", "tokens": "etude.sampling.particles"}


def harmony_sampler(name: str) -> HarmonySampler:
    """How a model that is sampled by ``name`` draws voices to others."""
    sampler: HarmonySampler = importlib.import_module(SAMPLERS[name])
    return sampler
