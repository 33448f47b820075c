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

from etude.encoding.grid import HOLD
from etude.encoding.store import Store
from etude.models.deepbach import DeepBach, bounded, framed
from etude.progress import bar
from etude.representations.chorale import BEAT, FERMATA, STEP, Chorale
from etude.sampling.tokens import nucleus
from etude.settings import Generate

HEAT = 1.6  # times generate.temperature at the first sweep; 1 from HEATED of the sweeps on
HEATED = 0.7
FEWEST = 0.1  # of the cells of a voice that a sweep may draw anew; all at the first sweep


@torch.no_grad()
def gibbs(
    model: DeepBach,
    rows: Sequence[NDArray[Any]],
    free: Sequence[int],
    luck: Sequence[np.random.Generator],
    plan: Generate,
    show: bool = False,
) -> list[NDArray[np.int64]]:
    """Draw some voices of pieces, all pieces at once.

    Each sweep goes through the free voices. Of each it draws anew, given everything else, cells of which no two are
    neighbours: at the first sweep about a third of all cells, then fewer and fewer.

    Args:
        model: a trained DeepBach.
        rows: of each piece its frames (frames, voices + 6); what stands in the free voices is overwritten.
        free: numbers of the voices that are drawn; the others stay as they are.
        luck: of each piece where its random numbers come from, so that they do not depend on the other pieces.
        plan: sweeps, temperature, top_p.
        show: with a progress bar.

    Returns:
        the pieces with their voices drawn, in the shape of ``rows``.
    """
    voices = len(model.names)
    device = next(model.parameters()).device
    cells, known, lengths = framed([bounded(torch.from_numpy(row.astype(np.int64)), voices) for row in rows], voices)
    for voice in free:
        counts = model.counts[voice].cpu().numpy()
        known_share = np.cumsum(counts / counts.sum())
        for row, generator in enumerate(luck):
            places = np.searchsorted(known_share, generator.random(len(rows[row])), side="right")
            cells[row, 1 : 1 + len(places), voice] = torch.from_numpy(places) + HOLD
    cells, known, lengths = cells.to(device), known.to(device), lengths.to(device)
    unheard = (model.counts == 0).to(device)
    with bar("generate", plan.sweeps, show) as tell:
        for sweep in range(plan.sweeps):
            done = sweep / max(1, plan.sweeps - 1)
            heat = plan.temperature * (1 + (HEAT - 1) * max(0.0, 1 - done / HEATED))
            for voice in free:
                chance = np.ones((2, *cells.shape[:2]))
                for row, generator in enumerate(luck):
                    chance[:, row, 1 : 1 + len(rows[row])] = generator.random((2, len(rows[row])))
                chosen = _apart(chance[0]) & (chance[0] < 1 - (1 - FEWEST) * done)
                at = torch.from_numpy(chosen).to(device)
                logits = model(cells, known, lengths, voice)[at].masked_fill(unheard[voice], -torch.inf)
                shares = nucleus((logits.double() / heat).softmax(-1).cpu().numpy(), plan.top_p)
                total = np.cumsum(shares, axis=1)
                drawn = (total <= chance[1][chosen][:, None] * total[:, -1:]).sum(axis=1)
                cells[..., voice][at] = torch.from_numpy(drawn).to(device) + HOLD
            tell(sweep + 1)
    found = cells.cpu().numpy()
    return [
        np.concatenate([found[row, 1 : 1 + len(piece)], piece[:, voices:].astype(np.int64)], axis=1)
        for row, piece in enumerate(rows)
    ]


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
    begins = (frames[:, BEAT] == 0) & (frames[:, STEP] == 0)
    begins[:1] = True
    beyond = np.flatnonzero(np.cumsum(begins) > bars)
    if not len(beyond):
        return frames
    held = np.flatnonzero(frames[: beyond[0], FERMATA])
    return frames[: held[-1] + 1] if len(held) else frames[: beyond[0]]


def sample(
    model: DeepBach, representation: Chorale, store: Store, plan: Generate, count: int, show: bool
) -> list[ScoreTick]:
    """See etude.sampling.sample.

    Each piece takes beats, keys and fermatas of a train copy drawn at random, at most plan.bars bars of them.
    """
    voices, copies = len(model.names), len(store.offsets("train")) - 1
    pieces = []
    for begin in range(0, count, plan.batch_size):
        places = range(begin, min(begin + plan.batch_size, count))
        luck = [np.random.default_rng((plan.seed, place)) for place in places]
        rows = []
        for generator in luck:
            frames = cut(store.piece("train", int(generator.integers(copies)))[:, voices:], plan.bars)
            rows.append(np.concatenate([np.full((len(frames), voices), HOLD), frames.astype(np.int64)], axis=1))
        drawn = gibbs(model, rows, range(voices), luck, plan, show)
        pieces += [representation.decode(row) for row in drawn]
    return pieces
