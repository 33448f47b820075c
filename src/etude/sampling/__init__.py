"""How a trained model is turned into notes."""

from typing import Any

from symusic.core import ScoreTick

from etude.encoding.store import Store
from etude.models.gan import GAN
from etude.sampling.tokens import sample_tokens
from etude.sampling.windows import sample_windows
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
    model.eval()
    if isinstance(model, GAN):
        return [representation.decode(rolls) for rolls in sample_windows(model, representation, plan, count)]
    rules = representation.rules(store.parts("train"))
    return [representation.decode(tokens) for tokens in sample_tokens(model, rules, plan, count, show)]
