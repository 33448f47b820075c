"""Piano rolls: datasets of which one file holds all pieces, split by split."""

from collections.abc import Iterator
from pathlib import Path

from etude.datasets import Entry, piece
from etude.scores.pianorolls import pieces


def entries_of(folder: Path, file: str) -> Iterator[Entry]:
    """The pieces of a file of piano rolls below ``folder``, each in the split that the file has it in."""
    sha256 = None
    for part, _ in pieces(folder / file):
        split, _, number = str(part).partition("/")
        entry = piece(
            folder, file, f"{split}-{int(number):03d}", f"{file}, {part}", part=part, split=split, sha256=sha256
        )
        sha256 = entry["sha256"]  # the same file each time
        yield entry
