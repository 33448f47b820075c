"""Reading MusicXML (``.xml``, ``.musicxml``, ``.mxl``) and Humdrum (``.krn``) with music21."""

from pathlib import Path

from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.scores.notation import piece_of
from etude.scores.reading import Facts


def read_musicxml(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read a MusicXML or Humdrum file; see ``etude.scores.readers.read`` and ``etude.scores.notation``."""
    from music21 import converter  # a second; etude.scores.readers.prepare does it once for many processes

    return piece_of(converter.parse(path, forceSource=True), reading)
