"""How a trained model is turned into notes: one sampler a file, which the model's class names as its ``sampler``."""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol, Self, cast

from symusic.core import ScoreTick

from etude.config.sections import Generate
from etude.representations.base.representation import Observed, Representation


@dataclass(frozen=True)
class Sampled:
    """A sampled piece."""

    score: ScoreTick
    complete: bool = True  # needed no repair: it was not truncated where it could not end


class SampledModel(Protocol):
    """A trained model that one of the samplers draws from."""

    @property
    def sampler(self) -> str:
        """The file of sampling/."""

    def eval(self) -> Self:
        """The model in eval mode."""


class Sampler(Protocol):
    """A file of sampling/ that a model names as its sampler."""

    def sample(
        self, model: Any, representation: Representation, observed: Observed, config: Generate, count: int, show: bool
    ) -> list[Sampled]:
        """See ``sample_pieces``; the model and its representation are of the kind that the sampler draws from."""


def sample_pieces(
    model: SampledModel,
    representation: Representation,
    observed: Observed,
    config: Generate,
    count: int,
    show: bool = False,
) -> list[Sampled]:
    """Sample ``count`` pieces; the same seed gives the same pieces.

    Args:
        model: a trained model.
        representation: the learned representation that the model reads.
        observed: what train has that sampling needs to know, as ``Representation.observe`` found it.
        config: seed, length, and what may be drawn.
        count: number of pieces.
        show: with a progress bar.
    """
    sampler = cast("Sampler", importlib.import_module(f"etude.sampling.{model.sampler}"))
    return sampler.sample(model.eval(), representation, observed, config, count, show)
