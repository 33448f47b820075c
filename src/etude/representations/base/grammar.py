"""What may follow what in the tokens of a representation: the rules of constrained sampling."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PAD, BOS, EOS = 0, 1, 2  # of every representation of kind "tokens"
ANYWHERE = np.iinfo(np.int64).max  # the position of a token that has none
STAYS = -2  # the position after a token that does not change it


class Rules(Protocol):
    """Rules with a state: what is remembered of the tokens before the last."""

    def start(self, rows: int) -> NDArray[np.int64]:
        """The state of ``rows`` pieces of which only BOS is written: (B, S)."""

    def allowed(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What may come next after the last tokens (B,) in the state (B, S): (B, V)."""

    def move(self, tokens: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.int64]:
        """The state after ``tokens`` (B,): (B, S)."""


def observe_follows(
    types: Sequence[str], train: Iterable[NDArray[np.integer]], parts: Sequence[Sequence[int]] | None = None
) -> NDArray[np.bool_]:
    """Which type of token followed which in train: (types, types), the types in alphabetical order.

    Args:
        types: of each base token.
        train: the tokens of the train pieces, each (tokens,).
        parts: the base tokens that each token stands for; None where each stands for itself.
    """
    parts = parts or [(token,) for token in range(len(types))]
    names = sorted(set(types))
    kind = np.array([names.index(name) for name in types])
    first, last = (np.array([kind[part[end]] for part in parts]) for end in (0, -1))
    found = np.zeros((len(names), len(names)), dtype=bool)
    used = np.zeros(len(parts), dtype=bool)
    for piece in train:
        tokens = piece.astype(np.int64)
        used[tokens] = True
        found[last[tokens[:-1]], first[tokens[1:]]] = True
    for token in np.flatnonzero(used).tolist():
        inside = kind[list(parts[token])]
        found[inside[:-1], inside[1:]] = True
    return found


class Types:
    """Token types may follow each other as in train; time never goes back.

    Within a bar a position is later than the one before. Where bars are numbered (Octuple writes bar and position of
    each note), bars do not go back, and a position of the same bar may come again.

    A token may stand for several base tokens: then its first type follows the last type of the token before, and its
    positions follow the position before.
    """

    def __init__(
        self,
        types: Sequence[str],
        values: Sequence[str],
        follows: NDArray[np.bool_],
        parts: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Make the rules of what train has.

        Args:
            types: of each base token.
            values: of each base token, as text.
            follows: which type followed which in train, as ``observe_follows`` gives it (types, types).
            parts: the base tokens that each token stands for; None where each stands for itself.
        """
        parts = parts or [(token,) for token in range(len(types))]
        names = sorted(set(types))
        kind = np.array([names.index(name) for name in types])
        first, last = (np.array([kind[part[end]] for part in parts]) for end in (0, -1))
        found = follows.copy()
        found[kind[EOS]] = False
        found[:, kind[PAD]] = False
        self.follows = found[last][:, first]  # (V, V)
        self.follows[:, BOS] = False
        self.follows[EOS] = False
        self.follows[EOS, EOS] = True
        self.numbered = any(t == "Bar" and v.isdigit() for t, v in zip(types, values, strict=True))
        marks = [_marks([(types[token], values[token]) for token in part], self.numbered) for part in parts]
        self.bar, self.enter, self.leave = np.array(marks, dtype=np.int64).T
        self.from_place = np.where(self.enter >= 0, self.enter, ANYWHERE)
        self.to_place = np.where(self.leave >= 0, self.leave, np.where(self.bar >= 0, -1, STAYS))

    def start(self, rows: int) -> NDArray[np.int64]:
        """See Rules; the state is the number of the bar and the position in it, -1 at a bar line."""
        return np.tile(np.array([0, -1]), (rows, 1))

    def allowed(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Rules."""
        bar, place = state[:, :1], state[:, 1:]
        found: NDArray[np.bool_] = self.follows[last]
        if self.numbered:
            found &= (self.bar < 0) | (self.bar >= bar)
            found &= self.from_place >= place
        else:
            found &= self.from_place > place
        return found

    def move(self, tokens: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.int64]:
        """See Rules."""
        after = state.copy()
        bar, place = after.T
        to = self.to_place.take(tokens)
        if self.numbered:
            names, leave = self.bar.take(tokens), self.leave.take(tokens)
            new = names > bar
            bar[new] = names[new]
            to = np.where(leave >= 0, leave, np.where(new, -1, STAYS))
        np.copyto(place, to, where=to != STAYS)
        return after


def _marks(part: Sequence[tuple[str, str]], numbered: bool) -> tuple[int, int, int]:
    """Bar that a token names (0 where bars have no number), first position before it, last position after it; or -1."""
    bar = enter = leave = -1
    for name, value in part:
        if name == "Bar":
            bar, leave = int(value) if numbered else 0, -1
        elif name == "Position":
            enter, leave = (int(value) if bar < 0 and enter < 0 else enter), int(value)
    return bar, enter, leave


class Frames:
    """One token a voice in each frame, voice by voice; only what sounds is held; a piece ends with a frame."""

    def __init__(self, voices: int, vocabulary: int, hold: int, rest: int) -> None:
        """Args: voices of a frame, tokens in all, the hold and the rest token; the tokens after these are pitches."""
        self.voices, self.hold, self.rest = voices, hold, rest
        self.free = np.ones(vocabulary, dtype=bool)
        self.free[[PAD, BOS, EOS, hold]] = False

    def start(self, rows: int) -> NDArray[np.int64]:
        """See Rules; the state is the voice that comes next, and for each voice whether it sounds."""
        return np.zeros((rows, 1 + self.voices), dtype=np.int64)

    def allowed(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Rules."""
        voice, sounds = state[:, 0], state[:, 1:]
        found = np.tile(self.free, (len(last), 1))
        found[:, self.hold] = sounds[np.arange(len(last)), voice] == 1
        found[:, EOS] = (voice == 0) & (last != BOS)
        found[last == EOS] = False
        found[last == EOS, EOS] = True
        return found

    def move(self, tokens: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.int64]:
        """See Rules."""
        after = state.copy()
        rows = np.flatnonzero(tokens != EOS)
        after[rows, 1 + state[rows, 0]] = tokens[rows] != self.rest
        after[rows, 0] = (state[rows, 0] + 1) % self.voices
        return after
