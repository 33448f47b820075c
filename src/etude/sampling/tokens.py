"""Sampling from models of token sequences: batched, with the state kept, under the rules of the tokens."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.encoding.grammar import BEGIN, END, Rules
from etude.encoding.store import Store
from etude.models.sequence import SequenceModel
from etude.progress import bar
from etude.sampling.shares import draw, nucleus, softmax
from etude.settings import Generate


def sample_tokens(
    model: SequenceModel, rules: Rules, plan: Generate, count: int, show: bool = False
) -> list[NDArray[np.int64]]:
    """Draw ``count`` sequences, each with its own random numbers; with begin and end, at most max_tokens + 1 long."""
    pieces = []
    with bar("generate", -(-count // plan.batch_size) * plan.max_tokens, show) as tell:
        for begin in range(0, count, plan.batch_size):
            places = range(begin, min(begin + plan.batch_size, count))
            done = begin // plan.batch_size * plan.max_tokens
            luck = np.stack([np.random.default_rng((plan.seed, place)).random(plan.max_tokens) for place in places])
            pieces += _batch(model, rules, plan, luck, lambda step, done=done: tell(done + step))
    return pieces


def _batch(
    model: SequenceModel, rules: Rules, plan: Generate, luck: NDArray[np.float64], tell: Any
) -> list[NDArray[np.int64]]:
    rows = len(luck)
    last, known = np.full(rows, BEGIN, dtype=np.int64), rules.begin(rows)
    written, state = [last], None
    for step in range(plan.max_tokens):
        logits, state = model.step(torch.from_numpy(last), state)
        scores = logits.double().numpy() / plan.temperature
        scores = np.where(rules.allowed(last, known), scores, -np.inf)
        last = draw(nucleus(softmax(scores), plan.top_p), luck[:, step])
        known = rules.move(last, known)
        written.append(last)
        tell(step + 1)
        if (last == END).all():
            break
    tokens = np.stack(written, axis=1)
    return [row[: int(np.argmax(row == END)) + 1] if (row == END).any() else row for row in tokens]


def sample(
    model: SequenceModel, representation: Any, store: Store, plan: Generate, count: int, show: bool
) -> list[ScoreTick]:
    """See etude.sampling.sample."""
    rules = representation.rules(store.parts("train"))
    return [representation.decode(tokens) for tokens in sample_tokens(model, rules, plan, count, show)]
