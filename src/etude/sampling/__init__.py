"""How a trained model is turned into notes: one sampler a file, which the model's class names as its ``sampler``."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from symusic.core import ScoreTick

from etude.config.sections import Generate
from etude.core.seeds import seed_of
from etude.representations.base.representation import Observed, Representation

if TYPE_CHECKING:
    from etude.sampling.judge import Judge


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
    judge: "Judge | None" = None,
) -> list[Sampled]:
    """Sample ``count`` pieces; the same seed gives the same pieces.

    With a judge each is the best of ``config.candidates``, of which those that needed no repair come first.

    Args:
        model: a trained model.
        representation: the learned representation that the model reads.
        observed: what train has that sampling needs to know, as ``Representation.observe`` found it.
        config: seed, length, and what may be drawn.
        count: number of pieces.
        show: with a progress bar.
        judge: of the samples; None: there is one candidate.
    """
    sampler = cast("Sampler", importlib.import_module(f"etude.sampling.{model.sampler}"))
    best = sampler.sample(model.eval(), representation, observed, config, count, show)
    if judge is None:
        return best
    ratings = _rate(judge, best)
    for candidate in range(1, config.candidates or 1):
        another = replace(config, seed=seed_of("candidate", config.seed, candidate))
        found = sampler.sample(model, representation, observed, another, count, show)
        for place, rating in enumerate(_rate(judge, found)):
            if rating > ratings[place]:
                best[place], ratings[place] = found[place], rating
    return best


def _rate(judge: "Judge", pieces: Sequence[Sampled]) -> list[tuple[bool, float]]:
    ratings = judge.rate([piece.score for piece in pieces]).tolist()
    return [(piece.complete, rating) for piece, rating in zip(pieces, ratings, strict=True)]
