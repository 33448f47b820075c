"""Pseudo-Gibbs sampling: cells chosen at random are drawn anew given all others, over and over, at a falling heat.

Source: Hadjeres, Pachet, Nielsen: DeepBach, ICML 2017. Many cells at a time, and fewer and fewer, after Huang,
Cooijmans, Roberts, Courville, Eck: Counterpoint by Convolution, ISMIR 2017.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts.token_store import Store
from etude.config.sections import Generate, Harmonize
from etude.core.progress import bar
from etude.metrics.voice_leading import SILENCE, parallels
from etude.models.deepbach import DeepBach, bounded, framed
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.chorale import BEAT, FERMATA, STEP, Chorale
from etude.sampling import Sampled
from etude.sampling.filters import draw, top_p_filter

HEAT = 1.6  # times generate.temperature at the first sweep; 1 from HEATED of the sweeps on
HEATED = 0.7
FEWEST = 0.1  # of the cells of a voice that a sweep may draw anew; all at the first sweep


@torch.no_grad()
def gibbs(
    model: DeepBach,
    rows: Sequence[NDArray[Any]],
    free: Sequence[int],
    rng: Sequence[np.random.Generator],
    config: Generate | Harmonize,
    show: bool = False,
    allowed: NDArray[np.bool_] | None = None,
    cost: float = 0.0,
    what: str = "generate",
) -> list[NDArray[np.int64]]:
    """Draw some voices of pieces, all pieces at once.

    Each sweep goes through the free voices. Of each it draws anew, given everything else, cells of which no two are
    neighbours: at the first sweep about a third of all cells, then fewer and fewer. With ``cost`` a token's share is
    exp(-cost) times as high for each parallel fifth or octave that it makes.

    Args:
        model: a trained DeepBach.
        rows: of each piece its frames (frames, voices + 6); what stands in the free voices is overwritten.
        free: numbers of the voices that are drawn; the others stay as they are.
        rng: of each piece where its random numbers come from, so that they do not depend on the other pieces.
        config: sweeps, temperature, top_p.
        show: with a progress bar.
        allowed: tokens that the cells of all pieces may have (frames, voices, V), at least one each; None: those that
            their voice has in train.
        cost: of a parallel fifth or octave, in nats.
        what: the progress bar's name.

    Returns:
        the pieces with their voices drawn, in the shape of ``rows``.
    """
    voices = len(model.names)
    temperature = config.temperature_of() if isinstance(config, Generate) else config.temperature
    device = next(model.parameters()).device
    cells, known, lengths = framed([bounded(torch.from_numpy(row.astype(np.int64)), voices) for row in rows], voices)
    counts = model.counts.cpu().numpy()
    for voice in free:
        for row, generator in enumerate(rng):
            frames = len(rows[row])
            probabilities = (
                np.tile(counts[voice], (frames, 1))
                if allowed is None
                else allowed[:, voice, HOLD:] * (counts[voice] + 1e-9)
            )
            total = np.cumsum(probabilities, axis=1)
            places = (total <= generator.random(frames)[:, None] * total[:, -1:]).sum(axis=1)
            cells[row, 1 : 1 + frames, voice] = torch.from_numpy(places) + HOLD
    cells, known, lengths = cells.to(device), known.to(device), lengths.to(device)
    barred = torch.from_numpy(counts == 0)[:, None].expand(-1, cells.shape[1], -1).clone()  # (voices, T, V)
    if allowed is not None:
        barred[:, 1 : 1 + len(allowed)] = torch.from_numpy(~allowed[..., HOLD:].transpose(1, 0, 2))
    barred = barred.to(device)
    with bar(what, config.sweeps, show) as tell:
        for sweep in range(config.sweeps):
            done = sweep / max(1, config.sweeps - 1)
            temperature_of = temperature * (1 + (HEAT - 1) * max(0.0, 1 - done / HEATED))
            for voice in free:
                chance = np.ones((2, *cells.shape[:2]))
                for row, generator in enumerate(rng):
                    chance[:, row, 1 : 1 + len(rows[row])] = generator.random((2, len(rows[row])))
                chosen = _apart(chance[0]) & (chance[0] < 1 - (1 - FEWEST) * done)
                at = torch.from_numpy(chosen).to(device)
                logits = model(cells, known, lengths, voice)[at]
                scores = (
                    logits.masked_fill(barred[voice].expand(len(cells), -1, -1)[at], -torch.inf).double()
                    / temperature_of
                )
                if cost:
                    wrong = _parallels(cells.cpu().numpy(), chosen, voice, scores.shape[1])
                    scores = scores - cost * torch.from_numpy(wrong).to(device)
                sample_pieces = draw(top_p_filter(scores.softmax(-1).cpu().numpy(), config.top_p), chance[1][chosen])
                cells[..., voice][at] = torch.from_numpy(sample_pieces).to(device) + HOLD
            tell(sweep + 1)
    found = cells.cpu().numpy()
    return [
        np.concatenate([found[row, 1 : 1 + len(piece)], piece[:, voices:].astype(np.int64)], axis=1)
        for row, piece in enumerate(rows)
    ]


def harmonies(
    model: DeepBach,
    representation: Chorale,
    piece: ScoreTick,
    allowed: NDArray[np.bool_],
    config: Harmonize,
    rng: Sequence[np.random.Generator],
    show: bool = False,
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Draw voices on a grid in which cells may have some tokens alone.

    Args:
        model: a trained DeepBach.
        representation: the one that it reads.
        piece: with the meter, the key and the fermatas.
        allowed: tokens that each cell may have (frames, voices, V), at least one each.
        config: sweeps, temperature, top_p, parallel_cost.
        rng: of each harmony where its random numbers come from.
        show: with a progress bar.

    Returns:
        Of each harmony its tokens (frames, voices), and what the cells of all voices but those given as a whole cost,
        each given all other cells, in nats.
    """
    row, free, before = _posed(model, representation, piece, allowed)
    sample_pieces = gibbs(
        model, [row] * len(rng), free, rng, config, show, allowed[len(before) :], config.parallel_cost, "harmonize"
    )
    grids = [np.concatenate([before, made[:, : len(model.names)]]) for made in sample_pieces]
    return grids, surprise(model, sample_pieces, free)


