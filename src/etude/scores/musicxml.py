"""Reading MusicXML (``.xml``, ``.musicxml``, ``.mxl``) and Humdrum (``.krn``) with music21."""

from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.scores.notation import piece_of


def read_musicxml(path: Path, part: str | None, reading: Reading) -> tuple[Score, dict[str, Any]]:
    """Read a MusicXML or Humdrum file; see ``etude.scores.read`` and ``etude.scores.notation``."""
    from music21 import converter  # a second; etude.scores.prepare does it once for many processes

    return piece_of(converter.parse(path, forceSource=True), reading)
