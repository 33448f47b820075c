"""Octuple: one row a note, with its bar, position, program, pitch, velocity, duration, tempo and meter.

Source: Zeng et al., MusicBERT, 2021; MidiTok's ``Octuple``.
"""

from typing import Any

import miditok

from etude.representations.base.compound import Compound
from etude.representations.base.survey import Survey

NOTE = frozenset({"TimeSig", "Tempo", "Bar", "Position", "Program", "Velocity", "Duration"})


class Octuple(Compound):
    """Rows of notes, time first, so that a model writes when before what.

    Bars are numbered, up to the longest piece of train; the rest of a longer piece is cut off. A change of meter in
    a bar without notes moves what follows by up to a bar (see MidiTok's documentation).
    """

    tokenizer = miditok.Octuple
    tells_time = False
    order = ("TimeSig", "Tempo", "Bar", "Position", "Program", "Pitch", "Velocity", "Duration")
    rows = (NOTE | {"Pitch"}, NOTE | {"PitchDrum"})

    def config(self, found: Survey) -> dict[str, Any]:
        """See MidiTokens."""
        return {**super().config(found), "max_bar_embedding": max(1, found.bars)}

    def forward(self, rows: list[list[int]]) -> list[list[int]]:
        """See Compound: a bar that comes after a later one is left out."""
        kept, reached = [], 0
        for row in rows:
            bar = next(int(self.values[token]) for token in row if self.types[token] == "Bar")
            if bar >= reached:
                kept.append(row)
                reached = bar
        return kept
