"""A second, independent reader of scores, whose notes are compared with those of etude's own readers.

It is the one that reads a format right most often, after etude's own: benchmarks/READERS.md.
"""

import base64
from bisect import bisect_right
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from symusic.core import ScoreTick as Score

from etude.core.errors import EtudeError
from etude.scores.abc import tune
from etude.scores.mxl import document
from etude.scores.notation import spans_of, strokes
from etude.scores.written import Sheet

VEROVIO, MUSIC21 = "Verovio", "music21"
READERS = {**dict.fromkeys((".xml", ".musicxml", ".mxl", ".krn"), VEROVIO), ".abc": MUSIC21}
STEPS = 24  # of a quarter note, to which both are rounded

Notes = list[tuple[float, float, int]]  # onset and end in quarter notes, MIDI pitch


def reader_of(path: Path) -> str | None:
    """The name of the second reader for a file; ``None`` where there is none."""
    return READERS.get(path.suffix.lower())


def compare(path: Path, part: str | None, sheet: Sheet) -> dict[str, int]:
    """Compare the notes of a score, in the order in which they are written, with those of the second reader.

    Grace and cue notes do not count, nor does the time before the first note.

    Args:
        path: the file.
        part: which piece of it; see ``etude.scores.readers.pieces_of``.
        sheet: the piece, as etude reads it.

    Returns:
        ``alike``: how many notes have the same onset, length and pitch; ``own``: how many others etude has; ``other``:
        how many others the second reader has; and ``bar``: where there are any, in which bar, counted from 1, the first
        of them starts.

    Raises:
        EtudeError: the second reader does not read the file.
    """
    spans = spans_of(sheet, range(len(sheet.bars)))
    own = [(float(note.onset), float(note.end), note.pitch) for part in sheet.parts for note in strokes(part, spans)]
    there = _by_music21(tune(path, part)) if reader_of(path) == MUSIC21 else by_verovio(path)
    mine, other = counted(own), counted(there)
    differing = (mine - other) + (other - mine)
    found = {"alike": (mine & other).total(), "own": (mine - other).total(), "other": (other - mine).total()}
    if not differing:
        return found
    first = min(differing)[0] / STEPS + min((onset for onset, _, _ in own), default=0.0)
    span = max(0, bisect_right(spans, first, key=lambda span: float(span.onset)) - 1)
    return found | {"bar": spans[span].place + 1}


def counted(notes: Notes) -> Counter[tuple[int, int, int]]:
    """The notes, each from the onset of the first one on, rounded: onset, length and pitch -> how many."""
    first = min((onset for onset, _, _ in notes), default=0.0)
    return Counter((round((onset - first) * STEPS), round((end - onset) * STEPS), pitch) for onset, end, pitch in notes)


def by_verovio(path: Path, expand: bool = False) -> Notes:
    """The notes in a MusicXML or Humdrum file by Verovio; ``expand``: with its repeats."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    humdrum = path.suffix.lower() == ".krn"
    kind = "humdrum" if humdrum else "xml"
    toolkit.setOptions({"inputFrom": kind, "expandNever": not expand, "expandAlways": expand, "midiNoCue": True})
    if not toolkit.loadData(_plain_humdrum(path) if humdrum else _plain_musicxml(path)):
        raise EtudeError(f"{VEROVIO} does not read it")
    score = Score.from_midi(base64.b64decode(toolkit.renderToMIDI()))
    quarter = score.ticks_per_quarter
    return [(note.time / quarter, note.end / quarter, note.pitch) for track in score.tracks for note in track.notes]


def _plain_musicxml(path: Path) -> str:
    """MusicXML without what Verovio plays though it takes no time in the score: grace notes and broken chords."""
    root = document(path)
    for measure in root.iter("measure"):
        for note in measure.findall("note"):
            if note.find("grace") is not None:
                measure.remove(note)
            for marks in note.findall("notations"):
                for mark in marks.findall("arpeggiate"):
                    marks.remove(mark)
    return ElementTree.tostring(root, encoding="unicode")


def _plain_humdrum(path: Path) -> str:
    """Humdrum without grace notes, likewise: a null token stands for each."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(
        line
        if line.startswith(("*", "!", "="))
        else "\t".join("." if "q" in token.lower() else token for token in line.split("\t"))
        for line in lines
    )


def _by_music21(text: str) -> Notes:
    from music21.abcFormat import ABCFile
    from music21.abcFormat.translate import abcToStreamScore

    return notes_of(abcToStreamScore(ABCFile().readstr(text)))


def notes_of(score: Any) -> Notes:
    """The notes of a music21 ``Score``, ties joined, without chord symbols, grace notes and percussion."""
    found = []
    for part in score.parts:
        for element in part.stripTies().flatten().notes:
            if "ChordSymbol" not in element.classes and not element.duration.isGrace:
                onset = float(element.offset)
                end = onset + float(element.quarterLength)
                found += [(onset, end, pitch.midi) for pitch in element.pitches]
    return found
