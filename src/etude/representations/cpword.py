"""Compound words: rows for bars (with their meter), positions (with the tempo) and notes.

Source: Hsiao et al., Compound Word Transformer, 2021; MidiTok's ``CPWord``.
"""

import miditok
from miditok import MusicTokenizer

from etude.representations.base.compound import Compound


class CPWord(Compound):
    """Rows of bars, positions and notes; the first field of a row says which it is."""

    tokenizer = miditok.CPWord
    order = ("Family", "Bar", "Position", "TimeSig", "Tempo", "Program", "Pitch", "Velocity", "Duration")
    rows = (
        frozenset({"FamilyMetric", "Bar", "TimeSig"}),
        frozenset({"FamilyMetric", "Position", "Tempo"}),
        frozenset({"FamilyNote", "Program", "Pitch", "Velocity", "Duration"}),
        frozenset({"FamilyNote", "Program", "PitchDrum", "Velocity", "Duration"}),
    )

    @classmethod
    def types_of(cls, tokenizer: MusicTokenizer) -> list[str]:
        """See MidiTokens; the two families are types of their own."""
        return [
            name.replace("_", "") if name.startswith("Family") else name.split("_")[0]
            for name in cls.names_of(tokenizer)
        ]
