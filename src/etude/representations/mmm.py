"""MMM: track after track, each a piece of its own from its start to its end.

Source: Ens and Pasquier, MMM, 2020; MidiTok's ``MMM``, which writes each track with REMI, TSD or MIDI-Like.
"""

from typing import Annotated, Any

import miditok
from miditok import MusicTokenizer
from miditok.constants import MMM_COMPATIBLE_TOKENIZERS

from etude.config.check import Range
from etude.core.errors import EtudeError
from etude.representations.base.midi_tokens import SIZES, Beats, Grid, MidiTokens
from etude.representations.base.survey import Survey


class Mmm(MidiTokens):
    """Tracks one after the other. Tempos and meters stand in every track; those of the first count."""

    tokenizer = miditok.MMM
    tells_time = False
    ends = ("Duration", "NoteOn", "DrumOn", "NoteOff", "DrumOff", "TimeSig", "TrackEnd")

    def __init__(
        self,
        base: str,
        positions_per_beat: Grid,
        max_beats: Beats,
        merges: str | None,
        vocabulary: Annotated[int, Range(8, SIZES)],
    ) -> None:
        """Settings alone; see MidiTokens. ``base`` names the tokenizer of a track: REMI, TSD or MIDILike."""
        super().__init__(positions_per_beat, max_beats, merges, vocabulary)
        if base not in MMM_COMPATIBLE_TOKENIZERS:
            raise EtudeError(
                f"tokenize.mmm.base = {base!r} must be one of {', '.join(sorted(MMM_COMPATIBLE_TOKENIZERS))}."
            )
        self.base = base

    def config(self, found: Survey) -> dict[str, Any]:
        """See MidiTokens."""
        longest = f"{self.beats(found)}.0.{self.positions_per_beat}"  # of a note that MIDI-Like never switches off
        own = {"one_token_stream_for_programs": False, "base_tokenizer": self.base, "max_duration": longest}
        return {**super().config(found), **own}

    @classmethod
    def types_of(cls, tokenizer: MusicTokenizer) -> list[str]:
        """See MidiTokens; the start and the end of a track are types of their own."""
        return [
            name.replace("_", "") if name.startswith("Track_") else name.split("_")[0]
            for name in cls.names_of(tokenizer)
        ]
