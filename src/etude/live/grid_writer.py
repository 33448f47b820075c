"""Bars from models of the voice grid, frame by frame; and single frames, for what is played against them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.live.bars import TICKS, Bar, Note, score_of
from etude.live.controls import Controls
from etude.live.memory import Memory
from etude.live.writers import outside, recent
from etude.representations.base.grammar import BOS, EOS, PAD
from etude.representations.base.grid import HOLD, REST, from_grid, to_grid
from etude.representations.voicegrid import VoiceGrid
from etude.sampling.filters import draw, softmax, top_p_filter
from etude.sampling.tempering import Tempering
from etude.tasks.trained_model import TrainedModel

BEATS = 4  # of a bar: the grid codes no meter
IMAGINED = Controls(temperature=0.6)  # probable voices


class GridWriter:
    """Writes cell by cell; cells may be given. Bars are in 4/4."""

    def __init__(self, loaded: TrainedModel, seed: int) -> None:
        """Args: a model of the voice grid; the seed of the voices that it imagines to what is played."""
        self.loaded, self.seed = loaded, seed
        self.representation: VoiceGrid = loaded.representation
        self.voices, self.tempo = self.representation.voices, float(self.representation.tempo)
        self.steps = self.representation.steps
        self.tick = TICKS // self.steps  # ticks of a frame
        self.frames = BEATS * self.steps  # of a bar
        self.observed: NDArray[np.bool_] = loaded.observed["tokens"]
        self.memory = Memory(loaded.model)
        self.tempering = Tempering(loaded.representation, loaded.config.rhythm)
        self._imagined: dict[int, tuple[tuple[Note, ...], NDArray[np.int64]]] = {}

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        """See Writer."""
        given = np.full((self.frames, len(self.voices)), PAD)
        if opening is not None:
            since = opening.length // self.tick
            given[:since] = self._given(opening, since)
        return self.fill(past, given, controls, rng)

    def read(self, past: Sequence[Bar]) -> None:
        """See Writer."""
        self.start(past, IMAGINED)

    def fill(self, past: Sequence[Bar], given: NDArray[np.int64], controls: Controls, rng: np.random.Generator) -> Bar:
        """The next bar with some cells given: ``given`` (frames, voices) tokens, PAD where the model writes."""
        tokens, state = self.start(past, controls)
        cells: list[int] = []
        tilt = outside(self.representation.pitches, controls.scale)
        uniforms = rng.random((self.frames, len(self.voices)))
        for frame in range(self.frames):
            made, state = self.frame(tokens, state, given[frame], uniforms[frame], controls, tilt)
            tokens = made
            cells += made
        return self.bar_of(np.array(cells).reshape(self.frames, -1))

    def start(self, past: Sequence[Bar], controls: Controls) -> tuple[list[int], Any]:
        """The tokens of the last frame, or the start of a piece, and the state after the bars that are read."""
        first = recent(past, ())
        bars = self._tokens(past[first:], self.imagine(past), first)
        state = self.memory.recall(bars)
        return list(bars[-1][-len(self.voices) :]) if bars else [BOS], state

    def frame(
        self,
        before: list[int],
        state: Any,
        given: NDArray[np.int64],
        uniforms: NDArray[np.float64],
        controls: Controls,
        tilt: NDArray[np.float64] | float = 0.0,
        enters: bool = False,
    ) -> tuple[list[int], Any]:
        """One frame: its cells (voices,), and the state after it.

        Args:
            before: the tokens of the frame before, or the start of a piece.
            state: after that.
            given: the cells of the frame, PAD where the model writes.
            uniforms: random numbers in [0, 1), one a voice.
            controls: temperature, top_p.
            tilt: what is added to the log-probability of each token (V,).
            enters: whether each voice that the model writes starts a note.
        """
        made: list[int] = []
        for voice in range(len(self.voices)):
            last, model_state = state
            scores, after = self.memory.step(last, model_state)
            if given[voice] != PAD:
                token = int(given[voice])
            else:
                allowed = self.observed[voice].copy()
                allowed[[PAD, BOS, EOS]] = False
                allowed[[HOLD, REST]] &= not enters
                allowed[HOLD] &= len(before) == len(self.voices) and before[voice] != REST
                tempered = self.tempering.temper(scores.numpy(), controls.temperature) + tilt
                probabilities = top_p_filter(softmax(np.where(allowed, tempered, -np.inf)), controls.top_p)
                token = int(draw(probabilities, uniforms[voice : voice + 1])[0])
            made.append(token)
            state = (token, after)
        return made, state

    # --- cells and notes

    def cells(self, bars: Sequence[Bar], frames: int) -> NDArray[np.int64]:
        """The cells of bars, as long as asked: (frames, voices)."""
        representation = self.representation
        score = score_of(bars, self.voices, self.tempo)
        found = to_grid(score, self.voices, self.steps, representation.low, representation.high).astype(np.int64)
        grid = np.full((frames, len(self.voices)), REST)
        grid[: len(found)] = found[:frames]
        return grid

    def bar_of(self, grid: NDArray[np.int64]) -> Bar:
        """A bar of cells (frames, voices)."""
        piece = from_grid(grid, self.voices, self.steps, self.representation.low, int(self.tempo))
        notes = [
            Note(note.time, note.duration, note.pitch, note.velocity, voice)
            for voice, track in enumerate(piece.tracks)
            for note in track.notes
        ]
        holds = tuple(int(np.argmax(np.append(column != HOLD, True))) * self.tick for column in grid.T)
        tokens = tuple(int(token) for token in grid.reshape(-1))
        length = self.frames * self.tick
        return Bar(tuple(sorted(notes)), length, (BEATS, 4), None, tokens, holds=holds)

    def imagine(self, past: Sequence[Bar]) -> dict[int, NDArray[np.int64]]:
        """The cells of the bars that somebody has played, with the other voices as the model would write them.

        A model of four voices makes little of a melody alone; what it imagines does not sound. It is the same whenever
        it is asked for: it depends on the bars before, the notes and the seed.
        """
        found = {}
        for number, bar in enumerate(past):
            if bar.tokens is not None or not bar.notes:
                continue
            known = self._imagined.get(number)
            if known is None or known[0] != bar.notes:
                self._imagined = {place: made for place, made in self._imagined.items() if place < number}
                first = recent(past[:number], ())
                earlier = {place: made for place, (_, made) in self._imagined.items()}
                state = self.memory.recall(self._tokens(past[first:number], earlier, first))
                known = bar.notes, self._harmonised(bar, state, number)
                self._imagined[number] = known
            found[number] = known[1]
        return found

    def _harmonised(self, bar: Bar, state: Any, number: int) -> NDArray[np.int64]:
        uniforms = np.random.default_rng((self.seed, number, 1)).random((self.frames, len(self.voices)))
        given, cells, made = self._given(bar, self.frames), [], [BOS]
        for frame in range(self.frames):
            made, state = self.frame(made, state, given[frame], uniforms[frame], IMAGINED)
            cells.append(made)
        return np.array(cells)

    def _given(self, bar: Bar, frames: int) -> NDArray[np.int64]:
        """The cells of a bar, PAD in voices without a note."""
        cells = self.cells([bar], frames)
        sounding = {note.voice for note in bar.notes}
        for voice in range(len(self.voices)):
            if sounding and voice not in sounding:
                cells[:, voice] = PAD
        return cells

    def _tokens(self, read: Sequence[Bar], imagined: Mapping[int, NDArray[np.int64]], first: int) -> list[list[int]]:
        """The tokens of each bar; what is held from before the first of them is silent.

        Args:
            read: the bars.
            imagined: the cells of those that somebody has played, by number.
            first: the number of the first.
        """
        rows: list[NDArray[np.int64]] = []
        silent = np.ones(len(self.voices), dtype=bool)
        for number, bar in enumerate(read, start=first):
            if bar.tokens is not None:
                grid = np.array(bar.tokens, dtype=np.int64).reshape(-1, len(self.voices))
            elif number in imagined:
                grid = imagined[number].copy()
            else:
                grid = self.cells([bar], bar.length // self.tick)
            for cells in grid:
                cells[silent & (cells == HOLD)] = REST
                silent = cells == REST
            rows.append(grid)
        return [grid.reshape(-1).tolist() for grid in rows]