def cost(
    model: DeepBach,
    representation: Chorale,
    piece: ScoreTick,
    allowed: NDArray[np.bool_],
    grid: NDArray[np.int64],
) -> float:
    """What a grid (frames, voices) costs, in nats, as ``harmonies`` counts; it takes the same."""
    row, free, before = _posed(model, representation, piece, allowed)
    row = np.concatenate([grid[len(before) :], row[:, len(model.names) :]], axis=1)
    return float(surprise(model, [row], free)[0])


def _posed(
    model: DeepBach, representation: Chorale, piece: ScoreTick, allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], list[int], NDArray[np.int64]]:
    """The frames (frames, voices + 6), the voices that are not given as a whole, and the rests before a pickup."""
    voices = len(model.names)
    known = representation.encode(piece)[:, voices:].astype(np.int64)
    start = len(allowed) - len(known)
    row = np.concatenate([allowed[start:].argmax(axis=-1), known], axis=1)
    free = [voice for voice in range(voices) if (allowed[start:, voice].sum(axis=-1) > 1).any()]
    return row, free, np.full((start, voices), REST)


@torch.no_grad()
def surprise(model: DeepBach, rows: Sequence[NDArray[Any]], free: Sequence[int]) -> NDArray[np.float64]:
    """Cost of the cells of some voices, each given all others, of each of some pieces, in nats: (pieces,)."""
    voices = len(model.names)
    batch = framed([bounded(torch.from_numpy(row.astype(np.int64)), voices) for row in rows], voices)
    costs, _ = model.nats(*batch)
    return np.asarray(costs[..., list(free)].double().sum(dim=(1, 2)).numpy())


