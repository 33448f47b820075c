"""A piece as a grid of one token a step and voice: a pitch that starts, the hold of it, or a rest, and back."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.config.check import Count, Range
from etude.music.key import best_keys
from etude.representations.base.voice_tracks import Voices, empty_piece, fill, line, notes_by_voice

HOLD, REST, FIRST = 3, 4, 5  # tokens after padding, start and end; FIRST is the lowest pitch


class VoicesOnGrid(Voices):
    """Base of the representations with one such token a step and voice."""

    is_voice_grid = True

    def __init__(self, steps_per_beat: Annotated[int, Range(4, 24)], max_voices: Count) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready.

        Args:
            steps_per_beat: steps of the grid, a quarter note.
            max_voices: where the dataset names no voices, the programs with the most notes that are taken.
        """
        super().__init__(steps_per_beat, max_voices)

    def cells_of(self, items: NDArray[np.integer]) -> NDArray[np.integer]:
        """The cells of an encoded piece: (frames, voices)."""
        raise NotImplementedError(f"{type(self).__name__} must define cells_of(items).")

    def observe(self, train: Sequence[NDArray[np.integer]]) -> dict[str, NDArray[Any]]:
        """What sampling needs to know of the train pieces: ``tokens``, those that each voice has (voices, V)."""
        found = np.zeros((len(self.voices), self.vocabulary), dtype=bool)
        for piece in train:
            for voice, cells in enumerate(self.cells_of(piece).T):
                found[voice, cells] = True
        return {"tokens": found}

    @property
    def vocabulary(self) -> int:
        """Number of tokens: padding, start, end, hold, rest, and the pitches from low to high."""
        return FIRST + self.high - self.low + 1


def find_keys(cells: NDArray[np.integer]) -> NDArray[np.int64]:
    """The key that fits the sounding cells of each piece best: (pieces, frames, voices) -> (pieces,).

    A key is 1 + twice the tonic's class of tokens, modulo 12, plus 1 in minor; 0 where none stands out. Cells may be
    unknown (PAD).
    """
    place = np.where(cells != HOLD, np.arange(cells.shape[1])[:, None], 0)
    sounding = np.take_along_axis(cells, np.maximum.accumulate(place, axis=1), axis=1).reshape(len(cells), -1)
    pieces, cell = np.nonzero(sounding >= FIRST)
    classes = sounding[pieces, cell].astype(np.int64) % 12
    times = np.bincount(pieces * 12 + classes, minlength=12 * len(cells)).reshape(len(cells), 12)
    return 1 + best_keys(times)


def to_grid(score: ScoreTick, voices: Mapping[str, int], steps: int, low: int, high: int) -> NDArray[np.uint16]:
    """The tokens of a piece, as long as its longest voice: (frames, voices).

    A voice has one pitch at a time: the highest of the notes at an onset stays, and the next onset ends it. Notes
    outside the pitches low..high are left out.
    """
    lines = [line(notes) for notes in notes_by_voice(score, voices, steps, low, high)]
    frames = max((int(notes[-1, 2]) for notes in lines if len(notes)), default=0)
    grid = np.full((frames, len(lines)), REST, dtype=np.uint16)
    for voice, notes in enumerate(lines):
        change = np.zeros(frames + 1, dtype=np.int64)
        np.add.at(change, notes[:, 0], 1)
        np.add.at(change, notes[:, 2], -1)
        grid[np.cumsum(change)[:-1] > 0, voice] = HOLD
        grid[notes[:, 0], voice] = notes[:, 1] - low + FIRST
    return grid


def from_grid(grid: NDArray[np.integer], voices: Mapping[str, int], steps: int, low: int, tempo: int) -> ScoreTick:
    """The piece that tokens (frames, voices) stand for, in 4/4; a hold of nothing is passed over."""
    piece = empty_piece(voices, tempo)
    for voice, track in enumerate(piece.tracks):
        cells = np.append(grid[:, voice], REST)
        ends = np.flatnonzero(cells != HOLD)  # of what came before: a note, or nothing
        onsets = np.flatnonzero(cells >= FIRST)
        until = ends[np.searchsorted(ends, onsets, side="right")]
        fill(track, np.column_stack([onsets, cells[onsets] - FIRST + low, until]), steps)
    return piece
