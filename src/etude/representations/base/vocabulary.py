"""What the items of a sequence are: tokens of a vocabulary, or frames of keys; and how encoded pieces become either."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.representations.base.grammar import PAD

NONE = -1.0  # in the place of each key of a frame that is none


@dataclass(frozen=True)
class ItemSpec:
    """``size`` tokens, of which an item is one; or, with ``keys``, frames of ``size`` keys, each of which may sound.

    Tokens may be made of others: ``parts`` has those of each token, itself where it is made of none.
    """

    size: int
    keys: bool = False
    parts: tuple[tuple[int, ...], ...] = ()

    @property
    def unit(self) -> str:
        """What likelihood is counted by: note or frame."""
        return "frame" if self.keys else "note"

    def items(self, encoded: NDArray[np.integer]) -> NDArray[np.number]:
        """An encoded piece, or a part of it, as a model reads it.

        Args:
            encoded: (T,) tokens, or (T, bytes) frames that are packed to bits.

        Returns:
            (T,) int64, or (T, size) float32 of 0 and 1.
        """
        if not self.keys:
            return encoded.astype(np.int64)
        return np.unpackbits(np.asarray(encoded, np.uint8), axis=1, count=self.size).astype(np.float32)

    def padded(self, rows: int, length: int) -> NDArray[np.number]:
        """Padding to be written over: (rows, length), or (rows, length, size)."""
        if not self.keys:
            return np.full((rows, length), PAD, dtype=np.int64)
        return np.full((rows, length, self.size), NONE, dtype=np.float32)
