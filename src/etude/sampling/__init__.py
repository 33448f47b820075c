"""How a trained model is turned into notes: one way a file, which the model's class names as its ``sampler``."""

import importlib
from typing import Any

from symusic.core import ScoreTick

from etude.encoding.store import Store
from etude.settings import Generate


def sample(
    model: Any, representation: Any, store: Store, plan: Generate, count: int, show: bool = False
) -> list[ScoreTick]:
    """Draw ``count`` pieces; the same seed gives the same pieces.

    Args:
        model: a trained model.
        representation: the learned representation that the model reads.
        store: its data; what follows what in train gives the rules.
        plan: temperature, top_p, seed and limits.
        count: number of pieces.
        show: with a progress bar.
    """
    way = importlib.import_module(f"etude.sampling.{model.sampler}")
    pieces: list[ScoreTick] = way.sample(model.eval(), representation, store, plan, count, show)
    return pieces