def _parallels(cells: NDArray[np.int64], chosen: NDArray[np.bool_], voice: int, tokens: int) -> NDArray[np.int64]:
    """The parallel fifths and octaves that each token would make in chosen cells of a voice: (N, V).

    They are those of the step into the cell's frame, and of the step into the frame in which its note ends.

    Args:
        cells: (B, T, voices) tokens.
        chosen: (B, T) cells, N of them, of which none is in the first or last frame.
        voice: its number.
        tokens: V, counted from HOLD on.
    """
    observed = _pitch(cells)
    row, frame = np.nonzero(chosen)
    ends = np.where(cells[..., voice] != HOLD, np.arange(cells.shape[1]), cells.shape[1] - 1)
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]  # the first frame from each on that is no hold
    end = ends[row, frame + 1]
    others = [other for other in range(cells.shape[2]) if other != voice]
    before = observed[row, frame - 1]  # (N, voices)
    there = np.tile(np.arange(HOLD, HOLD + tokens), (len(row), 1))  # (N, V), what the voice would sound
    there = np.where(there == HOLD, before[:, voice, None], np.where(there < FIRST, SILENCE, there))

    def counted(*pitches: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of a step: pitches of this voice before and after, and of the others before and after."""
        ours, ours_then, theirs, theirs_then = (pitch[..., None] if pitch.ndim == 2 else pitch for pitch in pitches)
        pairs = [np.broadcast_arrays(ours, theirs), np.broadcast_arrays(ours_then, theirs_then)]
        return np.asarray(parallels(*(np.stack(pair, axis=-1) for pair in pairs)).sum(axis=-1))

    def of(pitch: NDArray[np.int64]) -> NDArray[np.int64]:
        return pitch[:, None, others]  # (N, 1, others)

    into = counted(before[:, voice, None], there, of(before), of(observed[row, frame]))
    out = counted(there, observed[row, end, voice][:, None], of(observed[row, end - 1]), of(observed[row, end]))
    return np.asarray(into + out)


def _pitch(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """What sounds in tokens (B, T, voices), as their pitch tokens or SILENCE."""
    place = np.arange(cells.shape[1])[None, :, None]
    began = np.maximum.accumulate(np.where(cells != HOLD, place, 0), axis=1)
    tokens = np.take_along_axis(cells, began, axis=1)
    return np.where(tokens >= FIRST, tokens, SILENCE)


def _apart(chance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each number is below both of its neighbours, so that no two such are neighbours: (B, T) -> (B, T)."""
    padded = np.pad(chance, ((0, 0), (1, 1)), constant_values=1.0)
    return (chance < padded[:, :-2]) & (chance < padded[:, 2:])


def cut(frames: NDArray[Any], bars: int) -> NDArray[Any]:
    """The first bars of a piece, at most ``bars`` (a pickup counts as one): up to the end of the last fermata in them.

    Args:
        frames: columns of a chorale after its voices (frames, 6).
        bars: at least 1.
    """
    starts = (frames[:, BEAT] == 0) & (frames[:, STEP] == 0)
    starts[:1] = True
    beyond = np.flatnonzero(np.cumsum(starts) > bars)
    if not len(beyond):
        return frames
    held = np.flatnonzero(frames[: beyond[0], FERMATA])
    return frames[: held[-1] + 1] if len(held) else frames[: beyond[0]]


def sample(
    model: DeepBach, representation: Chorale, store: Store, config: Generate, count: int, show: bool
) -> list[Sampled]:
    """See etude.sampling.drawn.

    Each piece takes beats, keys and fermatas of a train copy drawn at random, at most the wanted bars of them.
    """
    voices, copies = len(model.names), len(store.offsets("train")) - 1
    bars = config.length(representation.tempo)
    pieces = []
    for start in range(0, count, config.batch_size):
        places = range(start, min(start + config.batch_size, count))
        rng = [np.random.default_rng((config.seed, place)) for place in places]
        rows = []
        for generator in rng:
            frames = cut(store.piece("train", int(generator.integers(copies)))[:, voices:], bars)
            rows.append(np.concatenate([np.full((len(frames), voices), HOLD), frames.astype(np.int64)], axis=1))
        sample_pieces = gibbs(model, rows, range(voices), rng, config, show)
        pieces += [Sampled(representation.decode(row)) for row in sample_pieces]
    return pieces
