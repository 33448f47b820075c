"""The notes of symusic's tracks as numpy columns, and back: work on all notes of a piece at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTickList as Notes
from symusic.core import TrackTick as Track


@dataclass
class Columns:
    """Notes, a column a property, each of shape (notes,)."""

    onset: NDArray[np.int32]  # in ticks, as is length
    length: NDArray[np.int32]
    pitch: NDArray[np.int8]
    velocity: NDArray[np.int8]

    def __getitem__(self, chosen: Any) -> "Columns":
        """The notes that a slice, a mask or a list of places chooses."""
        return Columns(self.onset[chosen], self.length[chosen], self.pitch[chosen], self.velocity[chosen])

    def notes(self) -> Notes:
        """The same as symusic's notes."""
        return Notes.from_numpy(self.onset, self.length, self.pitch, self.velocity)


def columns_of(track: Track) -> Columns:
    """The notes of a track."""
    return Columns(*(column for column in track.notes.numpy().values()))


def joined(lines: Sequence[Columns]) -> Columns:
    """All notes of several columns, of at least one, in their order."""
    if len(lines) == 1:
        return lines[0]
    return Columns(
        np.concatenate([line.onset for line in lines]),
        np.concatenate([line.length for line in lines]),
        np.concatenate([line.pitch for line in lines]),
        np.concatenate([line.velocity for line in lines]),
    )
