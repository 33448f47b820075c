"""What the compound representations share: rows of fields, each with a vocabulary of its own, written as one stream.

MidiTok gives a list of fields a note (Octuple) or a note, position or bar (CPWord). Here the fields of a row are
written one after the other, each as a token from its field's own block of numbers, so that every model of sequences can
learn them. Fields that a row does not use are not written.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from miditok import MusicTokenizer
from symusic.core import ScoreTick

from etude.representations.base.grammar import EOS
from etude.representations.base.midi_tokens import Beats, Grid, MidiTokens

SPECIAL = EOS + 1  # PAD, BOS and EOS start every field's vocabulary; the stream has them once


class Compound(MidiTokens):
    """Encode pieces as a stream of fields and back."""

    order: ClassVar[tuple[str, ...]]  # of the fields in the stream, by the type of their tokens
    rows: ClassVar[tuple[frozenset[str], ...]]  # the types of each kind of row, those that train does not use included

    def __init__(self, positions_per_beat: Grid, max_beats: Beats) -> None:
        """Settings alone; see MidiTokens. There are no merged tokens: MidiTok has none for several vocabularies."""
        super().__init__(positions_per_beat, max_beats, merges=None, vocabulary=8)

    @classmethod
    def fields(cls, tokenizer: MusicTokenizer) -> list[int]:
        """The places of MidiTok's fields in the order of the stream."""
        places = tokenizer.vocab_types_idx
        found = [places[name] for name in cls.order if name in places]
        return list(dict.fromkeys(found))

    @classmethod
    def names_of(cls, tokenizer: MusicTokenizer) -> list[str]:
        """The tokens of the stream: the special ones, then field by field."""
        names = ["PAD_None", "BOS_None", "EOS_None"]
        for field in cls.fields(tokenizer):
            vocabulary = tokenizer.vocab[field]
            names += sorted(vocabulary, key=vocabulary.__getitem__)[SPECIAL:]
        return names

    @cached_property
    def _blocks(self) -> list[tuple[int, int]]:
        """For each field of the stream its place in MidiTok's rows and the number before its first token's."""
        found, start = [], 0
        for field in self.fields(self.made):
            found.append((field, start))
            start += len(self.made.vocab[field]) - SPECIAL
        return found

    @cached_property
    def _ignored(self) -> dict[int, int]:
        """For each field of MidiTok's rows the number that marks it as not used."""
        return {field: vocabulary.get("Ignore_None", 0) for field, vocabulary in enumerate(self.made.vocab)}

    def ids(self, score: ScoreTick) -> list[int]:
        """The rows of a piece as one stream."""
        rows: Sequence[Any] = super().ids(score)
        ignored = self._ignored
        return [row[field] + start for row in rows for field, start in self._blocks if row[field] != ignored[field]]

    def score(self, ids: list[int]) -> ScoreTick | None:
        """The piece of a stream. A row that lacks a field, or that goes back in time, is skipped."""
        table, kinds = self._table
        rows: list[list[int]] = []
        last, types = len(self._blocks), 0
        for token in ids:
            place, kind = table[token][:2]
            if place <= last:  # a new row
                if rows and types not in kinds:
                    rows.pop()
                rows.append([])
                types = 0
            rows[-1].append(token)
            last, types = place, types | kind
        if rows and types not in kinds:
            rows.pop()
        wide = []
        unused = [self._ignored[field] for field in range(len(self.made.vocab))]
        for row in self.forward(rows):
            fields = unused.copy()
            for token in row:
                _, _, field, number = table[token]
                fields[field] = number
            wide.append(fields)
        return self.made.decode(wide) if wide else None

    @cached_property
    def _table(self) -> tuple[list[tuple[int, int, int, int]], set[int]]:
        """For each token its field in the stream, a bit for its type, its field in MidiTok and its number there.

        And the bits of each kind of complete row: all types of its kind that this vocabulary has.
        """
        bits = {name: 1 << number for number, name in enumerate(sorted(set(self.types)))}
        table = [(0, 0, 0, 0)] * SPECIAL
        for place, (field, start) in enumerate(self._blocks):
            for number in range(SPECIAL, len(self.made.vocab[field])):
                table.append((place, bits[self.types[start + number]], field, number))
        return table, {sum(bits[name] for name in row if name in bits) for row in self.rows}

    def forward(self, rows: list[list[int]]) -> list[list[int]]:
        """The rows, each the tokens of its fields, without those that MidiTok cannot place in time."""
        return rows
