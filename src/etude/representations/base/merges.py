"""Tokens that stand for several base tokens, learned from train.

Notes: one token for program, pitch and duration of a note, as far as train has it. Others are learned with MidiTok and
the tokenizers library: byte pair encoding after Sennrich et al., 2016; Unigram after Kudo, 2018. A merged token lies
within one bar where the tokens tell bars, else within one piece.

The Unigram trainer goes through hash maps, so from run to run its sums differ after the twelfth digit or so, and base
tokens that train hardly holds get their scores, a row in steps of 0.0001 below all others, in another order
(huggingface/tokenizers#668). Scores are therefore rounded, the lowest assigned by number, and all sorted: two runs then
give the same bytes, unless a sum lies on a rounding edge.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from miditok import MusicTokenizer, TokSequence
from miditok.constants import CHR_ID_START
from numpy.typing import NDArray

from etude.representations.base.grammar import EOS

KINDS = {"bpe": "BPE", "unigram": "Unigram"}
NOTES = "notes"
NOTE = ("Program", "Pitch", "Duration")  # types of the base tokens of a note without a velocity
MOST = 1_000_000  # base tokens to learn from; beyond, every second, fourth, ... piece is taken
STEP = 1e-4  # from one score to the next of base tokens that the Unigram trainer has no estimate for


class Merged(Protocol):
    """Tokens that stand for several base tokens."""

    parts: list[tuple[int, ...]]  # the base tokens of each token

    def encode(self, ids: Sequence[int]) -> list[int]:
        """Merge the base tokens of a piece."""


class Notes:
    """A note is one token where train has it, else as many as without merges. Base tokens keep their numbers."""

    def __init__(self, types: Sequence[str], notes: Iterable[Sequence[int]]) -> None:
        """Args: the type of each base token, the base tokens of each note that is a token, in their order."""
        self.parts = [(token,) for token in range(len(types))] + [tuple(note) for note in notes]
        self._numbers = {part: number for number, part in enumerate(self.parts) if len(part) > 1}
        self._starts = np.array([name == NOTE[0] for name in types])

    @classmethod
    def learn(cls, types: Sequence[str], size: int, sequences: Iterable[NDArray[np.integer]]) -> "Notes":
        """Learn the notes of train; only the most frequent, where all tokens would be more than ``size``."""
        kinds = np.array([NOTE.index(name) if name in NOTE else -1 for name in types])
        counts: Counter[tuple[int, ...]] = Counter()
        for sequence in sequences:
            kind = kinds[sequence]
            starts = np.flatnonzero((kind[:-2] == 0) & (kind[1:-1] == 1) & (kind[2:] == 2))
            counts.update(map(tuple, sequence[starts[:, None] + np.arange(len(NOTE))].tolist()))
        ranked = sorted(counts, key=lambda note: (-counts[note], note))
        return cls(types, sorted(ranked[: max(0, size - len(types))]))

    @property
    def notes(self) -> list[tuple[int, ...]]:
        """The base tokens of each note that is a token."""
        return [part for part in self.parts if len(part) > 1]

    def encode(self, ids: Sequence[int]) -> list[int]:
        """See Merged."""
        found: list[int] = []
        place = 0
        while place < len(ids):
            number = None
            if self._starts[ids[place]]:
                number = self._numbers.get(tuple(ids[place : place + len(NOTE)]))
            found.append(ids[place] if number is None else number)
            place += 1 if number is None else len(NOTE)
        return found


class Merges:
    """Base tokens to merged tokens and back. Base tokens keep their numbers; merged tokens are numbered after them."""

    def __init__(self, tokenizer: MusicTokenizer, types: Sequence[str]) -> None:
        """Args: a trained tokenizer, the type of each base token."""
        self.tokenizer = tokenizer
        self.apart = _apart(types)
        found = {name: self._base(number) for name, number in tokenizer.vocab_model.items()}
        longer = {part for part in found.values() if len(part) > 1 and min(part) > EOS}
        self.parts = [(token,) for token in range(len(types))] + sorted(longer)
        numbers = {part: number for number, part in enumerate(self.parts)}
        self._numbers = {tokenizer.vocab_model[name]: numbers.get(part, 0) for name, part in found.items()}

    def _base(self, number: int) -> tuple[int, ...]:
        sequence = TokSequence(ids=[number], are_ids_encoded=True)
        self.tokenizer.decode_token_ids(sequence)
        return tuple(sequence.ids)

    @classmethod
    def learn(
        cls,
        tokenizer: MusicTokenizer,
        kind: str,
        size: int,
        sequences: Iterable[NDArray[np.integer]],
        types: Sequence[str],
    ) -> "Merges":
        """Learn ``size`` tokens in all from the base tokens of train pieces; ``kind`` is bpe or unigram."""
        tokenizer.config.encode_ids_split = "no"  # words are cut here
        apart = _apart(types)
        kept: list[list[list[int]]] = []
        stride = total = 0
        for place, sequence in enumerate(sequences):
            if stride and place % stride:
                continue
            kept.append(_words([token for token in sequence.tolist() if token > EOS], apart))
            total += len(sequence)
            if total > MOST:
                stride = max(1, stride) * 2
                kept, total = kept[::2], total // 2
        text = [["".join(chr(CHR_ID_START + token) for token in word) for word in piece] for piece in kept]
        own = len(tokenizer.special_tokens) if kind == "unigram" else 0  # which the trainer counts twice
        tokenizer.train(vocab_size=size + own, model=KINDS[kind], iterator=text)
        return cls(_canonical(tokenizer), types)

    def encode(self, ids: Sequence[int]) -> list[int]:
        """Merge the base tokens of a piece."""
        words = [TokSequence(ids=word) for word in _words(ids, self.apart)]
        self.tokenizer.encode_token_ids(words)
        return [self._numbers[number] for word in words for number in word.ids]


def _apart(types: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a word starts before each base token, and whether one starts after it: (2, V)."""
    tracks = [name in ("TrackStart", "TrackEnd") for name in types]
    return np.array([[track or name == "Bar" for track, name in zip(tracks, types, strict=True)], tracks])


