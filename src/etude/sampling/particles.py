"""Voices for a melody from a model that writes forwards: a particle filter, in which the melody weighs what is written.

A model of the voice grid knows the past alone, so what it writes below one note may not fit the next. Therefore several
particles are written in parallel. Each is weighed by the probability that it gave to the melody's next note, and at
times light particles are replaced by copies of heavy ones. What breaks a rule loses weight too. With a ``sharpness`` of
0 the result is, in the limit of many particles, drawn from the model given the whole melody. Above 0 the probability of
what a particle wrote weighs too, to that power, and the most probable particle is taken: that is a search.

Source: Gordon, Salmond and Smith, Novel approach to nonlinear/non-Gaussian Bayesian state estimation, 1993 (the
bootstrap filter); Lew et al., Sequential Monte Carlo Steering of Large Language Models using Probabilistic Programs,
2023 (constraints as weights).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from etude.config.sections import Harmonize
from etude.core.progress import bar
from etude.metrics.voice_leading import SILENCE, parallels
from etude.models.sequence import SequenceModel
from etude.representations.base.grammar import BOS, PAD
from etude.representations.base.grid import FIRST, HOLD, REST, VoicesOnGrid, find_keys
from etude.sampling.filters import draw, softmax, top_p_filter
from etude.sampling.harmonies import HarmonyTask, SampledHarmonies

UNEVEN = 0.5  # share of effective particles, below which they are resampled
BEATS = 192  # of the past that is kept at most: the cost of a frame would otherwise grow with the melody


@torch.no_grad()
def sample_harmonies(
    model: SequenceModel, representation: VoicesOnGrid, tasks: Sequence[HarmonyTask]
) -> list[SampledHarmonies]:
    """See HarmonySampler. A harmony costs the sum over all its cells, given ones included.

    The harmonies of all tasks are written together, frame by frame, until each is as long as its melody. The ``piece``
    of a task is not read: the model knows the cells alone, and the key and the melody as far as they follow from given
    cells. Its state must have a row for each piece.
    """
    config, voices = tasks[0].config, len(representation.voices)
    asked = [task for task in tasks for _ in task.rngs]  # the task of each harmony
    frames = np.array([len(task.allowed) for task in asked])
    cells, choices = [], []
    for task in tasks:
        cells += [rng.random((len(task.allowed), config.particles, voices)) for rng in task.rngs]
        choices += [rng.random(len(task.allowed) + 1) for rng in task.rngs]
    hints = find_hints([task.allowed for task in asked])
    particles = Particles(model, *hints, config.particles, voices, representation.low)
    found: dict[int, tuple[NDArray[np.int64], float]] = {}
    open_ones = np.arange(len(asked))  # harmonies that are not as long as their melody yet
    longest = BEATS * representation.steps * voices
    with bar("harmonize", int(frames.max()), tasks[0].show) as advance:
        for frame in range(int(frames.max()) + 1):
            if (ended := frames[open_ones] == frame).any():
                grids, nats = particles.choose([choices[place][frame] for place in open_ones], config.sharpness)
                found |= {int(open_ones[row]): (grids[row], nats[row]) for row in np.flatnonzero(ended)}
                particles.keep(np.flatnonzero(~ended))
                open_ones = open_ones[~ended]
            if not len(open_ones):
                break
            allowed = np.stack([asked[place].allowed[frame] for place in open_ones])
            particles.write(allowed, np.concatenate([cells[place][frame] for place in open_ones]), config)
            particles.penalise_parallels([asked[place].config.parallel_cost for place in open_ones])
            particles.resample([choices[place][frame] for place in open_ones])
            if particles.length > longest:
                particles.shorten(longest // 2)
            advance(frame + 1)
    made = iter(range(len(asked)))
    parts = [[found[next(made)] for _ in task.rngs] for task in tasks]
    return [([grid for grid, _ in part], np.array([nats for _, nats in part])) for part in parts]


class Particles:
    """Particles of several pieces, of one length so far: what each has written, its weight, and the model's state."""

    def __init__(
        self,
        model: SequenceModel,
        keys: NDArray[np.int64],
        melodies: NDArray[np.int64],
        each: int,
        voices: int,
        low: int,
    ) -> None:
        """Start each piece.

        Args:
            model: of the grid.
            keys: of the pieces (pieces,), 0 where unknown.
            melodies: the cells of the first voice (pieces, frames), PAD where unknown.
            each: particles for each piece.
            voices: of the grid.
            low: pitch of the token FIRST.
        """
        self.model, self.pieces, self.each, self.low = model, len(keys), each, low
        self.device = next(model.parameters()).device
        rows = self.pieces * each
        first = torch.full((rows, 1), BOS, device=self.device)
        hints = (torch.from_numpy(np.repeat(known, each, axis=0)).to(self.device) for known in (keys, melodies))
        logits, self.state = model(first, model.start(*hints))
        self.dims = row_dims(model)
        self.ahead = _log_probabilities(logits)[:, 0]  # (rows, V), of the first cell of the next frame
        self.length = 1  # tokens that the state has read
        self.written = np.zeros((rows, 0, voices), dtype=np.int64)
        self.before = self.sounding = np.full((rows, voices), SILENCE)  # pitches of the last two frames
        self.weight, self.nats, self.penalties = np.zeros(rows), np.zeros(rows), np.zeros(rows)

    def write(self, allowed: NDArray[np.bool_], uniforms: NDArray[np.float64], config: Harmonize) -> None:
        """Write a frame. Each cell is drawn from what it may have; the probability of all of that is its weight.

        A frame is read at once, with holds where nothing is drawn yet, and again for the particles that drew something
        else. So a frame in which little happens costs one reading.

        Args:
            allowed: (pieces, voices, V).
            uniforms: random numbers in [0, 1) (rows, voices).
            config: temperature, top_p, sharpness.
        """
        rows, voices = uniforms.shape
        may = np.repeat(allowed, self.each, axis=0)
        may[..., HOLD] &= self.sounding != SILENCE  # nothing is held that does not sound
        cells = may.argmax(axis=-1)  # the hold, where there may be one, or the only token
        predicted = np.empty((rows, voices, self.ahead.shape[1]))
        done = np.zeros(rows, dtype=np.int64)  # cells that are drawn

        def draw_cells(voice: int, at: NDArray[np.int64], log_probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
            """Draw the cells of a voice in some rows; return whether each differs from the token that stood there."""
            predicted[at, voice] = log_probabilities
            scores = np.where(may[at, voice], log_probabilities, -np.inf)
            probabilities = top_p_filter(softmax(scores / config.temperature), config.top_p)
            tokens = draw(probabilities, uniforms[at, voice])
            differs: NDArray[np.bool_] = tokens != cells[at, voice]
            cells[at, voice] = tokens
            done[at] = voice + 1
            return differs

        pending = np.arange(rows)
        draw_cells(0, pending, self.ahead)
        before, ahead = self.state, np.empty_like(self.ahead)
        while len(pending):
            everyone = len(pending) == rows
            tokens = torch.from_numpy(cells[pending]).to(self.device)
            logits, after = self.model(tokens, before if everyone else rows_of(before, self.dims, pending))
            log_probabilities = _log_probabilities(logits)  # (pending, voices, V)
            again = np.zeros(len(pending), dtype=bool)
            for voice in range(1, voices):
                at = np.flatnonzero(~again & (done[pending] == voice))
                again[at] = draw_cells(voice, pending[at], log_probabilities[at, voice - 1])
            ahead[pending] = log_probabilities[:, -1]
            self.state = after if everyone else with_rows(self.state, self.dims, pending, after)
            pending = pending[again]
        self.ahead, self.length = ahead, self.length + voices
        possible = np.where(may, predicted, -np.inf)
        best = possible.max(axis=-1, keepdims=True)
        fitting = (np.log(np.exp(possible - best).sum(axis=-1)) + best[..., 0]).sum(axis=-1)
        written = np.take_along_axis(predicted, cells[..., None], axis=-1).sum(axis=(1, 2))
        self.weight += fitting + config.sharpness * (written - fitting)
        self.nats -= written
        self.written = np.concatenate([self.written, cells[:, None]], axis=1)
        pitches = np.where(cells == REST, SILENCE, cells - FIRST + self.low)
        self.before, self.sounding = self.sounding, np.where(cells == HOLD, self.sounding, pitches)

    def penalise_parallels(self, costs: Sequence[float]) -> None:
        """Take a cost in nats of weight for each parallel fifth or octave into the frame just written: (pieces,)."""
        penalty = np.repeat(costs, self.each) * parallels(self.before, self.sounding)
        self.weight -= penalty
        self.penalties += penalty

    def keep(self, pieces: NDArray[np.int64]) -> None:
        """Go on with some of the pieces, by their numbers."""
        rows = (pieces[:, None] * self.each + np.arange(self.each)).ravel()
        self._take(rows)
        self.weight, self.pieces = self.weight[rows], len(pieces)

    def resample(self, uniforms: Sequence[float]) -> None:
        """Replace light particles by copies of heavy ones, in the pieces whose particles weigh too unevenly.

        Systematic resampling (Carpenter, Clifford and Fearnhead, 1999), with a number in [0, 1) for each piece.
        """
        weights = self._weights()  # (pieces, each)
        uneven = 1 / (weights**2).sum(axis=1) < UNEVEN * self.each
        if not uneven.any():
            return
        source = np.arange(len(self.weight)).reshape(weights.shape)
        for piece in np.flatnonzero(uneven).tolist():
            marks = (np.arange(self.each) + uniforms[piece]) / self.each
            total = np.cumsum(weights[piece])
            source[piece] = piece * self.each + np.searchsorted(total / total[-1], marks, side="right")
            self.weight[piece * self.each : (piece + 1) * self.each] = 0.0
        self._take(source.ravel())

    def _take(self, rows: NDArray[np.int64]) -> None:
        """Replace the particles by some of them, all but their weights."""
        self.state = rows_of(self.state, self.dims, rows)
        self.ahead, self.written = self.ahead[rows], self.written[rows]
        self.nats, self.penalties = self.nats[rows], self.penalties[rows]
        self.before, self.sounding = self.before[rows], self.sounding[rows]

    def shorten(self, keep: int) -> None:
        """Read the last ``keep`` tokens again as the whole past, and those back to where a window may start."""
        start = (self.length - keep) // self.model.stride * self.model.stride
        if start <= 0:
            return
        tokens = self.written.reshape(len(self.written), -1)[:, start - self.length :]
        again = self.model.restart(self.state, start)
        logits, self.state = self.model(torch.from_numpy(tokens).to(self.device), again)
        self.ahead, self.length = _log_probabilities(logits[:, -1:])[:, 0], tokens.shape[1]

    def choose(
        self, uniforms: Sequence[float], sharpness: float
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
        """What one particle of each piece wrote, and its cost in nats.

        It is drawn by weight, with ``uniforms`` (pieces,); with a sharpness it is the one that costs least.
        """
        if sharpness:
            place = (self.nats + self.penalties).reshape(self.pieces, self.each).argmin(axis=1)
        else:
            place = draw(self._weights(), np.asarray(uniforms))
        rows = np.arange(self.pieces) * self.each + place
        return list(self.written[rows]), self.nats[rows]

    def _weights(self) -> NDArray[np.float64]:
        return softmax(self.weight.reshape(self.pieces, self.each))


def row_dims(model: SequenceModel) -> Any:
    """The dimension of each tensor in a model's state that runs over the rows, as a tree of the state's structure.

    Found by trial: it differs between a state of two rows and one of three.
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
    """``state`` with some of its rows replaced by ``other``."""
    chosen = torch.from_numpy(rows)
    return _each(lambda tensor, dim, new: tensor.index_copy(dim, chosen.to(tensor.device), new), state, dims, other)


def _each(change: Callable[..., Any], *trees: Any) -> Any:
    """Change the tensors of the first tree, each given what stands in the same place of the others."""
    first = trees[0]
    if isinstance(first, Tensor):
        return change(*trees)
    if isinstance(first, tuple | list):
        parts = [_each(change, *together) for together in zip(*trees, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return first


def _log_probabilities(logits: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits.double().log_softmax(-1).cpu().numpy()
    return found


@torch.no_grad()
def cost(model: SequenceModel, representation: VoicesOnGrid, task: HarmonyTask, grid: NDArray[np.int64]) -> float:
    """See HarmonySampler."""
    device = next(model.parameters()).device
    tokens = torch.from_numpy(np.concatenate([[BOS], grid.reshape(-1)]).astype(np.int64)).to(device)
    hints = (torch.from_numpy(known).to(device) for known in find_hints([task.allowed]))
    logits, _ = model(tokens[None, :-1], model.start(*hints))
    return float(F.cross_entropy(logits[0].double(), tokens[1:], reduction="sum"))


def find_hints(allowed: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What is known of pieces by what their cells may have, each (frames, voices, V).

    Returns:
        the key that fits the given cells best (pieces,), and the cells of the first voice (pieces, frames), PAD where
        the piece has ended; PAD everywhere where that voice is not given from start to end.
    """
    keys, melodies = [], np.full((len(allowed), max(map(len, allowed))), PAD)
    for place, one in enumerate(allowed):
        cells = np.where(one.sum(axis=-1) == 1, one.argmax(axis=-1), PAD)
        keys.append(int(find_keys(cells[None])[0]))
        if (cells[:, 0] != PAD).all():
            melodies[place, : len(cells)] = cells[:, 0]
    return np.array(keys), melodies
