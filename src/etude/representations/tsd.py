"""TSD: REMI without bars; time goes on by shifts.

Source: Fradet et al., Byte Pair Encoding for Symbolic Music, 2023; MidiTok's ``TSD``.
"""

import miditok

from etude.representations.base.midi_tokens import MidiTokens


class Tsd(MidiTokens):
    """Time shifts, programs, pitches and durations. A long rest is several shifts."""

    tokenizer = miditok.TSD
