"""What a person asks of a trained model on the command line. conf/cli.yaml says what each key means.

This file imports nothing heavy.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class GivenPiece:
    """What somebody gives to etude generate, and what they want of it."""

    prime: str | None = None
    fill: str | None = None
    tracks: list[str] | None = None


@dataclass(frozen=True)
class ScoreSets:
    """The folders that somebody gives to etude evaluate."""

    pieces: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class HarmonizeFiles:
    """What somebody gives to etude harmonize, and what they want of it."""

    input: str | None = None
    output: str | None = None
    overwrite: bool = False
    top_line: bool = False
    fixed: str | None = None
    bass: str | None = None
    chords: str | None = None
    picture: str | None = None
    sound: str | None = None
    tune: int | None = None
