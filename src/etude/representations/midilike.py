"""MIDI-Like: notes are switched on and off, as in a MIDI file.

Source: Oore et al., This Time with Feeling, 2018; MidiTok's ``MIDILike``.
"""

from typing import Any

import miditok

from etude.representations.base.midi_tokens import MidiTokens
from etude.representations.base.survey import Survey


class MidiLike(MidiTokens):
    """Time shifts, note-on and note-off. A note that is never switched off lasts as long as the longest of train.

    Of notes of one program and pitch that overlap, the first that began ends first.
    """

    tokenizer = miditok.MIDILike
    ends = ("NoteOn", "DrumOn", "Velocity", "NoteOff", "DrumOff", "TimeShift", "TimeSig")

    def config(self, found: Survey) -> dict[str, Any]:
        """See MidiTokens."""
        return {**super().config(found), "max_duration": f"{self.beats(found)}.0.{self.positions_per_beat}"}
