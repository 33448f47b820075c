"""REMI: bars, positions, programs, pitches, durations.

Source: Huang and Yang, Pop Music Transformer, 2020; with programs and meters REMI+ (von Rütte et al., FIGARO, 2022);
MidiTok's ``REMI``.
"""

import miditok

from etude.representations.base.midi_tokens import MidiTokens


class Remi(MidiTokens):
    """REMI tokens."""

    tokenizer = miditok.REMI
