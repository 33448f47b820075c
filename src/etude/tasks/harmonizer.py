"""A trained model that draws some voices where others are given."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from etude.config.sections import Harmonize
from etude.core.seeds import seed_of
from etude.representations.base.grid import VoicesOnGrid
from etude.tasks.trained_model import TrainedModel


@dataclass(frozen=True)
class Harmonizer:
    """A trained model that draws some voices where others are given, with what it needs."""

    model_name: str
    model: Any
    representation: VoicesOnGrid
    observed: NDArray[np.bool_]  # the tokens that each voice has in train (voices, V)

    @classmethod
    def of(cls, loaded: TrainedModel) -> Self:
        """The harmonizer of a trained model."""
        return cls(loaded.name, loaded.model, loaded.representation, loaded.observed["tokens"])

    def rngs(self, config: Harmonize, *numbers: int) -> list[np.random.Generator]:
        """The random number generator of each candidate of the melody that ``numbers`` name."""
        return seeded_rngs(config.seed, config.candidates, *numbers)


def seeded_rngs(seed: int, count: int, *numbers: int) -> list[np.random.Generator]:
    """A random number generator for each of ``count`` harmonies."""
    seed = seed_of("harmony", seed, *numbers)
    return [np.random.default_rng((seed, place)) for place in range(count)]
