"""The readers by file format: score files of any kind in, clean pieces out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores import abc, pianorolls
from etude.scores.midi import read_midi, sequences
from etude.scores.musicxml import read_musicxml
from etude.scores.pop909 import has_beats, read_pop909
from etude.scores.reading import Facts

Part = tuple[str | None, str | None]  # of a file: its name there, its title


def _sequences(path: Path) -> list[Part]:
    number = sequences(path)
    return [(None, None)] if number == 1 else [(str(place + 1), None) for place in range(number)]


def _one(path: Path) -> list[Part]:
    return [(None, None)]


@dataclass(frozen=True)
class Format:
    """How files of one format are read."""

    read: Callable[[Path, str | None, Reading], tuple[Score, Facts]]
    parts: Callable[[Path], list[Part]]
    late: tuple[str, ...]  # slow modules that ``read`` imports when it is called


MIDI = Format(read_midi, _sequences, ("pretty_midi",))
MUSICXML = Format(read_musicxml, _one, ("music21", "pretty_midi"))
FORMATS = {
    **dict.fromkeys((".mid", ".midi", ".kar", ".rmi"), MIDI),
    **dict.fromkeys((".xml", ".musicxml", ".mxl", ".krn"), MUSICXML),
    ".abc": Format(abc.read_abc, abc.pieces, ("music21", "pretty_midi")),
    ".json": Format(pianorolls.read_pianoroll, pianorolls.pieces, ()),
}


def read(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read a score file; its suffix, in either letter case, states the format.

    Args:
        path: ``.mid .midi .kar .rmi`` (MIDI; where POP909's annotations stand next to it, on their beats),
            ``.xml .musicxml .mxl`` (MusicXML), ``.krn`` (Humdrum), ``.abc`` (ABC), ``.json`` (the piano rolls of JSB).
        part: which piece of a file that holds many, as ``pieces_of`` names it; else ``None``.
        reading: the voices, the grid, and defaults for what the file may not state.

    Returns:
        The piece, with a tempo and a time signature at time 0. With ``reading.voices`` exactly these tracks in this
        order, with these names and programs; a voice that is allowed but absent is an empty track. Without, one track
        an instrument, in order of their programs, the drums last. Chord symbols stand in its markers (``chord:Am7``)
        and, as block chords, in the voice "Chords" if there is one and the file has no part for it. And the facts about
        the piece (``etude.scores.reading.facts``).

    Raises:
        EtudeError: the format is unknown, a voice is missing or occurs twice, or the file is absurd.
        Exception: the libraries' own, for damaged files. They may also hang: read in ``isolation``.
    """
    file_format = _format(path)
    if file_format is MIDI and reading.metrical and has_beats(path):
        return read_pop909(path, part, reading)
    return file_format.read(path, part, reading)


def pieces_of(path: Path) -> list[Part]:
    """The pieces that a file holds, as (part, title), in the file's order. This is cheap: no notes are read.

    ``[(None, None)]`` for a file that is one piece; the tunes of an ABC file, the sequences of a MIDI file of format
    2, the pieces of a file of piano rolls.
    """
    return _format(path).parts(path)


def is_midi(path: Path) -> bool:
    """Whether the file is read as MIDI, which is fast."""
    return FORMATS.get(path.suffix.lower()) is MIDI


def prepare(paths: Iterable[Path]) -> None:
    """Import the slow modules that reading these files takes, once, before many processes do it."""
    for suffix in {path.suffix.lower() for path in paths} & set(FORMATS):
        for name in FORMATS[suffix].late:
            import_module(name)


def _format(path: Path) -> Format:
    if path.suffix.lower() not in FORMATS:
        kind = f"files ending in {path.suffix}" if path.suffix else "files without an ending"
        raise EtudeError(f"{path.name}: {kind} cannot be read, only {', '.join(FORMATS)}.")
    return FORMATS[path.suffix.lower()]
