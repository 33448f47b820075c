"""Probabilities of the next token, and which of them may be drawn."""

import numpy as np
from numpy.typing import NDArray

from etude.models.finite import no_probabilities


def top_p_filter(probabilities: NDArray[np.float64], top_p: float) -> NDArray[np.float64]:
    """Keep the most probable tokens that sum to ``top_p``, the first of equals: (B, V) -> (B, V), rows sum to 1.

    Source: Holtzman et al., The Curious Case of Neural Text Degeneration, 2020.
    """
    ranked = np.sort(probabilities, axis=1)[:, ::-1]
    count = np.add.reduce(np.add.accumulate(ranked, axis=1) - ranked < top_p, axis=1)
    rows = np.arange(len(probabilities))
    least = ranked[rows, count - 1]
    inside = probabilities >= least[:, None]
    if (ranked[rows, np.minimum(count, probabilities.shape[1] - 1)] == least).any():
        inside = np.argsort(np.argsort(-probabilities, axis=1, kind="stable"), axis=1) < count[:, None]
    kept = np.where(inside, probabilities, 0.0)
    return kept / np.add.reduce(kept, axis=1, keepdims=True)


def top_k_filter(probabilities: NDArray[np.float64], top_k: int) -> NDArray[np.float64]:
    """Keep the ``top_k`` most probable tokens, the first of equals: (B, V) -> (B, V), rows sum to 1.

    Source: Fan et al., Hierarchical Neural Story Generation, 2018.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    kept = np.zeros_like(probabilities)
    np.put_along_axis(kept, order, np.take_along_axis(probabilities, order, axis=1), axis=1)
    return kept / kept.sum(axis=1, keepdims=True)


def min_p_filter(probabilities: NDArray[np.float64], min_p: float) -> NDArray[np.float64]:
    """Keep tokens at least ``min_p`` times as probable as the most probable: (B, V) -> (B, V), rows sum to 1.

    Source: Nguyen et al., Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs, 2024.
    """
    kept = np.where(probabilities >= min_p * probabilities.max(axis=1, keepdims=True), probabilities, 0.0)
    return kept / kept.sum(axis=1, keepdims=True)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of scores (B, V), each row with at least one above -inf: (B, V), rows sum to 1."""
    probabilities = np.exp(scores - np.maximum.reduce(scores, axis=1, keepdims=True))
    return probabilities / np.add.reduce(probabilities, axis=1, keepdims=True)


def draw(probabilities: NDArray[np.float64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw a token for each row of probabilities (B, V) by a number (B,) in [0, 1): (B,).

    Raises:
        EtudeError: the probabilities are none, as those of a model whose weights are not finite.
    """
    total = np.add.accumulate(probabilities, axis=1)
    if not (total[:, -1] > 0).all():  # nan is not above 0
        raise no_probabilities()
    found: NDArray[np.int64] = np.add.reduce(total <= uniforms[:, None] * total[:, -1:], axis=1)
    return found
