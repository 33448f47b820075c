"""The voice grid: time step by time step, voice by voice: a pitch that starts, the hold of it, or a rest.

Source: the layout of Liang et al., BachBot, 2017, and Hadjeres et al., DeepBach, 2017, whose hold symbol
distinguishes a repeated note from a held one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.representations.base.grammar import BOS, EOS, Frames, Rules
from etude.representations.base.grid import FIRST, HOLD, REST, VoicesOnGrid, find_keys, from_grid, to_grid
from etude.representations.base.representation import Observed
from etude.representations.base.vocabulary import ItemSpec


class VoiceGrid(VoicesOnGrid):
    """Encode pieces as frames of one token a voice and back.

    A voice has one pitch at a time: the highest of the notes at an onset stays, and the next onset ends it.
    """

    name, kind = "voicegrid", "tokens"
    tells_time = True

    @property
    def item_spec(self) -> ItemSpec:
        """What a model reads: one token of ``vocabulary`` an item."""
        return ItemSpec(self.vocabulary)

    @property
    def frame(self) -> int:
        """Number of tokens of a frame, one a voice."""
        return len(self.voices)

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The tokens of a piece, start and end included: (2 + frames * voices,)."""
        grid = to_grid(score, self.voices, self.steps, self.low, self.high)
        return np.concatenate([[BOS], grid.reshape(-1), [EOS]]).astype(np.uint16)

    def decode(self, tokens: NDArray[np.integer]) -> ScoreTick:
        """The piece of some tokens; padding, start, end, a truncated last frame and a hold of nothing are skipped."""
        tokens = np.asarray(tokens, dtype=np.int64)
        tokens = tokens[tokens > EOS]
        voices = len(self.voices)
        grid = tokens[: len(tokens) // voices * voices].reshape(-1, voices)
        return from_grid(grid, self.voices, self.steps, self.low, self.tempo)

    def cells_of(self, items: NDArray[np.integer]) -> NDArray[np.integer]:
        """The cells of an encoded piece: (frames, voices)."""
        return items[1:-1].reshape(-1, len(self.voices))

    @property
    def pitches(self) -> NDArray[np.int64]:
        """The MIDI pitch that each token starts, -1 for a token that starts none: (V,)."""
        tokens = np.arange(self.vocabulary)
        return np.where(tokens >= FIRST, tokens - FIRST + self.low, -1)

    def note_items(self, items: NDArray[np.integer], bar: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The voice of each item of an encoded piece, and its position in the bar: each (T,), -1 at start and end.

        Args:
            items: (T,) tokens.
            bar: steps of the grid in a bar; the first bar starts with the piece.
        """
        cell = np.arange(len(items)) - 1
        inside = (cell >= 0) & (np.asarray(items) > EOS)
        voices = len(self.voices)
        return np.where(inside, cell % voices, -1), np.where(inside, cell // voices % bar, -1)

    def observe(self, train: Sequence[NDArray[np.integer]]) -> dict[str, NDArray[Any]]:
        """See VoicesOnGrid; and of each piece (pieces,) ``lengths``, its frames, and ``keys``, by ``find_keys``."""
        lengths = np.array([len(self.cells_of(piece)) for piece in train], dtype=np.int32)
        keys = [int(find_keys(self.cells_of(piece)[None])[0]) for piece in train]
        return {**super().observe(train), "lengths": lengths, "keys": np.array(keys, dtype=np.int32)}

    def rules(self, observed: Observed) -> Rules:
        """What may follow what: complete frames, and holds of notes alone."""
        return Frames(len(self.voices), self.vocabulary, HOLD, REST)
