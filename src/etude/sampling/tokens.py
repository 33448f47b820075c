"""Sampling from models of token sequences: batched, with the state kept, under the rules of the tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts.token_store import Store
from etude.config.sections import Generate
from etude.core.progress import Bar, bar
from etude.models.sequence import SequenceModel
from etude.representations.attributes import Attributes
from etude.representations.base.grammar import BOS, EOS
from etude.sampling import Sampled
from etude.sampling.control_tokens import orders
from etude.sampling.filters import draw, min_p_filter, softmax, top_k_filter, top_p_filter
from etude.sampling.timing import Timing, timing

CLOSING = 16  # tokens before max_tokens, from which on a piece ends as soon as it can be decoded


@dataclass(frozen=True)
class Drawn:
    """A piece in tokens, begin and end included."""

    tokens: NDArray[np.int64]
    whole: bool  # ended where it could end, in place of being cut at max_tokens


def sample_tokens(
    model: SequenceModel,
    rules: Timing,
    config: Generate,
    count: int,
    show: bool = False,
    prime: NDArray[np.int64] | None = None,
) -> list[Drawn]:
    """Draw ``count`` sequences, each with its own random numbers, at most max_tokens + 1 long, the prime included.

    A piece is the same in every batch, and alone.

    Args:
        model: of tokens.
        rules: what may follow what, and where a piece ends.
        config: temperature, top_k, top_p, min_p, repetition, max_tokens, batch_size, seed.
        count: number of pieces.
        show: with a progress bar.
        prime: tokens that each piece begins with, or (1, T) all of them, without begin and end: (pieces, T).
    """
    pieces: list[Drawn] = []
    with bar("generate", -(-count // config.batch_size) * config.max_tokens, show) as tell:
        for start in range(0, count, config.batch_size):
            places = range(start, min(start + config.batch_size, count))
            done = start // config.batch_size * config.max_tokens
            rng = np.stack([np.random.default_rng((config.seed, place)).random(config.max_tokens) for place in places])
            rng = np.concatenate([rng, np.full((max(0, model.rows - len(rng)), config.max_tokens), 0.5)])
            given = np.zeros((1, 0), dtype=np.int64) if prime is None else prime
            given = given[(start + np.arange(len(rng))) % len(given)]
            known = rules.start(len(rng), start)
            pieces += _batch(model, rules, config, rng, known, given, len(places), partial(_further, tell, done))
    return pieces


def _further(tell: Bar, done: int, step: int) -> None:
    tell(done + step)


@torch.no_grad()
def _batch(
    model: SequenceModel,
    rules: Timing,
    config: Generate,
    rng: NDArray[np.float64],
    known: NDArray[np.int64],
    prime: NDArray[np.int64],
    pieces: int,
    tell: Callable[[int], None],
) -> list[Drawn]:
    """The first ``pieces`` of the rows; the others fill the batch up, and nobody waits for their end."""
    rows, temperature_of = len(rng), config.temperature_of()
    device = next(model.parameters(), torch.empty(0)).device
    last = np.full(rows, BOS, dtype=np.int64)
    written, state = [last], None
    guidance = config.guidance if config.requested else 1.0
    for given in prime.T:
        _, state = predicted(model, torch.from_numpy(last).to(device), state, guidance)
        last = given
        known = rules.move(last, known)
        written.append(last)
    ended, truncated = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
    close = config.max_tokens * 3 // 4
    for step in range(prime.shape[1], config.max_tokens):
        if step == close:  # in time, so that the bar can be written to its end
            rules.close(known)
        log_shares, state = predicted(model, torch.from_numpy(last).to(device), state, guidance)
        scores = log_shares.cpu().numpy()
        if config.repetition != 1:
            scores = repeated(scores, np.stack(written[-config.repetition_span :], axis=1), config.repetition)
        if temperature_of != 1:
            scores = scores / temperature_of
        allowed = rules.allowed(last, known)
        passed = rules.beyond(known)
        if passed.any():  # what would go on after the end means the end
            ends = allowed[:, EOS]
            beyond = np.where(passed, scores, -np.inf)
            beyond[:, EOS] = scores[:, EOS]
            most = beyond.max(axis=1)
            scores[ends, EOS] = (most + np.log(np.exp(beyond - most[:, None]).sum(axis=1)))[ends]
        if step >= config.max_tokens - CLOSING:
            closing = rules.may_end(last, known)
            allowed[closing] = False
            allowed[closing, EOS] = True
        sample_pieces = draw(kept(softmax(np.where(allowed, scores, -np.inf)), config), rng[:, step])
        now = (sample_pieces == EOS) & ~ended
        if now.any():
            truncated |= now & ~rules.may_end(last, known)
            ended |= now
        last = sample_pieces
        known = rules.move(last, known)
        written.append(last)
        tell(step + 1)
        if ended[:pieces].all():
            break
    tokens = np.stack(written, axis=1)[:pieces]
    found = []
    for row, whole in zip(tokens, (ended & ~truncated)[:pieces].tolist(), strict=True):
        length = int(np.argmax(row == EOS)) + 1 if (row == EOS).any() else len(row)
        found.append(Drawn(row[:length], whole and length <= config.max_tokens - CLOSING + 1))
    return found


def predicted(model: Any, last: torch.Tensor, state: Any, guidance: float) -> tuple[torch.Tensor, Any]:
    """Log shares (B, V) of what comes after the last tokens (B,), and the new state.

    With a guidance above 1 they are led away from what the same model writes where nothing is wished for, as many times
    as far as the wish itself leads them (Sanchez et al., Stay on Topic with Classifier-Free Guidance, 2023).
    """
    if guidance == 1:
        logits, state = model.step(last, state)
        return logits.double().log_softmax(-1), state
    logits, state = model.step(torch.cat([last, model.silent[last]]), state)
    told, untold = logits.double().log_softmax(-1).chunk(2)
    return (untold + guidance * (told - untold)).log_softmax(-1), state


def kept(probabilities: NDArray[np.float64], config: Generate) -> NDArray[np.float64]:
    """What may be drawn of shares (B, V), by top_k, then top_p, then min_p."""
    if config.top_k is not None:
        probabilities = top_k_filter(probabilities, config.top_k)
    probabilities = top_p_filter(probabilities, config.top_p)
    return min_p_filter(probabilities, config.min_p) if config.min_p else probabilities


def repeated(scores: NDArray[np.float64], recent: NDArray[np.int64], penalty: float) -> NDArray[np.float64]:
    """Log shares (B, V) of which those of recent tokens (B, N) are multiplied by ``penalty``, so that they are rarer.

    Source: the penalised sampling of Keskar et al., CTRL, 2019.
    """
    there = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(there, recent, True, axis=1)
    return np.where(there, scores * penalty, scores)


def forced_in(
    model: Any, representation: Any, store: Store, config: Generate, count: int, prime: ScoreTick | None = None
) -> NDArray[np.int64] | None:
    """``orders`` of a model that takes wishes; None of another one."""
    takes = hasattr(model, "silent") and isinstance(representation, Attributes)
    return orders(representation, store, config.requested, config.seed, count, prime) if takes else None


def sample(
    model: SequenceModel, representation: Any, store: Store, config: Generate, count: int, show: bool
) -> list[Sampled]:
    """See etude.sampling.drawn."""
    forced = forced_in(model, representation, store, config, count)
    rules = timing(representation, representation.rules(store.parts("train")), config.bars, config.seconds, forced)
    pieces = sample_tokens(model, rules, config, count, show)
    return [Sampled(representation.decode(piece.tokens), piece.whole) for piece in pieces]
