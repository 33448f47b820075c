"""The voice grid: time step by time step, voice by voice: a pitch that begins, the hold of it, or a rest.

Source: the layout of Liang et al., BachBot, 2017, and Hadjeres et al., DeepBach, 2017, whose hold symbol tells a
repeated note from a held one.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.encoding.grammar import BEGIN, END, Frames, Rules
from etude.encoding.voices import Voices, empty_piece, fill, line, notes_by_voice
from etude.settings import Count, Range

HOLD, REST, FIRST = 3, 4, 5  # tokens after padding, begin and end; FIRST is the lowest pitch


class VoiceGrid(Voices):
    """Encode pieces as frames of one token a voice and back.

    A voice has one pitch at a time: of notes at one onset the highest stays, and the next onset ends it.
    """

    name, kind = "voicegrid", "tokens"

    def __init__(self, steps_per_beat: Annotated[int, Range(4, 24)], max_voices: Count) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready.

        Args:
            steps_per_beat: steps of the grid, a quarter.
            max_voices: where the dataset names no voices, the programs with the most notes that are taken.
        """
        super().__init__(steps_per_beat, max_voices)

    @property
    def vocabulary(self) -> int:
        """Number of tokens: padding, begin, end, hold, rest, and the pitches from low to high."""
        return FIRST + self.high - self.low + 1

    @property
    def frame(self) -> int:
        """Number of tokens of a frame, one a voice."""
        return len(self.voices)

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The tokens of a piece, begin and end included: (2 + frames * voices,)."""
        lines = [line(notes) for notes in notes_by_voice(score, self.voices, self.steps, self.low, self.high)]
        frames = max((int(notes[-1, 2]) for notes in lines if len(notes)), default=0)
        grid = np.full((frames, len(lines)), REST, dtype=np.uint16)
        for voice, notes in enumerate(lines):
            change = np.zeros(frames + 1, dtype=np.int64)
            np.add.at(change, notes[:, 0], 1)
            np.add.at(change, notes[:, 2], -1)
            grid[np.cumsum(change)[:-1] > 0, voice] = HOLD
            grid[notes[:, 0], voice] = notes[:, 1] - self.low + FIRST
        return np.concatenate([[BEGIN], grid.reshape(-1), [END]]).astype(np.uint16)

    def decode(self, tokens: NDArray[Any]) -> ScoreTick:
        """The piece of some tokens; padding, begin, end, a torn last frame and a hold of nothing are passed over."""
        tokens = np.asarray(tokens, dtype=np.int64)
        tokens = tokens[tokens > END]
        voices = len(self.voices)
        grid = tokens[: len(tokens) // voices * voices].reshape(-1, voices)
        piece = empty_piece(self.voices, self.tempo)
        for voice, track in enumerate(piece.tracks):
            cells = np.append(grid[:, voice], REST)
            ends = np.flatnonzero(cells != HOLD)  # of whatever was before: a note, or nothing
            onsets = np.flatnonzero(cells >= FIRST)
            until = ends[np.searchsorted(ends, onsets, side="right")]
            fill(track, np.column_stack([onsets, cells[onsets] - FIRST + self.low, until]), self.steps)
        return piece

    def rules(self, train: Iterable[NDArray[Any]]) -> Rules:
        """What may follow what: whole frames, and holds of notes alone."""
        return Frames(len(self.voices), self.vocabulary, HOLD, REST)
