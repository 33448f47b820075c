"""Reading: score files of any kind in, clean pieces out."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.midi import sequences
from etude.scores.pop909 import annotated

__all__ = ["is_midi", "pieces_of", "prepare", "read"]

Reader = Callable[[Path, str | None, Reading], tuple[Score, dict[str, Any]]]
# suffix -> the module of the format, its reader, and what the reader imports late because it takes long
MIDI = ("midi", "read_midi", ("pretty_midi",))
MUSICXML = ("musicxml", "read_musicxml", ("music21", "pretty_midi"))
FORMATS = {
    **dict.fromkeys((".mid", ".midi", ".kar", ".rmi"), MIDI),
    **dict.fromkeys((".xml", ".musicxml", ".mxl", ".krn"), MUSICXML),
    ".abc": ("abc", "read_abc", ("music21", "pretty_midi")),
    ".json": ("pianorolls", "read_pianoroll", ()),
}


def read(path: Path, part: str | None, reading: Reading) -> tuple[Score, dict[str, Any]]:
    """Read a score file; its suffix, letter case apart, says what it is.

    Args:
        path: ``.mid .midi .kar .rmi`` (MIDI; where POP909's annotations stand beside it, on their beats),
            ``.xml .musicxml .mxl`` (MusicXML), ``.krn`` (Humdrum), ``.abc`` (ABC), ``.json`` (the piano rolls of JSB).
        part: which piece of a file that holds many, as ``pieces_of`` names it; else ``None``.
        reading: the voices, the grid, and what the file may not state.

    Returns:
        The piece, with a tempo and a time signature at time 0. With ``reading.voices`` exactly these tracks in this
        order, with these names and programs; a voice that there may be and is not is an empty track. Without, one track
        an instrument, in order of their programs, the drums last. Chord symbols stand in its markers (``chord:Am7``)
        and, as block chords, in the voice "Chords" if there is one and the file has no part for it. And what there is
        to know about it (``etude.scores.reading.facts``).

    Raises:
        EtudeError: the file's kind is unknown, a voice is missing or occurs twice, or the file is absurd.
        Exception: what the libraries raise for damaged files. They may also hang: read in ``isolation``.
    """
    module, name, _ = _format(path)
    if module == "midi" and reading.metrical and annotated(path):
        module, name = "pop909", "read_pop909"
    reader: Reader = getattr(import_module(f"etude.scores.{module}"), name)
    return reader(path, part, reading)


def pieces_of(path: Path) -> list[tuple[str | None, str | None]]:
    """The pieces that a file holds, as (part, title), in the file's order. Cheap: nothing but their beginnings is read.

    ``[(None, None)]`` for a file that is one piece; the tunes of an ABC file, the sequences of a MIDI file of format
    2, the pieces of a file of piano rolls.
    """
    module = _format(path)[0]
    if module == "midi":
        number = sequences(path)
        return [(None, None)] if number == 1 else [(str(place + 1), None) for place in range(number)]
    if module == "musicxml":
        return [(None, None)]
    named: list[tuple[str | None, str | None]] = import_module(f"etude.scores.{module}").pieces(path)
    return named


def is_midi(path: Path) -> bool:
    """Whether it is read as a MIDI file, which does not take long."""
    return FORMATS.get(path.suffix.lower()) is MIDI


def prepare(paths: Iterable[Path]) -> None:
    """Import what reading these files takes, once, before it is done in many processes."""
    for suffix in {path.suffix.lower() for path in paths} & set(FORMATS):
        module, _, late = FORMATS[suffix]
        for name in (f"etude.scores.{module}", *late):
            import_module(name)


def _format(path: Path) -> tuple[str, str, tuple[str, ...]]:
    if path.suffix.lower() not in FORMATS:
        kind = f"files ending in {path.suffix}" if path.suffix else "files without an ending"
        raise EtudeError(f"{path.name}: {kind} cannot be read, only {', '.join(FORMATS)}.")
    return FORMATS[path.suffix.lower()]
