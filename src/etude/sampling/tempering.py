"""Two temperatures: of the pitches, and of the rhythm, which is all else: when notes start, how long they are, the end.

At a temperature below 1 a model writes the probable more often than music has it. Of pitches that is wanted: fewer
wrong notes. Of the rhythm it is not: what is most probable at each step of a grid is that nothing happens.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.representations.base.grid import FIRST, VoicesOnGrid
from etude.representations.base.midi_tokens import PITCHES, MidiTokens

LEAST = -1e300  # in place of -inf, where differences are taken
Scores = NDArray[np.float64]


class Tempering:
    """The scores of a representation's tokens at two temperatures.

    Tokens that differ in their pitches alone are of one kind. The probability of a kind is that of all its tokens
    together, at the temperature of the rhythm; that of a token within its kind is at the temperature of pitches.
    """

    def __init__(self, representation: Any, rhythm: float | None) -> None:
        """Args: what the tokens are; the temperature of the rhythm, None for that of pitches."""
        kinds = None if rhythm is None else _kinds(representation)
        self.rhythm = None if kinds is None else rhythm
        if kinds is not None:
            self.order = np.argsort(kinds, kind="stable")  # kind by kind
            self.places = np.argsort(self.order)
            self.starts = np.flatnonzero(np.diff(kinds[self.order], prepend=-1))
            self.sizes = np.diff(self.starts, append=len(kinds))

    def temper(self, scores: Scores, temperature: float) -> Scores:
        """Scores (B, V) of tokens, -inf or finite, as such at the temperature of pitches and that of the rhythm."""
        if self.rhythm is None:
            return scores if temperature == 1 else scores / temperature
        ordered = scores[:, self.order]
        cooled = ordered / temperature
        change = self._log_sums(ordered) / self.rhythm - self._log_sums(cooled)
        found: Scores = (cooled + np.repeat(change, self.sizes, axis=1))[:, self.places]
        return found

    def _log_sums(self, ordered: Scores) -> Scores:
        """The logarithm of the sum of exp over the tokens of each kind: (B, V) in ``order`` -> (B, kinds)."""
        most = np.maximum(np.maximum.reduceat(ordered, self.starts, axis=1), LEAST)
        sums = np.add.reduceat(np.exp(ordered - np.repeat(most, self.sizes, axis=1)), self.starts, axis=1)
        found: Scores = np.log(np.maximum(sums, 1e-300)) + most
        return found


def _kinds(representation: Any) -> NDArray[np.int64] | None:
    """The kind of each token, from 0 (V,); None where tokens do not tell their pitches."""
    if isinstance(representation, VoicesOnGrid):
        return np.minimum(np.arange(representation.vocabulary), FIRST)
    if not isinstance(representation, MidiTokens):
        return None
    numbers: dict[tuple[int, ...], int] = {}
    types = representation.types
    kinds = [tuple(-1 if types[part] in PITCHES else part for part in parts) for parts in representation.parts]
    return np.array([numbers.setdefault(kind, len(numbers)) for kind in kinds])
