"""MIDI-Like: notes are switched on and off, as in a MIDI file.

Source: Oore et al., This Time with Feeling, 2018; MidiTok's ``MIDILike``.
"""

from typing import Any

import miditok

from etude.representations.base.midi_tokens import MidiTokens
from etude.representations.base.survey import Survey


class MidiLike(MidiTokens):
    """Time shifts, note-on and note-off. A note that is never switched off lasts as long as the longest of train.

    Where notes of one program and pitch overlap, the first to start ends first.
    """

    tokenizer = miditok.MIDILike
    tells_time = False
    ends = ("NoteOn", "DrumOn", "Velocity", "NoteOff", "DrumOff", "TimeShift", "TimeSig")

    def config(self, found: Survey) -> dict[str, Any]:
        """See MidiTokens."""
        return {**super().config(found), "max_duration": f"{self.beats(found)}.0.{self.positions_per_beat}"}
