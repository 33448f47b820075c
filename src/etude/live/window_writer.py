"""Bars from models of piano-roll windows: pieces drawn one after another, cut into bars."""

from collections.abc import Sequence

import numpy as np
import torch

from etude.core.seeds import seed_of
from etude.live.bars import TICKS, Bar, notes_in
from etude.live.controls import Controls
from etude.representations.pianoroll import PianoRoll
from etude.tasks.trained_model import TrainedModel

BARS = 8  # of a drawn piece
LENGTH = 4 * TICKS  # ticks of a bar


class WindowWriter:
    """Draws pieces of 8 bars of 4/4. They know nothing of each other, nor of what somebody plays."""

    def __init__(self, loaded: TrainedModel, seed: int) -> None:
        """Args: a model of windows; the seed of its pieces."""
        self.loaded, self.seed = loaded, seed
        self.representation: PianoRoll = loaded.representation
        self.voices, self.tempo = self.representation.voices, float(self.representation.tempo)
        self._drawn: tuple[tuple[int, float], list[Bar]] | None = None

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        """See Writer; ``rng`` is not used: a piece has one seed."""
        number, place = divmod(len(past), BARS)
        if self._drawn is None or self._drawn[0] != (number, controls.temperature):
            self._drawn = (number, controls.temperature), self._draw(number, controls.temperature)
        bar = self._drawn[1][place]
        if opening is None:
            return bar
        return bar.with_notes([*opening.notes, *(note for note in bar.notes if note.onset >= opening.length)])

    def read(self, past: Sequence[Bar]) -> None:
        """See Writer; there is nothing to read."""

    def _draw(self, number: int, temperature: float) -> list[Bar]:
        steps = BARS * 4 * self.representation.steps
        windows = -(-steps // (self.representation.beats * self.representation.steps))
        generator = torch.Generator().manual_seed(seed_of("live", self.seed, number))
        score = self.representation.decode(self.loaded.model.draw(windows, generator, temperature).numpy())
        made = []
        for bar in range(BARS):
            notes = notes_in(score, bar * LENGTH, (bar + 1) * LENGTH)
            cut = (note._replace(length=min(note.length, BARS * LENGTH - bar * LENGTH - note.onset)) for note in notes)
            made.append(Bar(tuple(cut), LENGTH, tokens=()))
        return made
