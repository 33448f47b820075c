"""MAESTRO: piano performances of the International Piano-e-Competition, as MIDI, with their published split."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from etude.core.errors import EtudeError
from etude.datasets import Entry, LeftOut, Names, piece
from etude.datasets.archived import Archived

SPLITS = {"train": "train", "validation": "valid", "test": "test"}


class Maestro(Archived):
    """1,276 performances; performances of one composition are related."""

    ARCHIVE = "maestro-{version}-midi.zip"
    URL = "https://storage.googleapis.com/magentadata/datasets/maestro/{version}/maestro-{version}-midi.zip"
    FILES = re.compile(r"(\d{4}/[^/]+\.midi?|maestro-[^/]+\.csv)")
    # of v3.0.0, as muspy 0.5.0 publishes it (muspy/datasets/maestro.py)
    CHECKSUM = "sha256:70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c"
    SOURCE = "MAESTRO {version} (magenta.tensorflow.org/datasets/maestro), MIDI"
    LICENCE = "Creative Commons Attribution Non-Commercial Share-Alike 4.0 (CC BY-NC-SA 4.0)."
    CITATION = (
        "Curtis Hawthorne, Andriy Stasyuk, Adam Roberts, Ian Simon, Cheng-Zhi Anna Huang, Sander Dieleman, Erich "
        "Elsen, Jesse Engel and Douglas Eck: Enabling Factorized Piano Music Modeling and Generation with the MAESTRO "
        "Dataset. ICLR 2019."
    )

    def entries(self, folder: Path, files: list[str], left_out: list[LeftOut]) -> Iterator[Entry]:
        """The performances that the dataset's table lists, in the order of their files."""
        tables = [file for file in files if file.endswith(".csv")]
        if len(tables) != 1:
            raise EtudeError(
                f"dataset {self.name}: the archive has {len(tables)} tables maestro-*.csv instead of one. "
                "Bring another copy of it."
            )
        with (folder / tables[0]).open(encoding="utf-8", newline="") as stream:
            rows = {row["midi_filename"]: row for row in csv.DictReader(stream)}
        names = Names()
        for file in sorted({*files, *rows} - {tables[0]}):
            if file not in rows or file not in files:
                reason = "the dataset's table does not list it" if file in files else "the archive does not hold it"
                left_out.append({"source": file, "reason": reason})
                continue
            row = rows[file]
            composer, title = row["canonical_composer"], row["canonical_title"]
            facts = {"title": title, "split": SPLITS[row["split"]], "origin": f"{composer}: {title}"}
            name = names(PurePosixPath(file).stem)
            yield piece(folder, file, name, file, composer=composer, year=int(row["year"]), **facts)
