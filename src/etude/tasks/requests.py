"""What a person asks of a trained model on the command line. This file imports nothing heavy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GivenPiece:
    """What somebody gives to etude generate, and what they want of it."""

    prime: str | None = None  # a MIDI, MusicXML or ABC file that all pieces start with
    fill: str | None = None  # the bars of it that are drawn again instead, as 5-8
    tracks: list[str] | None = None  # the voices that are drawn again; None: all


@dataclass(frozen=True)
class HarmonizeFiles:
    """What somebody gives to etude harmonize, and what they want of it."""

    input: str | None = None
    output: str | None = None
    overwrite: bool = False
    top_line: bool = False  # take the highest notes of a melody that has several at a time
    fixed: str | None = None  # a MIDI file whose tracks are named as voices; their notes are kept
    bass: str | None = None  # a MIDI file with the lowest voice
    chords: str | None = None  # symbols, bar by bar
    picture: str | None = None  # an SVG file of the score that is written too
    sound: str | None = None  # an mp3 file that is written too
