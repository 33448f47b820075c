"""How a trained model is turned into notes: one way a file, which the model's class names as its ``sampler``."""

import importlib
from dataclasses import dataclass
from typing import Any

from symusic.core import ScoreTick

from etude.artifacts.token_store import Store
from etude.config.sections import Generate


@dataclass(frozen=True)
class Sampled:
    """A piece that was drawn."""

    score: ScoreTick
    whole: bool = True  # needed no repair: it was not cut where it could not end


def sample(
    model: Any, representation: Any, store: Store, config: Generate, count: int, show: bool = False
) -> list[ScoreTick]:
    """The pieces of ``sample_pieces``, which takes the same."""
    return [piece.score for piece in sample_pieces(model, representation, store, config, count, show)]


def sample_pieces(
    model: Any, representation: Any, store: Store, config: Generate, count: int, show: bool = False
) -> list[Sampled]:
    """Draw ``count`` pieces; the same seed gives the same pieces.

    Args:
        model: a trained model.
        representation: the learned representation that the model reads.
        store: its data; what follows what in train gives the rules.
        config: seed, length, and what may be drawn.
        count: number of pieces.
        show: with a progress bar.
    """
    way = importlib.import_module(f"etude.sampling.{model.sampler}")
    pieces: list[Sampled] = way.sample(model.eval(), representation, store, config, count, show)
    return pieces
