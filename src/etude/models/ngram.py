"""The counting baseline: an interpolated n-gram with one skip.

Witten-Bell weights after Bell, Cleary and Witten, Text Compression, 1990; skips after Goodman, A Bit of Progress in
Language Modeling, 2001.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etude.config.check import Count, Range
from etude.models.sequence import SequenceModel
from etude.representations.base.grammar import PAD
from etude.representations.base.vocabulary import ItemSpec

PARTS = {"contexts": torch.int64, "starts": torch.int32, "tokens": torch.int16, "counts": torch.int32}  # of a table
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplication by it permutes the 64-bit numbers


def match_repeats(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """The token that followed the last occurrence of the token before each position, -1 for none: (T,) -> (T,)."""
    found = np.full(len(tokens), -1, dtype=np.int64)
    last: dict[int, int] = {}
    for place, token in enumerate(tokens[:-1].tolist(), start=1):
        if token in last:
            found[place] = tokens[last[token]]
        last[token] = place
    return found


def _codes(tokens: NDArray[np.int64]) -> NDArray[np.uint64]:
    codes = (tokens + 2).astype(np.uint64) * np.uint64(0xD1342543DE82EF95)
    return codes ^ (codes >> np.uint64(29))


class NGram(SequenceModel):
    """Counts of each token after each context of up to ``order`` - 1 tokens.

    Voices are written in turn, so a voice's last note is many tokens back, out of reach of plain n-grams. In a context
    of two or more tokens the oldest is therefore replaced by the repeat match: the token that followed the last
    occurrence of the token just read. After a voice's name that is its last pitch, whatever lies between.

    p_k(w | c) = (count(c w) + kinds(c) p_{k-1}(w | shorter c)) / (count(c) + kinds(c)), and p_0 is uniform. ``kinds``
    is the number of different tokens observed after the context. A context that was never observed backs off to the
    shorter one. Contexts are 64-bit hashes.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)
    takes: ClassVar[tuple[str, ...]] = ("vocabulary",)
    can_continue: ClassVar[bool] = False  # it keeps no state that a prime or other voices could set
    can_harmonize: ClassVar[bool] = False

    def __init__(self, vocabulary: int, order: Annotated[int, Range(1, 32)], max_tokens: Count) -> None:
        """Args: vocabulary size, longest context plus one, train tokens to count at most."""
        super().__init__(ItemSpec(vocabulary))
        self.vocabulary, self.order, self.max_tokens = vocabulary, order, max_tokens
        self.use = order  # longest context that is used, plus one; chosen on valid
        self.tables: list[tuple[NDArray[np.integer], ...]] = []  # by context length: contexts, starts, tokens, counts

    @property
    def min_batch(self) -> int:
        """See SequenceModel; no row's sums depend on other rows."""
        return 1

    def count(self, pieces: Iterable[NDArray[np.integer]]) -> None:
        """Count the tokens of ``pieces``, each (tokens,)."""
        rows = [piece.astype(np.int64) for piece in pieces]
        repeats = [match_repeats(row) for row in rows]
        self.tables = []
        for length in range(self.order):
            hashes = (self._hashes(*both, length)[1:] for both in zip(rows, repeats, strict=True))
            contexts = np.concatenate(list(hashes))
            tokens = np.concatenate([row[1:] for row in rows])
            order = np.lexsort((tokens, contexts))
            contexts, tokens = contexts[order], tokens[order]
            new = np.ones(len(tokens), dtype=bool)
            new[1:] = (contexts[1:] != contexts[:-1]) | (tokens[1:] != tokens[:-1])
            first = np.flatnonzero(new)
            counts = np.diff(np.append(first, len(tokens)))
            kinds, starts = np.unique(contexts[first], return_index=True)
            table = (kinds, np.append(starts, len(first)), tokens[first].astype(np.uint16), counts.astype(np.int32))
            self.tables.append(table)

    def _hashes(self, tokens: NDArray[np.int64], repeats: NDArray[np.int64], length: int) -> NDArray[np.uint64]:
        """Hash of the context of ``length`` before each position, shorter near the start: (T,), (T,) -> (T,)."""
        total = _codes(repeats) if length > 1 else np.zeros(len(tokens), dtype=np.uint64)
        codes = _codes(tokens)
        for back in range(length - (length > 1), 0, -1):
            total *= BASE
            if back < len(tokens):
                total[back:] += codes[: len(tokens) - back]
        return total

    def nats(self, items: Tensor) -> Tensor:
        """See SequenceModel."""
        costs = np.zeros((items.shape[0], items.shape[1] - 1))
        for row, piece in enumerate(items.numpy()):
            length = int((piece != PAD).sum())
            costs[row, : length - 1] = -np.log(self._probabilities(piece[:length])[1:])
        return torch.from_numpy(costs)

    def _probabilities(self, piece: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability of each token of a piece given those before it: (T,) -> (T,)."""
        probabilities = np.full(len(piece), 1.0 / self.vocabulary)
        repeats = match_repeats(piece)
        for length, (contexts, starts, observed, counts) in enumerate(self.tables[: self.use]):
            hashes = self._hashes(piece, repeats, length)
            place = np.searchsorted(contexts, hashes).clip(max=len(contexts) - 1)
            known = contexts[place] == hashes
            sums = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
            start, end = starts[place], starts[place + 1]
            total, kinds = sums[end] - sums[start], end - start
            keys = np.repeat(np.arange(len(contexts)), np.diff(starts)) * self.vocabulary + observed
            targets = place * self.vocabulary + piece
            pair = np.searchsorted(keys, targets).clip(max=len(keys) - 1)
            hits = np.where(keys[pair] == targets, counts[pair], 0)
            probabilities = np.where(known, (hits + kinds * probabilities) / (total + kinds), probabilities)
        return probabilities

    def predict(self, items: Tensor) -> Tensor:
        """See SequenceModel."""
        found = torch.zeros(items.shape[0], items.shape[1] - 1, self.vocabulary)
        for row, piece in enumerate(items.numpy()):
            length = int((piece != PAD).sum())
            found[row, : length - 1] = torch.from_numpy(self._distributions(piece[:length])[1:])
        return found

    def _distributions(self, piece: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distribution of each token of a piece given those before it: (T,) -> (T, V)."""
        found = np.full((len(piece), self.vocabulary), 1.0 / self.vocabulary)
        repeats = match_repeats(piece)
        for length, (contexts, starts, observed, counts) in enumerate(self.tables[: self.use]):
            hashes = self._hashes(piece, repeats, length)
            place = np.searchsorted(contexts, hashes).clip(max=len(contexts) - 1)
            rows = np.flatnonzero(contexts[place] == hashes)
            place = place[rows]
            kinds = starts[place + 1] - starts[place]
            ends = np.cumsum(kinds)
            entries = np.arange(int(kinds.sum())) + np.repeat(starts[place] - (ends - kinds), kinds)
            sums = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
            whole = sums[starts[place + 1]] - sums[starts[place]] + kinds
            found[rows] *= (kinds / whole)[:, None]
            found[np.repeat(rows, kinds), observed[entries]] += counts[entries] / np.repeat(whole, kinds)
        return found

    def step(self, items: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """See SequenceModel; the state is the tokens so far, one array a row."""
        empty = np.zeros(0, dtype=np.int64)
        state = [
            np.append(past, token) for past, token in zip(state or [empty] * len(items), items.numpy(), strict=True)
        ]
        return torch.from_numpy(np.log(np.stack([self._next(past) for past in state]))), state

    def _next(self, past: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distribution of the token after ``past``: (V,)."""
        probabilities = np.full(self.vocabulary, 1.0 / self.vocabulary)
        repeat = match_repeats(np.append(past, 0))[-1:]
        near = np.append(past[-self.order :], 0)
        for length, (contexts, starts, observed, counts) in enumerate(self.tables[: self.use]):
            value = self._hashes(near, np.broadcast_to(repeat, near.shape), length)[-1]
            place = int(np.searchsorted(contexts, value))
            if place == len(contexts) or contexts[place] != value:
                break
            part = slice(starts[place], starts[place + 1])
            kinds = part.stop - part.start
            totals = kinds * probabilities
            totals[observed[part]] += counts[part]
            probabilities = totals / (counts[part].sum() + kinds)
        return probabilities

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The tables as tensors."""
        tensors = {"use": torch.tensor(self.use)}
        for length, (contexts, starts, tokens, counts) in enumerate(self.tables[: self.use]):
            tensors[f"{length}.contexts"] = torch.from_numpy(contexts.view(np.int64).copy())
            tensors[f"{length}.starts"] = torch.from_numpy(starts.astype(np.int32))
            tensors[f"{length}.tokens"] = torch.from_numpy(tokens.astype(np.int16))
            tensors[f"{length}.counts"] = torch.from_numpy(counts)
        return tensors

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take the tables from tensors. ValueError where they are no counts of this vocabulary."""
        use = state_dict["use"]
        if use.dtype != torch.int64 or use.ndim or not 0 <= int(use) <= self.order:
            raise ValueError(f"use must be a whole number from 0 to order = {self.order}")
        names = {"use", *(f"{length}.{part}" for length in range(int(use)) for part in PARTS)}
        if set(state_dict) != names:
            raise ValueError(f"it has other tensors than the {len(names)} tables of use = {int(use)}")
        self.use = int(use)
        tables: list[tuple[NDArray[np.integer], ...]] = []
        for length in range(self.use):
            parts = [state_dict[f"{length}.{part}"] for part in PARTS]
            if [part.dtype for part in parts] != list(PARTS.values()) or {part.ndim for part in parts} != {1}:
                raise ValueError(f"the tables of contexts of {length} tokens are of another type")
            contexts, starts, tokens, counts = (part.numpy() for part in parts)
            table = (contexts.view(np.uint64), starts.astype(np.int64), tokens.view(np.uint16), counts)
            if not self._fits(*table):
                raise ValueError(f"the tables of contexts of {length} tokens are no counts of {self.vocabulary} tokens")
            tables.append(table)
        self.tables = tables
        return None

    def _fits(
        self,
        contexts: NDArray[np.integer],
        starts: NDArray[np.integer],
        tokens: NDArray[np.integer],
        counts: NDArray[np.integer],
    ) -> bool:
        """Whether each context, in ascending order, has tokens of the vocabulary, and each of these was counted."""
        return (
            len(contexts) > 0
            and len(starts) == len(contexts) + 1
            and len(tokens) == len(counts) == starts[-1]
            and starts[0] == 0
            and bool((contexts[1:] > contexts[:-1]).all() and (np.diff(starts) > 0).all())
            and bool((tokens < self.vocabulary).all() and (counts > 0).all())
        )
