"""The corpus of scores that the music21 package bundles: its place and its licence."""

import importlib.metadata
import importlib.util
from pathlib import Path

from etude.core.errors import EtudeError

LICENCE = (
    "The encodings come with music21's corpus, which is distributed with the permission of the encoders and, to the "
    "best knowledge of music21's authors, out of copyright or licensed for use in the United States; commercial use "
    "may be restricted (music21/corpus/license.txt)."
)
CITATION = (
    "Michael Scott Cuthbert and Christopher Ariza: music21: A Toolkit for Computer-Aided Musicology and Symbolic Music "
    "Data. Proceedings of ISMIR 2010, pages 637-642."
)


def find(folder: str) -> Path:
    """Find a folder of the corpus without importing music21, which takes a second."""
    spec = importlib.util.find_spec("music21")
    for place in (spec.submodule_search_locations or []) if spec else []:
        found = Path(place) / "corpus" / folder
        if found.is_dir():
            return found
    raise EtudeError(
        f"The installed music21 package has no corpus/{folder}. Install music21 from the package index with its "
        "corpus: make repro"
    )


def version() -> str:
    """The package and its version."""
    return f"music21 {importlib.metadata.version('music21')}"
