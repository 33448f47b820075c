"""What plays under a melody step by step: the protocol, and the voices of a model."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from etude.live.bars import Bar
from etude.live.controls import Controls
from etude.live.grid_writer import GridWriter
from etude.live.writers import outside, rng_of
from etude.music.key import best_key
from etude.representations.attributes import TONICS
from etude.representations.base.grammar import BOS, PAD
from etude.representations.base.grid import FIRST, HOLD, REST

HOLD_ON, SILENT = -1, -2  # cells that start no pitch
FADES = 0.995  # factor of what was heard of the melody, each step; its key is kept to where no scale is asked for
ENOUGH = 3  # pitch classes of the melody from which a key is read


class Harmony(Protocol):
    """What plays under a melody, step by step."""

    voices: dict[str, int]  # name -> program; the first is the melody's

    def open(self, past: list[Bar], controls: Controls, number: int) -> None:
        """A bar starts."""

    def step(self, frame: int, cell: int, again: bool) -> list[int]:
        """The cells of the other voices in a step: MIDI pitches that start, HOLD_ON or SILENT.

        Args:
            frame: of the bar.
            cell: of the melody: the pitch that starts, HOLD_ON or SILENT.
            again: whether the same step is asked for once more, as the melody came late.
        """

    def skip(self, frame: int, cell: int) -> None:
        """A step for which there was no time: what sounds is held."""

    def end(self) -> Bar:
        """The bar as it was written."""


class FourVoices:
    """The other voices of a model of the voice grid, which sees the melody's cell first and writes those below it."""

    def __init__(self, writer: GridWriter, seed: int) -> None:
        """Args: the model; the seed."""
        self.writer, self.seed, self.voices = writer, seed, dict(writer.voices)
        pitches = np.flatnonzero(writer.observed[0, FIRST:]) + writer.representation.low
        self.low, self.high = int(pitches.min()), int(pitches.max())
        self._state: Any = None
        self._before: tuple[list[int], Any] = ([BOS], None)
        self._made: list[list[int]] = []
        self._silent = True
        self._melody, self._heard = -1, np.zeros(12)  # the pitch that sounds; steps of each pitch class
        self._kept = (True, -1, self._heard)

    def open(self, past: list[Bar], controls: Controls, number: int) -> None:
        """See Harmony."""
        self._controls = controls
        self._uniforms = rng_of(self.seed, number).random((self.writer.frames, len(self.voices)))
        tokens, state = self.writer.start(past, controls)
        self._made, self._state, self._last = [], state, tokens
        self._silent = len(tokens) != len(self.voices) or tokens[0] == REST

    def token(self, cell: int) -> int:
        """The token of a melody's cell: its pitch is moved by octaves into what the first voice has in train."""
        if cell in (HOLD_ON, SILENT):
            return HOLD if cell == HOLD_ON else REST
        while cell < self.low:
            cell += 12
        while cell > self.high:
            cell -= 12
        return max(cell, self.low) - self.writer.representation.low + FIRST

    def step(self, frame: int, cell: int, again: bool) -> list[int]:
        """See Harmony."""
        if again:
            self._made.pop()
            self._last, self._state = self._before
            self._silent, self._melody, self._heard = self._kept
        self._listen(cell)
        given = np.full(len(self.voices), PAD)
        given[0] = self.token(cell)
        enters = self._silent and cell >= 0
        if cell == SILENT:
            given[:] = REST
        self._silent = cell == SILENT
        made, self._state = self.writer.frame(
            self._last, self._state, given, self._uniforms[frame], self._controls, self._tilt(), enters
        )
        return self._take(made)

    def skip(self, frame: int, cell: int) -> None:
        """See Harmony. The model hears of it with the next step."""
        before = self._last if len(self._last) == len(self.voices) else [REST] * len(self.voices)
        held = [REST if token == REST else HOLD for token in before]
        if cell == SILENT:
            held = [REST] * len(self.voices)
        held[0] = self.token(cell) if cell != HOLD_ON or before[0] != REST else REST
        self._listen(cell)
        made, self._state = self.writer.frame(
            self._last, self._state, np.array(held), self._uniforms[frame], self._controls
        )
        self._silent = cell == SILENT
        self._take(made)

    def _listen(self, cell: int) -> None:
        """Hear a cell of the melody, after keeping what was before, for the case that it is asked for again."""
        self._before, self._kept = (self._last, self._state), (self._silent, self._melody, self._heard)
        self._melody = cell if cell >= 0 else self._melody if cell == HOLD_ON else -1
        self._heard = self._heard * FADES
        if self._melody >= 0:
            self._heard = self._heard + np.eye(12)[self._melody % 12]

    def _tilt(self) -> NDArray[np.float64]:
        """What makes notes rare that are outside the scale: of the controls, or of the melody so far."""
        scale = self._controls.scale
        if scale is None and np.count_nonzero(self._heard) >= ENOUGH and (key := best_key(self._heard)) is not None:
            scale = f"{TONICS[key[0]]} {key[1]}"
        return outside(self.writer.representation.pitches, scale)

    def _take(self, made: list[int]) -> list[int]:
        self._made.append(made)
        self._last = made
        low = self.writer.representation.low
        return [HOLD_ON if token == HOLD else SILENT if token < FIRST else token - FIRST + low for token in made[1:]]

    def end(self) -> Bar:
        """See Harmony."""
        rows = self._made + [[HOLD] * len(self.voices)] * (self.writer.frames - len(self._made))
        return self.writer.bar_of(np.array(rows))
