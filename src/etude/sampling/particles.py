"""Voices for a melody from a model that writes forwards: many hands write at once, and the melody judges them.

A model of the voice grid knows the past alone, so that what it writes below one note may not fit the next. Therefore
several hands (particles) write on side by side, each is weighed by how likely it made the melody's next note, and now
and then the light ones give way to copies of the heavy ones: what comes out is drawn from the model given the whole
melody, in the limit of many hands. What is forbidden by a rule costs weight too.

Source: Gordon, Salmond and Smith, Novel approach to nonlinear/non-Gaussian Bayesian state estimation, 1993 (the
bootstrap filter); Lew et al., Sequential Monte Carlo Steering of Large Language Models using Probabilistic Programs,
2023 (constraints as weights).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import ScoreTick
from torch import Tensor

from etude.config.sections import Harmonize
from etude.core.progress import bar
from etude.metrics.voice_leading import SILENCE, parallels
from etude.models.sequence import SequenceModel
from etude.representations.base.grammar import BOS
from etude.representations.base.grid import FIRST, HOLD, REST, VoicesOnGrid
from etude.sampling.filters import draw, softmax, top_p_filter

FEW = 0.5  # share of hands that count, below which the light ones give way
BEATS = 192  # of the past that is kept at most: what is written of long melodies would else grow dear


@torch.no_grad()
def harmonies(
    model: SequenceModel,
    representation: VoicesOnGrid,
    piece: ScoreTick,
    allowed: NDArray[np.bool_],
    config: Harmonize,
    rng: Sequence[np.random.Generator],
    show: bool = False,
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Draw voices on a grid in which cells may have some tokens alone.

    Args:
        model: of tokens of the voice grid, whose state has a row a piece.
        representation: the voice grid.
        piece: not looked at: the model knows the cells alone.
        allowed: tokens that each cell may have (frames, voices, V), at least one each.
        config: particles, temperature, top_p, parallel_cost.
        rng: of each harmony where its random numbers come from.
        show: with a progress bar.

    Returns:
        Of each harmony its tokens (frames, voices), and the cost of all its cells, those given included, in nats.
    """
    frames, voices = allowed.shape[:2]
    hands = Hands(model, len(rng), config.particles, voices, representation.low)
    chance = [generator.random((frames, config.particles, voices)) for generator in rng]
    turn = [generator.random(frames + 1) for generator in rng]
    longest = BEATS * representation.steps * voices
    with bar("harmonize", frames, show) as tell:
        for frame in range(frames):
            hands.write(allowed[frame], np.concatenate([rows[frame] for rows in chance]), config)
            hands.judge(config.parallel_cost)
            hands.give_way([numbers[frame] for numbers in turn])
            if hands.length > longest:
                hands.forget(longest // 2)
            tell(frame + 1)
    return hands.chosen([numbers[frames] for numbers in turn])


class Hands:
    """Particles of several pieces, all of one length: what each has written, its weight, and what the model keeps."""

    def __init__(self, model: SequenceModel, pieces: int, each: int, voices: int, low: int) -> None:
        """Args: the model, pieces, hands for each piece, voices, pitch of the token FIRST."""
        self.model, self.pieces, self.each, self.low = model, pieces, each, low
        self.device = next(model.parameters()).device
        rows = pieces * each
        first = torch.full((rows, 1), BOS, device=self.device)
        logits, self.state = model(first)
        self.dims = row_dims(model)
        self.ahead = _log_shares(logits)[:, 0]  # (rows, V), of the first cell of the next frame
        self.length = 1  # tokens that the state has read
        self.written = np.zeros((rows, 0, voices), dtype=np.int64)
        self.before = self.observed = np.full((rows, voices), SILENCE)  # pitches of the last two frames
        self.weight, self.nats = np.zeros(rows), np.zeros(rows)

    def write(self, allowed: NDArray[np.bool_], rng: NDArray[np.float64], config: Harmonize) -> None:
        """Write a frame: each cell is drawn of what it may have, and what the model gives to all of that is its weight.

        A frame is read at once, with holds where nothing is drawn yet, and again by the hands that drew something else.
        So a frame in which little happens costs one reading.

        Args:
            allowed: (voices, V).
            rng: random numbers (rows, voices).
            config: temperature, top_p.
        """
        rows, voices = rng.shape
        may = np.tile(allowed, (rows, 1, 1))
        may[..., HOLD] &= self.observed != SILENCE  # nothing is held that does not sound
        cells = may.argmax(axis=-1)  # the hold, where there may be one, or the only token
        told = np.empty((rows, voices, self.ahead.shape[1]))
        done = np.zeros(rows, dtype=np.int64)  # cells that are drawn

        def draw_cells(voice: int, at: NDArray[np.int64], said: NDArray[np.float64]) -> NDArray[np.bool_]:
            """Whether the token drawn is another than the one that stood there."""
            told[at, voice] = said
            scores = np.where(may[at, voice], said, -np.inf)
            sample_pieces = draw(top_p_filter(softmax(scores / config.temperature), config.top_p), rng[at, voice])
            other: NDArray[np.bool_] = sample_pieces != cells[at, voice]
            cells[at, voice] = sample_pieces
            done[at] = voice + 1
            return other

        pending = np.arange(rows)
        draw_cells(0, pending, self.ahead)
        before, ahead = self.state, np.empty_like(self.ahead)
        while len(pending):
            everyone = len(pending) == rows
            tokens = torch.from_numpy(cells[pending]).to(self.device)
            logits, after = self.model(tokens, before if everyone else rows_of(before, self.dims, pending))
            said = _log_shares(logits)  # (pending, voices, V)
            again = np.zeros(len(pending), dtype=bool)
            for voice in range(1, voices):
                at = np.flatnonzero(~again & (done[pending] == voice))
                again[at] = draw_cells(voice, pending[at], said[at, voice - 1])
            ahead[pending] = said[:, -1]
            self.state = after if everyone else with_rows(self.state, self.dims, pending, after)
            pending = pending[again]
        self.ahead, self.length = ahead, self.length + voices
        probabilities = np.where(may, told, -np.inf)
        best = probabilities.max(axis=-1, keepdims=True)
        self.weight += (np.log(np.exp(probabilities - best).sum(axis=-1)) + best[..., 0]).sum(axis=-1)
        self.nats -= np.take_along_axis(told, cells[..., None], axis=-1).sum(axis=(1, 2))
        self.written = np.concatenate([self.written, cells[:, None]], axis=1)
        pitches = np.where(cells == REST, SILENCE, cells - FIRST + self.low)
        self.before, self.observed = self.observed, np.where(cells == HOLD, self.observed, pitches)

    def judge(self, cost: float) -> None:
        """Take ``cost`` nats of weight for each parallel fifth or octave into the frame just written."""
        self.weight -= cost * parallels(self.before, self.observed)

    def give_way(self, rng: Sequence[float]) -> None:
        """Of each piece whose hands weigh too unevenly, replace light ones by copies of heavy ones.

        Systematic resampling (Carpenter, Clifford and Fearnhead, 1999), with a number a piece in ``rng``.
        """
        weights = self._weights()  # (pieces, each)
        uneven = 1 / (weights**2).sum(axis=1) < FEW * self.each
        if not uneven.any():
            return
        source = np.arange(len(self.weight)).reshape(weights.shape)
        for piece in np.flatnonzero(uneven).tolist():
            marks = (np.arange(self.each) + rng[piece]) / self.each
            total = np.cumsum(weights[piece])
            source[piece] = piece * self.each + np.searchsorted(total / total[-1], marks, side="right")
            self.weight[piece * self.each : (piece + 1) * self.each] = 0.0
        rows = source.ravel()
        self.state = rows_of(self.state, self.dims, rows)
        self.ahead, self.written, self.nats = self.ahead[rows], self.written[rows], self.nats[rows]
        self.before, self.observed = self.before[rows], self.observed[rows]

    def forget(self, keep: int) -> None:
        """Read anew the last tokens alone, ``keep`` of them and what it takes to begin where a window may begin."""
        start = (self.length - keep) // self.model.stride * self.model.stride
        if start <= 0:
            return
        tokens = self.written.reshape(len(self.written), -1)[:, start - self.length :]
        logits, self.state = self.model(torch.from_numpy(tokens).to(self.device))
        self.ahead, self.length = _log_shares(logits[:, -1:])[:, 0], tokens.shape[1]

    def chosen(self, rng: Sequence[float]) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
        """What one hand of each piece wrote, drawn by weight, and its cost in nats; ``rng``: (pieces,)."""
        place = draw(self._weights(), np.asarray(rng))
        rows = np.arange(self.pieces) * self.each + place
        return list(self.written[rows]), self.nats[rows]

    def _weights(self) -> NDArray[np.float64]:
        return softmax(self.weight.reshape(self.pieces, self.each))


def row_dims(model: SequenceModel) -> Any:
    """Which dimension of each tensor in a model's state runs over the rows; a tree of the state's make.

    Found by trying: it is the one that differs between a state of two rows and one of three.
    """
    device = next(model.parameters()).device
    two, three = (model(torch.full((rows, 1), BOS, device=device))[1] for rows in (2, 3))

    def differs(tensor: Tensor, other: Tensor) -> int:
        return next(place for place, size in enumerate(tensor.shape) if other.shape[place] != size)

    return _each(differs, two, three)


def rows_of(state: Any, dims: Any, rows: NDArray[np.int64]) -> Any:
    """A model's state for some of its rows, each of which may occur several times."""
    chosen = torch.from_numpy(rows)
    return _each(lambda tensor, dim: tensor.index_select(dim, chosen.to(tensor.device)), state, dims)


def with_rows(state: Any, dims: Any, rows: NDArray[np.int64], other: Any) -> Any:
    """``state``, with ``other`` in the place of some of its rows."""
    chosen = torch.from_numpy(rows)
    return _each(lambda tensor, dim, new: tensor.index_copy(dim, chosen.to(tensor.device), new), state, dims, other)


def _each(change: Callable[..., Any], *trees: Any) -> Any:
    """A tree of the make of the first, whose tensors are changed, given what stands in the same place of the others."""
    first = trees[0]
    if isinstance(first, Tensor):
        return change(*trees)
    if isinstance(first, tuple | list):
        parts = [_each(change, *together) for together in zip(*trees, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return first


def _log_shares(logits: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits.double().log_softmax(-1).cpu().numpy()
    return found


@torch.no_grad()
def cost(
    model: SequenceModel,
    representation: VoicesOnGrid,
    piece: ScoreTick,
    allowed: NDArray[np.bool_],
    grid: NDArray[np.int64],
) -> float:
    """What all cells of a grid (frames, voices) cost, in nats, as ``harmonies`` counts; it takes the same."""
    tokens = torch.from_numpy(np.concatenate([[BOS], grid.reshape(-1)]).astype(np.int64))
    return float(model.nats(tokens[None].to(next(model.parameters()).device)).double().sum())
