"""The readers by file format: score files of any kind in, clean pieces out."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores import abc, humdrum, musicxml, mxl, pianorolls
from etude.scores.midi import read_midi, sequences
from etude.scores.notation import piece_of
from etude.scores.pop909 import has_beats, read_pop909
from etude.scores.reading import Facts
from etude.scores.written import Sheet

Part = tuple[str | None, str | None]  # of a file: its name there, its title


def _sequences(path: Path) -> list[Part]:
    number = sequences(path)
    return [(None, None)] if number == 1 else [(str(place + 1), None) for place in range(number)]


def _titled(path: Path) -> list[Part]:
    return [(None, mxl.title_of(path))]


@dataclass(frozen=True)
class Format:
    """How files of one format are read: as pieces, or as written scores of which the pieces are made."""

    parts: Callable[[Path], list[Part]]
    read: Callable[[Path, str | None, Reading], tuple[Score, Facts]] | None = None
    sheet: Callable[[Path, str | None], Sheet] | None = None


MIDI = Format(_sequences, read=read_midi)
MUSICXML = Format(_titled, sheet=musicxml.read_sheet)
FORMATS = {
    **dict.fromkeys((".mid", ".midi", ".kar", ".rmi"), MIDI),
    **dict.fromkeys((".xml", ".musicxml", ".mxl"), MUSICXML),
    ".krn": Format(humdrum.pieces, sheet=humdrum.read_sheet),
    ".abc": Format(abc.pieces, sheet=abc.read_sheet),
}
SCORES = tuple(FORMATS)  # what a folder of scores may hold
FORMATS |= dict.fromkeys((".json", ".mat"), Format(pianorolls.pieces, read=pianorolls.read_pianoroll))  # of datasets


def read(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read a score file; its suffix, in either letter case, states the format.

    Args:
        path: ``.mid .midi .kar .rmi`` (MIDI; where POP909's annotations stand next to it, on their beats),
            ``.xml .musicxml .mxl`` (MusicXML), ``.krn`` (Humdrum), ``.abc`` (ABC), ``.json .mat`` (the piano
            rolls of JSB, and those of MATLAB files).
        part: which piece of a file that holds many, as ``pieces_of`` names it; else ``None``.
        reading: the voices, the grid, and defaults for what the file may not state.

    Returns:
        The piece, with a tempo and a time signature at time 0. With ``reading.voices`` exactly these tracks in this
        order, with these names and programs; a voice that is allowed but absent is an empty track. Without, one track
        an instrument, or more where two tracks sound one pitch at once, in the order of the file, the drums last.
        Chord symbols stand in its markers (``chord:Am7``) and, as block chords, in the voice "Chords" if there is one
        and the file has no part for it. And the facts about the piece (``etude.scores.reading.facts``).

    Raises:
        EtudeError: the format is unknown, a voice is missing or occurs twice, or the file is absurd.
        Exception: the libraries' own, for damaged files. They may also hang: read in ``isolation``.
    """
    file_format = _format(path)
    if file_format is MIDI and reading.metrical and has_beats(path):
        return read_pop909(path, part, reading)
    if file_format.read is not None:
        return file_format.read(path, part, reading)
    return piece_of(sheet_of(path, part), reading)


def sheet_of(path: Path, part: str | None) -> Sheet:
    """Read the written score in a file of notation; see ``read``.

    Raises:
        EtudeError: the file is none, or damaged.
    """
    sheet = _format(path).sheet
    if sheet is None:
        raise EtudeError(f"{path.name} holds no written score")
    return sheet(path, part)


def pieces_of(path: Path) -> list[Part]:
    """The pieces that a file holds, as (part, title), in the file's order. This is cheap: no notes are read.

    One with part ``None`` for a file that is one piece; the tunes of an ABC file, the sequences of a MIDI file of
    format 2, the pieces of a file of piano rolls.
    """
    return _format(path).parts(path)


def is_midi(path: Path) -> bool:
    """Whether the file is read as MIDI, which is fast."""
    return FORMATS.get(path.suffix.lower()) is MIDI


def is_notation(path: Path) -> bool:
    """Whether the file holds written scores, which ``sheet_of`` reads."""
    kind = FORMATS.get(path.suffix.lower())
    return kind is not None and kind.sheet is not None


def prepare() -> None:
    """Import the slow modules that reading takes, once, before many processes do it."""
    import_module("pretty_midi")


def _format(path: Path) -> Format:
    if path.suffix.lower() not in FORMATS:
        kind = f"files ending in {path.suffix}" if path.suffix else "files without an ending"
        raise EtudeError(f"{kind} are not read, only {', '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]
