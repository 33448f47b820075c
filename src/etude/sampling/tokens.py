"""Sampling from models of token sequences: batched, with the state kept, under the grammar of the tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude.models.sequence import BEGIN, END, SequenceModel
from etude.progress import bar
from etude.settings import Generate


class Grammar:
    """What may follow what: the pairs of token types that occur in train; within a bar, positions only go on."""

    def __init__(self, types: Sequence[str], values: Sequence[str], train: NDArray[Any]) -> None:
        """Args: type and value of each token, and the train tokens (N,)."""
        names = sorted(set(types))
        kind = np.array([names.index(name) for name in types])
        found = np.zeros((len(names), len(names)), dtype=bool)
        kinds = kind[np.asarray(train, dtype=np.int64)]
        found[kinds[:-1], kinds[1:]] = True
        found[names.index("EOS")] = False  # what follows an end is the begin of another piece
        found[:, names.index("PAD")] = False
        self.follows = found[kind][:, kind]  # (V, V)
        self.follows[:, BEGIN] = False
        self.follows[END] = False
        self.follows[END, END] = True
        self.position = np.array([int(v) if t == "Position" else -1 for t, v in zip(types, values, strict=True)])
        self.bar = np.array([name == "Bar" for name in types])

    def allowed(self, last: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What may come next: the last token and the position in the bar of each row, both (B,) -> (B, V)."""
        passed = (self.position[None] >= 0) & (self.position[None] <= place[:, None])
        found: NDArray[np.bool_] = self.follows[last] & ~passed
        return found

    def move(self, tokens: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position in the bar after ``tokens``; -1 at a bar line: (B,)."""
        at = np.where(self.position[tokens] >= 0, self.position[tokens], place)
        return np.where(self.bar[tokens], -1, at)


def nucleus(shares: NDArray[np.float64], top_p: float) -> NDArray[np.float64]:
    """Keep the likeliest tokens that reach ``top_p`` (Holtzman et al., 2020): (B, V) -> (B, V), rows sum to 1."""
    order = np.argsort(-shares, axis=1, kind="stable")
    ranked = np.take_along_axis(shares, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    ranked = np.where(before < top_p, ranked, 0.0)
    kept = np.zeros_like(shares)
    np.put_along_axis(kept, order, ranked, axis=1)
    return kept / kept.sum(axis=1, keepdims=True)


def sample_tokens(
    model: SequenceModel, grammar: Grammar, plan: Generate, count: int, show: bool = False
) -> list[NDArray[np.int64]]:
    """Draw ``count`` sequences, each with its own random numbers; with begin and end, at most max_tokens + 1 long."""
    pieces = []
    with bar("generate", -(-count // plan.batch_size) * plan.max_tokens, show) as tell:
        for begin in range(0, count, plan.batch_size):
            places = range(begin, min(begin + plan.batch_size, count))
            done = begin // plan.batch_size * plan.max_tokens
            luck = np.stack([np.random.default_rng((plan.seed, place)).random(plan.max_tokens) for place in places])
            pieces += _batch(model, grammar, plan, luck, lambda step, done=done: tell(done + step))
    return pieces


def _batch(
    model: SequenceModel, grammar: Grammar, plan: Generate, luck: NDArray[np.float64], tell: Any
) -> list[NDArray[np.int64]]:
    rows = len(luck)
    last, place = np.full(rows, BEGIN, dtype=np.int64), np.full(rows, -1, dtype=np.int64)
    written, state = [last], None
    for step in range(plan.max_tokens):
        logits, state = model.step(torch.from_numpy(last), state)
        scores = logits.double().numpy() / plan.temperature
        scores = np.where(grammar.allowed(last, place), scores, -np.inf)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = nucleus(shares / shares.sum(axis=1, keepdims=True), plan.top_p)
        total = np.cumsum(shares, axis=1)
        last = (total < luck[:, step, None] * total[:, -1:]).sum(axis=1)
        place = grammar.move(last, place)
        written.append(last)
        tell(step + 1)
        if (last == END).all():
            break
    tokens = np.stack(written, axis=1)
    return [row[: int(np.argmax(row == END)) + 1] if (row == END).any() else row for row in tokens]
