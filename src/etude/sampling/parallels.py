"""Parallel fifths and octaves between voices of tokens: how many a token would make, and a search that mends them.

The search is a greedy one over single cells (iterated conditional modes: Besag, On the statistical analysis of dirty
pictures, 1986), of the cells whose notes make a parallel.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from etude.metrics.voice_leading import SILENCE, parallels, sounding
from etude.representations.base.grid import FIRST, HOLD

TRIED = 6  # most probable tokens of a cell that are looked at
COSTED = 8  # changes at a parallel whose cost is computed: those of which the cell's own logits say the best
ROUNDS = 2  # times that all parallels of a piece are visited

Grid = NDArray[np.integer]  # tokens (frames, voices)


def count_parallels(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """The parallels into each frame but the first, of grids (B, T, voices): (B, T - 1)."""
    pitches = sounding(cells, FIRST)
    return parallels(pitches[:, :-1], pitches[:, 1:])


def count_of_tokens(cells: NDArray[np.int64], chosen: NDArray[np.bool_], voice: int, tokens: int) -> NDArray[np.int64]:
    """The parallel fifths and octaves that each token would make in chosen cells of a voice: (N, V).

    Counted are the step into the cell's frame, and the step into the frame in which its note ends.

    Args:
        cells: (B, T, voices) tokens.
        chosen: (B, T) cells, N of them, none in the first or last frame.
        voice: its number.
        tokens: V, the first of them HOLD.
    """
    pitches = sounding(cells, FIRST)
    row, frame = np.nonzero(chosen)
    ends = np.where(cells[..., voice] != HOLD, np.arange(cells.shape[1]), cells.shape[1] - 1)
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]  # the next frame, itself included, that is no hold
    end = ends[row, frame + 1]
    others = [other for other in range(cells.shape[2]) if other != voice]
    before = pitches[row, frame - 1]  # (N, voices)
    there = np.tile(np.arange(HOLD, HOLD + tokens), (len(row), 1))  # (N, V), what the voice would sound
    there = np.where(there == HOLD, before[:, voice, None], np.where(there < FIRST, SILENCE, there))

    def count(*pitches: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count for a step: pitches of this voice before and after, and of the others before and after."""
        ours, ours_then, theirs, theirs_then = (pitch[..., None] if pitch.ndim == 2 else pitch for pitch in pitches)
        pairs = [np.broadcast_arrays(ours, theirs), np.broadcast_arrays(ours_then, theirs_then)]
        return np.asarray(parallels(*(np.stack(pair, axis=-1) for pair in pairs)).sum(axis=-1))

    def of(pitch: NDArray[np.int64]) -> NDArray[np.int64]:
        return pitch[:, None, others]  # (N, 1, others)

    into = count(before[:, voice, None], there, of(before), of(pitches[row, frame]))
    out = count(there, pitches[row, end, voice][:, None], of(pitches[row, end - 1]), of(pitches[row, end]))
    return np.asarray(into + out)


def mend_parallels(
    grid: Grid,
    scores_of: Callable[[Grid], NDArray[np.float64]],
    costs_of: Callable[[Sequence[Grid]], NDArray[np.float64]],
    price: float,
) -> NDArray[np.int64]:
    """Change single cells of a grid where a parallel goes by it, and the whole becomes cheaper with its price.

    For each voice four cells may change: that at the end of the parallel, its two neighbours, and the start of the note
    before it.

    Args:
        grid: tokens of the voices (frames, voices).
        scores_of: a grid -> the logits of the tokens of each cell (frames, voices, V), the first of them HOLD, -inf
            for those that the cell may not have.
        costs_of: grids of this length -> the cost of each in nats: (grids,).
        price: of a parallel fifth or octave, in nats.

    Returns:
        the grid; parallels stay where no single cell mends them at less than their price.
    """
    made: NDArray[np.int64] = grid.astype(np.int64)
    now = count_parallels(made[None])[0]
    if not now.any():
        return made
    scores = scores_of(made)
    total = float(costs_of([made])[0]) + price * int(now.sum())
    changed = True
    for _ in range(ROUNDS):
        if not changed:
            break
        changed = False
        for frame in 1 + np.flatnonzero(now):
            if not now[frame - 1]:
                continue  # an earlier change mended it
            tries, losses = _changed(made, int(frame), scores)
            left = count_parallels(tries).sum(axis=1)
            order = np.argsort(losses + price * left, kind="stable")
            order = order[left[order] < now.sum()][:COSTED]
            if not len(order):
                continue
            totals = costs_of(list(tries[order])) + price * left[order]
            best = int(totals.argmin())
            if totals[best] < total:
                made, total, changed = tries[order][best], float(totals[best]), True
                now, scores = count_parallels(made[None])[0], scores_of(made)
    return made


def _changed(
    grid: NDArray[np.int64], frame: int, scores: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The grid with one other token each, near the step into a frame (tries, frames, voices), and what each loses."""
    tries, losses = [], []
    for voice in range(grid.shape[1]):
        starts = np.flatnonzero(grid[:frame, voice] != HOLD)
        places = {frame - 1, frame, min(frame + 1, len(grid) - 1), int(starts[-1]) if len(starts) else 0}
        for place in sorted(places):
            order = np.argsort(-scores[place, voice], kind="stable")[:TRIED]
            for token in order[np.isfinite(scores[place, voice, order])] + HOLD:
                if token != grid[place, voice]:
                    tries.append(grid.copy())
                    tries[-1][place, voice] = token
                    now, then = scores[place, voice, [grid[place, voice] - HOLD, token - HOLD]]
                    losses.append(now - then)
    return (np.stack(tries) if tries else np.empty((0, *grid.shape), dtype=np.int64)), np.asarray(losses)
