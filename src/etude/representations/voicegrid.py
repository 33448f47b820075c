"""The voice grid: time step by time step, voice by voice: a pitch that begins, the hold of it, or a rest.

Source: the layout of Liang et al., BachBot, 2017, and Hadjeres et al., DeepBach, 2017, whose hold symbol tells a
repeated note from a held one.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.encoding.alphabet import Alphabet
from etude.encoding.grammar import BEGIN, END, Frames, Rules
from etude.encoding.grid import FIRST, HOLD, REST, from_grid, to_grid
from etude.encoding.voices import Voices
from etude.settings import Count, Range

__all__ = ["FIRST", "HOLD", "REST", "VoiceGrid"]


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
    def alphabet(self) -> Alphabet:
        """What a model reads: one token of ``vocabulary`` an item."""
        return Alphabet(self.vocabulary)

    @property
    def frame(self) -> int:
        """Number of tokens of a frame, one a voice."""
        return len(self.voices)

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The tokens of a piece, begin and end included: (2 + frames * voices,)."""
        grid = to_grid(score, self.voices, self.steps, self.low, self.high)
        return np.concatenate([[BEGIN], grid.reshape(-1), [END]]).astype(np.uint16)

    def decode(self, tokens: NDArray[Any]) -> ScoreTick:
        """The piece of some tokens; padding, begin, end, a torn last frame and a hold of nothing are passed over."""
        tokens = np.asarray(tokens, dtype=np.int64)
        tokens = tokens[tokens > END]
        voices = len(self.voices)
        grid = tokens[: len(tokens) // voices * voices].reshape(-1, voices)
        return from_grid(grid, self.voices, self.steps, self.low, self.tempo)

    def rules(self, train: Iterable[NDArray[Any]]) -> Rules:
        """What may follow what: whole frames, and holds of notes alone."""
        return Frames(len(self.voices), self.vocabulary, HOLD, REST)
