"""Pseudo-Gibbs sampling: random cells are drawn again given all others, over and over, at a falling temperature.

Source: Hadjeres, Pachet, Nielsen: DeepBach, ICML 2017. Many cells at a time, and fewer with each sweep, after Huang,
Cooijmans, Roberts, Courville, Eck: Counterpoint by Convolution, ISMIR 2017.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from etude.config.sections import Generate, Harmonize
from etude.core.progress import bar
from etude.models.deepbach import DeepBach, add_bounds, count_parallels, pad_pieces
from etude.representations.base.grid import HOLD, REST
from etude.representations.base.representation import Observed
from etude.representations.chorale import BEAT, FERMATA, STEP, Chorale
from etude.sampling import Sampled
from etude.sampling.filters import draw, top_p_filter
from etude.sampling.harmonies import HarmonyTask, SampledHarmonies

ANNEALING = 1.6  # factor of the temperature at the first sweep; it falls to 1 over the share ANNEALED of the sweeps
ANNEALED = 0.7
FEWEST = 0.1  # share of the candidate cells that the last sweep draws; the first draws all


@torch.no_grad()
def gibbs(
    model: DeepBach,
    rows: Sequence[NDArray[np.integer]],
    free: Sequence[Sequence[int]],
    rngs: Sequence[np.random.Generator],
    config: Generate | Harmonize,
    show: bool = False,
    allowed: Sequence[NDArray[np.bool_]] | None = None,
    costs: Sequence[float] | None = None,
    what: str = "generate",
) -> list[NDArray[np.int64]]:
    """Draw some voices of pieces, all pieces at once.

    Each sweep visits the free voices in turn, and draws cells again given everything else. No two of these cells are
    neighbours: at the first sweep they are about a third of all cells, later fewer. With ``costs`` the probability of
    a token is multiplied by exp(-cost) for each parallel fifth or octave that it makes.

    Args:
        model: a trained DeepBach.
        rows: the frames of each piece (frames, voices + 6); the free voices are overwritten.
        free: numbers of the voices that are drawn in each piece; the others stay as they are.
        rngs: a random number generator for each piece, so that no piece depends on the others.
        config: sweeps, temperature, top_p.
        show: with a progress bar.
        allowed: tokens that the cells of each piece may have (frames, voices, V), at least one each; None: those that
            their voice has in train.
        costs: of a parallel fifth or octave in each piece, in nats; None: it costs nothing.
        what: the progress bar's name.

    Returns:
        the pieces with all voices, in the shape of ``rows``.
    """
    voices = len(model.names)
    temperature = 1.0 if config.temperature is None else config.temperature
    device = next(model.parameters()).device
    pieces = [add_bounds(torch.from_numpy(row.astype(np.int64)), voices) for row in rows]
    cells, known, lengths = pad_pieces(pieces, voices)
    counts = model.counts.cpu().numpy()
    barred = torch.from_numpy(counts == 0)[:, None, None].repeat(1, len(rows), cells.shape[1], 1)  # (voices, B, T, V)
    for row, rng in enumerate(rngs):
        frames = len(rows[row])
        if allowed is not None:
            barred[:, row, 1 : 1 + frames] = torch.from_numpy(~allowed[row][..., HOLD:].transpose(1, 0, 2))
        for voice in free[row]:
            if allowed is None:
                probabilities = np.tile(counts[voice], (frames, 1))
            else:
                probabilities = allowed[row][:, voice, HOLD:] * (counts[voice] + 1e-9)
            total = np.cumsum(probabilities, axis=1)
            places = (total <= rng.random(frames)[:, None] * total[:, -1:]).sum(axis=1)
            cells[row, 1 : 1 + frames, voice] = torch.from_numpy(places) + HOLD
    cells, known, lengths = cells.to(device), known.to(device), lengths.to(device)
    barred = barred.to(device)
    price = None if costs is None else torch.tensor(costs, device=device)[:, None, None]
    with bar(what, config.sweeps, show) as advance:
        for sweep in range(config.sweeps):
            done = sweep / max(1, config.sweeps - 1)
            annealed = temperature * (1 + (ANNEALING - 1) * max(0.0, 1 - done / ANNEALED))
            for voice in range(voices):
                uniforms = np.ones((2, *cells.shape[:2]))
                for row, rng in enumerate(rngs):
                    if voice in free[row]:
                        uniforms[:, row, 1 : 1 + len(rows[row])] = rng.random((2, len(rows[row])))
                chosen = _local_minima(uniforms[0]) & (uniforms[0] < 1 - (1 - FEWEST) * done)
                at = torch.from_numpy(chosen).to(device)
                if not chosen.any():
                    continue
                logits = model(cells, known, lengths, voice)[at].double()
                scores = logits.masked_fill(barred[voice][at], -torch.inf) / annealed
                if price is not None:
                    made = count_parallels(cells, voice, scores.shape[1]).sum(-1)
                    scores = scores - (price * made)[at]
                tokens = draw(top_p_filter(scores.softmax(-1).cpu().numpy(), config.top_p), uniforms[1][chosen])
                cells[..., voice][at] = torch.from_numpy(tokens).to(device) + HOLD
            advance(sweep + 1)
    found = cells.cpu().numpy()
    return [
        np.concatenate([found[row, 1 : 1 + len(piece)], piece[:, voices:].astype(np.int64)], axis=1)
        for row, piece in enumerate(rows)
    ]


def sample_harmonies(model: DeepBach, representation: Chorale, tasks: Sequence[HarmonyTask]) -> list[SampledHarmonies]:
    """See HarmonySampler.

    A harmony costs the sum over the cells of all voices but those given completely, each cell given all other cells.
    The harmonies of all tasks are drawn together.
    """
    rows, free, allowed, costs, rngs, before = [], [], [], [], [], []
    for task in tasks:
        row, drawn_voices, rests = _frames_of(model, representation, task)
        for rng in task.rngs:
            rows.append(row)
            free.append(drawn_voices)
            allowed.append(task.allowed[len(rests) :])
            costs.append(task.config.parallel_cost)
            rngs.append(rng)
            before.append(rests)
    config, show = tasks[0].config, tasks[0].show
    drawn = gibbs(model, rows, free, rngs, config, show, allowed, costs, "harmonize")
    grids = [np.concatenate([rests, made[:, : len(model.names)]]) for rests, made in zip(before, drawn, strict=True)]
    nats = iter(voice_costs(model, drawn, free))
    made = iter(grids)
    return [([next(made) for _ in task.rngs], np.array([next(nats) for _ in task.rngs])) for task in tasks]


def cost(model: DeepBach, representation: Chorale, task: HarmonyTask, grid: NDArray[np.int64]) -> float:
    """See HarmonySampler."""
    row, free, before = _frames_of(model, representation, task)
    row = np.concatenate([grid[len(before) :], row[:, len(model.names) :]], axis=1)
    return float(voice_costs(model, [row], [free])[0])


def _frames_of(
    model: DeepBach, representation: Chorale, task: HarmonyTask
) -> tuple[NDArray[np.int64], list[int], NDArray[np.int64]]:
    """The frames (frames, voices + 6), the voices that are not given completely, and the rests before a pickup."""
    voices, allowed = len(model.names), task.allowed
    known = representation.encode(task.piece)[:, voices:].astype(np.int64)
    start = len(allowed) - len(known)
    row = np.concatenate([allowed[start:].argmax(axis=-1), known], axis=1)
    free = [voice for voice in range(voices) if (allowed[start:, voice].sum(axis=-1) > 1).any()]
    return row, free, np.full((start, voices), REST)


@torch.no_grad()
def voice_costs(
    model: DeepBach, rows: Sequence[NDArray[np.integer]], free: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """The cost of the cells of some voices, each cell given all others, in nats for each piece: (pieces,)."""
    voices = len(model.names)
    batch = pad_pieces([add_bounds(torch.from_numpy(row.astype(np.int64)), voices) for row in rows], voices)
    costs, _ = model.nats(*batch)
    by_voice = costs.double().sum(dim=1).cpu().numpy()  # (pieces, voices)
    return np.array([each[list(drawn)].sum() for each, drawn in zip(by_voice, free, strict=True)])


def _local_minima(uniforms: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each number is below both neighbours, so that no two such are neighbours: (B, T) -> (B, T)."""
    padded = np.pad(uniforms, ((0, 0), (1, 1)), constant_values=1.0)
    return (uniforms < padded[:, :-2]) & (uniforms < padded[:, 2:])


def cut_at_fermata(frames: NDArray[np.integer], bars: int) -> NDArray[np.integer]:
    """The first ``bars`` of a piece (a pickup counts as one), up to the end of the last fermata in them.

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
    model: DeepBach, representation: Chorale, observed: Observed, config: Generate, count: int, show: bool
) -> list[Sampled]:
    """See Sampler. Each piece takes beats, keys and fermatas from the first bars of a random train copy."""
    voices, known = len(model.names), np.split(observed["known"], observed["ends"][:-1])
    bars = config.length(representation.tempo)
    pieces = []
    for start in range(0, count, config.batch_size):
        places = range(start, min(start + config.batch_size, count))
        rngs = [np.random.default_rng((config.seed, place)) for place in places]
        rows = []
        for rng in rngs:
            frames = cut_at_fermata(known[int(rng.integers(len(known)))], bars)
            rows.append(np.concatenate([np.full((len(frames), voices), HOLD), frames.astype(np.int64)], axis=1))
        drawn = gibbs(model, rows, [range(voices)] * len(rows), rngs, config, show)
        pieces += [Sampled(representation.decode(row)) for row in drawn]
    return pieces