def _words(ids: Sequence[int], apart: NDArray[np.bool_]) -> list[list[int]]:
    tokens = np.asarray(ids, dtype=np.int64)
    cuts = apart[0][tokens]
    cuts[1:] |= apart[1][tokens[:-1]]
    return [word.tolist() for word in np.split(tokens, np.flatnonzero(cuts)) if len(word)]


def _canonical(tokenizer: MusicTokenizer) -> MusicTokenizer:
    """The same tokenizer with rounded and sorted Unigram scores."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokenizer.json"
        tokenizer.save(file)
        whole = json.loads(file.read_text(encoding="utf-8"))
        model = json.loads(whole["_model"])
        if model["model"]["type"] == "Unigram":
            special = len(model["added_tokens"])  # they come first
            vocabulary = model["model"]["vocab"]
            scores = {piece: round(score, 6) for piece, score in vocabulary[special:]}
            model["model"]["vocab"] = [*vocabulary[:special], *map(list, _assign_scores(scores))]
            whole["_model"] = json.dumps(model, ensure_ascii=False)
        file.write_text(json.dumps(whole), encoding="utf-8")
        return type(tokenizer)(params=file)


def _assign_scores(scores: dict[str, float]) -> list[tuple[str, float]]:
    """Pieces and scores from high to low; the lowest row of single characters gets its scores in their order."""
    single = sorted((score, piece) for piece, score in scores.items() if len(piece) == 1)
    end = 1
    while end < len(single) and single[end][0] - single[end - 1][0] < STEP * 1.02:
        end += 1
    row = sorted(piece for _, piece in single[:end])
    assigned = scores | {piece: score for piece, (score, _) in zip(row, reversed(single[:end]), strict=True)}
    return sorted(assigned.items(), key=lambda entry: (-entry[1], entry[0]))
