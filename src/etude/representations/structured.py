"""Structured: the same row of types for each note: time shift, program, pitch, (velocity,) duration.

Source: Hadjeres and Crestel, The Piano Inpainting Application, 2021; MidiTok's ``Structured``.
"""

import math
from typing import Any

import miditok
from symusic.core import ScoreTick, TempoTick

from etude.representations.base.midi_tokens import MidiTokens
from etude.representations.base.survey import Survey

LONGEST_REST = 64  # beats


class Structured(MidiTokens):
    """Neither tempo nor meter has a token: decoded pieces have the usual tempo of train and 4/4.

    There is one shift a note, at most as long as the longest duration, so durations go up to the longest time from
    onset to onset in train, of up to 64 beats. A longer rest is shortened, and all that follows comes too early.
    """

    tokenizer = miditok.Structured

    def beats(self, found: Survey) -> int:
        """Beats of the longest duration and of the longest shift."""
        return max(1, min(self.max_beats, math.ceil(found.duration)), min(LONGEST_REST, math.ceil(found.gap)))

    def config(self, found: Survey) -> dict[str, Any]:
        """See MidiTokens."""
        return {**super().config(found), "usual_tempo": found.tempo}

    def piece(self, decoded: ScoreTick | None) -> ScoreTick:
        """See MidiTokens."""
        piece = super().piece(decoded)
        piece.tempos = type(piece.tempos)([TempoTick(0, qpm=self.made.config.additional_params["usual_tempo"])])
        return piece
