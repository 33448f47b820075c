"""How a trained model is turned into notes."""

from typing import Any

from symusic.core import ScoreTick

from etude.models.gan import GAN
from etude.representations.store import Store
from etude.sampling.tokens import Grammar, sample_tokens
from etude.sampling.windows import sample_windows
from etude.settings import Generate


def sample(
    model: Any, representation: Any, store: Store, plan: Generate, count: int, show: bool = False
) -> list[ScoreTick]:
    """Draw ``count`` pieces; the same seed gives the same pieces.

    Args:
        model: a trained model.
        representation: the learned representation that the model reads.
        store: its data; the grammar is what follows what in train.
        plan: temperature, top_p, seed and limits.
        count: number of pieces.
        show: with a progress bar.
    """
    model.eval()
    if isinstance(model, GAN):
        return [representation.decode(rolls) for rolls in sample_windows(model, representation, plan, count)]
    grammar = Grammar(representation.types, representation.values, store.items("train"))
    return [representation.decode(tokens) for tokens in sample_tokens(model, grammar, plan, count, show)]
