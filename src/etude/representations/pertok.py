"""PerTok: time shifts on two grids at once, and how far a note is off them.

Source: Lemonaide's PerTok, 2024; MidiTok's ``PerTok``.
"""

import math
from typing import Annotated, Any

import miditok
from symusic.core import ScoreTick

from etude.config.check import Range
from etude.representations.base.midi_tokens import SIZES, Beats, Grid, MidiTokens
from etude.representations.base.survey import Survey

QUARTERS = 4  # quarter notes of a bar: MidiTok's PerTok misreads other meters, so none is written


class PerTok(MidiTokens):
    """Bars of four quarter notes, shifts, programs, pitches, (microtiming, velocity,) durations.

    Meters have no token: decoded pieces have 4/4.
    """

    tokenizer = miditok.PerTok
    tells_time = False

    def __init__(
        self,
        positions_per_beat: Grid,
        triplets: Annotated[int, Range(1, 24)] | None,
        max_beats: Beats,
        ticks_per_quarter: Annotated[int, Range(4, 960)],
        microtiming: Annotated[int, Range(2, 128)] | None,
        merges: str | None,
        vocabulary: Annotated[int, Range(8, SIZES)],
    ) -> None:
        """Settings alone; see MidiTokens.

        Args:
            positions_per_beat: steps of the first grid.
            triplets: steps of the second grid, as 3; None for the first alone.
            max_beats: the longest duration, where train has one as long.
            ticks_per_quarter: resolution of microtiming and of decoded pieces; both grids should divide it.
            microtiming: steps of the deviation from the grid, over half a step to each side; None for none.
            merges: see MidiTokens.
            vocabulary: see MidiTokens.
        """
        super().__init__(positions_per_beat, max_beats, merges, vocabulary)
        self.triplets = triplets
        self.ticks_per_quarter = ticks_per_quarter
        self.microtiming = microtiming

    def beats(self, found: Survey) -> int:
        """Beats of the longest duration and of a shift through a bar; MidiTok's range ends before its last."""
        return 1 + max(QUARTERS, min(self.max_beats, math.ceil(found.duration)))

    def config(self, found: Survey) -> dict[str, Any]:
        """See MidiTokens."""
        beats = self.beats(found)
        grids = {(0, beats): self.positions_per_beat}
        if self.triplets is not None:
            grids[0, beats - 1] = self.triplets
        return {
            **super().config(found),
            "beat_res": grids,
            "use_time_signatures": False,
            "ticks_per_quarter": self.ticks_per_quarter,
            "use_microtiming": self.microtiming is not None,
            "max_microtiming_shift": 0.5 / self.positions_per_beat,
            "num_microtiming_bins": self.microtiming or 2,
        }

    def piece(self, decoded: ScoreTick | None) -> ScoreTick:
        """See MidiTokens; a note whose deviation leads before the start of the piece starts with it."""
        piece = super().piece(decoded)
        for track in piece.tracks:
            for note in track.notes:
                note.time = max(0, note.time)
        return piece
