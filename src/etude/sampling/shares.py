"""What a model gives to each token, and what of it may be drawn."""

import numpy as np
from numpy.typing import NDArray


def nucleus(shares: NDArray[np.float64], top_p: float) -> NDArray[np.float64]:
    """Keep the likeliest tokens that reach ``top_p``, the first of equals: (B, V) -> (B, V), rows sum to 1.

    Source: Holtzman et al., The Curious Case of Neural Text Degeneration, 2020.
    """
    ranked = np.sort(shares, axis=1)[:, ::-1]
    count = np.add.reduce(np.add.accumulate(ranked, axis=1) - ranked < top_p, axis=1)
    rows = np.arange(len(shares))
    least = ranked[rows, count - 1]
    inside = shares >= least[:, None]
    if (ranked[rows, np.minimum(count, shares.shape[1] - 1)] == least).any():
        inside = np.argsort(np.argsort(-shares, axis=1, kind="stable"), axis=1) < count[:, None]
    kept = np.where(inside, shares, 0.0)
    return kept / np.add.reduce(kept, axis=1, keepdims=True)


def likeliest(shares: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Keep the ``count`` likeliest tokens, the first of equals (Fan et al., 2018): (B, V) -> (B, V), rows sum to 1."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :count]
    kept = np.zeros_like(shares)
    np.put_along_axis(kept, order, np.take_along_axis(shares, order, axis=1), axis=1)
    return kept / kept.sum(axis=1, keepdims=True)


def likely(shares: NDArray[np.float64], min_p: float) -> NDArray[np.float64]:
    """Keep the tokens at least ``min_p`` times as likely as the likeliest: (B, V) -> (B, V), rows sum to 1.

    Source: Nguyen et al., Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs, 2024.
    """
    kept = np.where(shares >= min_p * shares.max(axis=1, keepdims=True), shares, 0.0)
    return kept / kept.sum(axis=1, keepdims=True)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of scores (B, V), of which each row has one above -inf: (B, V), rows sum to 1."""
    shares = np.exp(scores - np.maximum.reduce(scores, axis=1, keepdims=True))
    return shares / np.add.reduce(shares, axis=1, keepdims=True)


def draw(shares: NDArray[np.float64], luck: NDArray[np.float64]) -> NDArray[np.int64]:
    """A token of each row: shares (B, V), and numbers (B,) in [0, 1) that decide: (B,)."""
    total = np.add.accumulate(shares, axis=1)
    found: NDArray[np.int64] = np.add.reduce(total <= luck[:, None] * total[:, -1:], axis=1)
    return found
