"""Sampling from models of token sequences: batched, with the state kept, under the rules of the tokens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.config.sections import Generate
from etude.core.progress import Bar, bar
from etude.core.seeds import seed_of
from etude.models.sequence import SequenceModel
from etude.representations.attributes import Attributes
from etude.representations.base.grammar import BOS, EOS
from etude.representations.base.representation import Observed, TokenRepresentation
from etude.sampling import Sampled
from etude.sampling.control_tokens import forced_controls, meets
from etude.sampling.filters import draw, min_p_filter, softmax, top_k_filter, top_p_filter
from etude.sampling.tempering import Tempering
from etude.sampling.timing import Timing, timing_rules

MOST_TOGETHER = 16  # tries of a piece that are sampled at a time
CLOSING = 16  # in the last tokens before the limit a piece ends as soon as it can be decoded


@dataclass(frozen=True)
class SampledTokens:
    """A piece in tokens, start and end included."""

    tokens: NDArray[np.int64]
    complete: bool  # ended where it could end, and was not truncated at the limit


def sample_tokens(
    model: SequenceModel,
    rules: Timing,
    config: Generate,
    places: Sequence[int],
    show: bool = False,
    prime: NDArray[np.int64] | None = None,
    tempering: Tempering | None = None,
    guidance: float = 1.0,
    keys: NDArray[np.int64] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[SampledTokens]:
    """Draw sequences, each with its own random numbers, the prime included.

    They are ``config.most_tokens`` + 1 long at most. A piece is the same in every batch, and alone.

    Args:
        model: of tokens.
        rules: what may follow what, and where a piece ends.
        config: temperature, top_k, top_p, min_p, repetition, most_tokens, batch_size, seed.
        places: the number of each piece, which with the seed decides its random numbers.
        show: with a progress bar.
        prime: tokens that each piece starts with, without BOS and EOS: (pieces, T), or (1, T) for all pieces.
        tempering: of the tokens; None: all have one temperature.
        guidance: by control tokens, above 1 for a model that can be conditioned on them.
        keys: of the pieces (pieces,), as ``grid.find_keys`` numbers them; None: unknown.
        seeds: of the pieces; None: all have ``config.seed``.
    """
    seeds = [config.seed] * len(places) if seeds is None else seeds
    pieces: list[SampledTokens] = []
    with bar("generate", -(-len(places) // config.batch_size) * config.most_tokens, show) as advance:
        for start in range(0, len(places), config.batch_size):
            together = places[start : start + config.batch_size]
            done = start // config.batch_size * config.most_tokens
            drawn = zip(seeds[start : start + len(together)], together, strict=True)
            rngs = (np.random.default_rng((seed, place)) for seed, place in drawn)
            uniforms = np.stack([rng.random(config.most_tokens) for rng in rngs])
            filling = np.full((max(0, model.min_batch - len(uniforms)), config.most_tokens), 0.5)
            uniforms = np.concatenate([uniforms, filling])
            given = np.zeros((1, 0), dtype=np.int64) if prime is None else prime
            given = given[(start + np.arange(len(uniforms))) % len(given)]
            known = rules.start(len(uniforms), start)
            of_rows = np.zeros(len(uniforms), dtype=np.int64)
            if keys is not None:
                of_rows[: len(together)] = keys[start : start + len(together)]
            advance_from = partial(_advance, advance, done)
            pieces += _sample_batch(
                model, rules, config, uniforms, known, given, of_rows, tempering, guidance, len(together), advance_from
            )
    return pieces


def _advance(advance: Bar, done: int, step: int) -> None:
    advance(done + step)


@torch.no_grad()
def _sample_batch(
    model: SequenceModel,
    rules: Timing,
    config: Generate,
    uniforms: NDArray[np.float64],
    known: NDArray[np.int64],
    prime: NDArray[np.int64],
    keys: NDArray[np.int64],
    tempering: Tempering | None,
    guidance: float,
    pieces: int,
    advance: Callable[[int], None],
) -> list[SampledTokens]:
    """The first ``pieces`` of the rows; the others fill the batch up, and nothing waits for their end."""
    rows, temperature = len(uniforms), 1.0 if config.temperature is None else config.temperature
    tempering = tempering or Tempering(None, None)
    device = next(model.parameters(), torch.empty(0)).device
    last = np.full(rows, BOS, dtype=np.int64)
    no_melody = torch.zeros((rows, 0), dtype=torch.long, device=device)
    written, state = [last], model.start(torch.from_numpy(keys).to(device), no_melody)
    for given in prime.T:
        _, state = predict(model, torch.from_numpy(last).to(device), state, guidance)
        last = given
        known = rules.move(last, known)
        written.append(last)
    ended, truncated = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
    close = config.most_tokens * 3 // 4
    for step in range(prime.shape[1], config.most_tokens):
        if step == close:  # early enough that the bar can be written to its end
            rules.close(known)
        log_probabilities, state = predict(model, torch.from_numpy(last).to(device), state, guidance)
        scores = log_probabilities.cpu().numpy()
        if config.repetition != 1:
            recent = np.stack(written[-config.repetition_span :], axis=1)
            scores = penalise_repetition(scores, recent, config.repetition)
        scores = tempering.temper(scores, temperature)
        allowed = rules.allowed(last, known)
        passed = rules.beyond(known)
        if passed.any():  # what would continue after the end means the end
            ends = allowed[:, EOS]
            beyond = np.where(passed, scores, -np.inf)
            beyond[:, EOS] = scores[:, EOS]
            most = beyond.max(axis=1)
            scores[ends, EOS] = (most + np.log(np.exp(beyond - most[:, None]).sum(axis=1)))[ends]
        if step >= config.most_tokens - CLOSING:
            closing = rules.may_end(last, known)
            allowed[closing] = False
            allowed[closing, EOS] = True
        probabilities = apply_filters(softmax(np.where(allowed, scores, -np.inf)), config)
        tokens = draw(probabilities, uniforms[:, step])
        now = (tokens == EOS) & ~ended
        if now.any():
            truncated |= now & ~rules.may_end(last, known)
            ended |= now
        last = tokens
        known = rules.move(last, known)
        written.append(last)
        advance(step + 1)
        if ended[:pieces].all():
            break
    found = []
    complete = (ended & ~truncated)[:pieces].tolist()
    for row, whole in zip(np.stack(written, axis=1)[:pieces], complete, strict=True):
        length = int(np.argmax(row == EOS)) + 1 if (row == EOS).any() else len(row)
        found.append(SampledTokens(row[:length], whole and length <= config.most_tokens - CLOSING + 1))
    return found


def predict(model: SequenceModel, last: torch.Tensor, state: Any, guidance: float) -> tuple[torch.Tensor, Any]:
    """Log-probabilities (B, V) of what comes after the last tokens (B,), and the new state.

    A guidance above 1 takes a conditional model's prediction, and moves it so many times as far from the prediction
    without control attributes (Sanchez et al., Stay on Topic with Classifier-Free Guidance, 2023).
    """
    if guidance == 1:
        logits, state = model.step(last, state)
        return logits.double().log_softmax(-1), state
    logits, state = model.step(torch.cat([last, model.get_buffer("neutral")[last]]), state)
    conditional, neutral = logits.double().log_softmax(-1).chunk(2)
    return (neutral + guidance * (conditional - neutral)).log_softmax(-1), state


def apply_filters(probabilities: NDArray[np.float64], config: Generate) -> NDArray[np.float64]:
    """Filter probabilities (B, V) by top_k, then top_p, then min_p."""
    if config.top_k is not None:
        probabilities = top_k_filter(probabilities, config.top_k)
    probabilities = top_p_filter(probabilities, config.top_p)
    return min_p_filter(probabilities, config.min_p) if config.min_p else probabilities


def penalise_repetition(scores: NDArray[np.float64], recent: NDArray[np.int64], penalty: float) -> NDArray[np.float64]:
    """Log-probabilities (B, V), those of recent tokens (B, N) multiplied by ``penalty``, so that they are rarer.

    Source: the penalised sampling of Keskar et al., CTRL, 2019.
    """
    there = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(there, recent, True, axis=1)
    return np.where(there, scores * penalty, scores)


def forced_tokens(
    model: SequenceModel,
    representation: TokenRepresentation,
    observed: Observed,
    config: Generate,
    count: int,
    prime: ScoreTick | None = None,
) -> NDArray[np.int64] | None:
    """``forced_controls`` for a model that can be conditioned on control tokens; None for another one."""
    if not (getattr(model, "can_condition", False) and isinstance(representation, Attributes)):
        return None
    return forced_controls(representation, observed, config.requested, config.seed, range(count), prime)


@dataclass(frozen=True)
class Wanted:
    """A piece: the control attributes that are requested of it, and its number, by which it is drawn."""

    control: Mapping[str, Any]
    place: int


def sample(
    model: SequenceModel,
    representation: TokenRepresentation,
    observed: Observed,
    config: Generate,
    count: int,
    show: bool,
) -> list[Sampled]:
    """See Sampler."""
    wanted = [Wanted(config.requested, place) for place in range(count)]
    return sample_wanted(model, representation, observed, config, wanted, show)


def sample_wanted(
    model: SequenceModel,
    representation: TokenRepresentation,
    observed: Observed,
    config: Generate,
    wanted: Sequence[Wanted],
    show: bool = False,
) -> list[Sampled]:
    """Sample pieces, of each of which something may be requested, all of them or none.

    A piece that has not what is requested is sampled again, up to ``config.tries`` times in all, and the first that has
    it is taken: one more try at first, then twice as many together each time, as many pieces take little longer than
    one. One that never has it stays as it was sampled first. A piece is the same whatever else is sampled with it.
    """
    found = _sample(model, representation, observed, config, wanted, [0] * len(wanted), show)
    if not isinstance(representation, Attributes):  # of which nothing can be requested
        return found
    attempt = 1
    missed = [
        place
        for place, (one, piece) in enumerate(zip(wanted, found, strict=True))
        if one.control and not meets(representation, piece.score, one.control)
    ]
    while missed and attempt < config.tries:
        tries = range(attempt, min(2 * attempt, attempt + MOST_TOGETHER, config.tries))
        asked = [(place, number) for place in missed for number in tries]
        again = [wanted[place] for place, _ in asked]
        pieces = _sample(model, representation, observed, config, again, [number for _, number in asked], show)
        met: dict[int, Sampled] = {}
        for (place, _), piece in zip(asked, pieces, strict=True):
            if place not in met and meets(representation, piece.score, wanted[place].control):
                found[place] = met[place] = piece
        missed = [place for place in missed if place not in met]
        attempt = tries.stop
    return found


def _sample(
    model: SequenceModel,
    representation: TokenRepresentation,
    observed: Observed,
    config: Generate,
    wanted: Sequence[Wanted],
    attempts: Sequence[int],
    show: bool,
) -> list[Sampled]:
    """Sample each piece once; each attempt has its own random numbers."""
    seeds = [seed_of("attempt", config.seed, attempt) if attempt else config.seed for attempt in attempts]
    places = [one.place for one in wanted]
    drawn = list(zip(seeds, places, strict=True))
    forced = lengths = None
    if getattr(model, "can_condition", False) and isinstance(representation, Attributes):
        tables = [
            forced_controls(representation, observed, one.control, seed, [one.place])
            for one, seed in zip(wanted, seeds, strict=True)
        ]
        forced = np.concatenate(tables)
        if (forced == forced[:1]).all():
            forced = forced[:1]
    keys = None
    if len(known := observed.get("lengths", np.zeros(0))):  # each piece has the length and key of a random one of train
        draws = [np.random.default_rng((seed, place, 3)).integers(len(known)) for seed, place in drawn]
        lengths = known[draws].astype(np.int64)
        keys = observed["keys"][draws].astype(np.int64) if "keys" in observed else None
    grammar = representation.rules(observed)
    rules = timing_rules(representation, grammar, config.bars, config.seconds, forced, lengths)
    tempering = Tempering(representation, config.rhythm)
    guidance = config.guidance if any(one.control for one in wanted) else 1.0
    pieces = sample_tokens(
        model, rules, config, places, show, tempering=tempering, guidance=guidance, keys=keys, seeds=seeds
    )
    return [Sampled(representation.decode(piece.tokens), piece.complete) for piece in pieces]
