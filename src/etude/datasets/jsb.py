"""The JSB chorales: Bach's four-part chorales as pitches on a grid, with the split that the literature uses."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etude.config.check import Count
from etude.core.errors import EtudeError, closest
from etude.datasets import Entry, LeftOut
from etude.datasets.archived import Archived
from etude.datasets.rolls import entries_of

# grid -> file; the 16ths have four voices a step (-1 is silence), the others lists of pitches
GRIDS = {"16th": "Jsb16thSeparated.json", "8th": "jsb-chorales-8th.json", "quarter": "jsb-chorales-quarter.json"}


class Jsb(Archived):
    """382 chorales: 229 to train, 76 to validate, 77 to test. One file holds them all."""

    ARCHIVE = "JSB-Chorales-dataset-{version}.zip"
    URL = "https://github.com/czhuang/JSB-Chorales-dataset/archive/{version}.zip"
    FILES = re.compile("({})".format("|".join(map(re.escape, GRIDS.values()))))
    SOURCE = "github.com/czhuang/JSB-Chorales-dataset, commit {version}"
    LICENCE = (
        "The music is in the public domain (Bach died in 1750). The repository states no licence of the encodings."
    )
    CITATION = (
        "Nicolas Boulanger-Lewandowski, Yoshua Bengio and Pascal Vincent: Modeling Temporal Dependencies in "
        "High-Dimensional Sequences. Proceedings of ICML 2012, pages 1159-1166. Split after Moray Allan and "
        "Christopher Williams: Harmonising Chorales by Probabilistic Inference. Advances in NIPS 17, 2005."
    )

    def __init__(
        self, name: str, limit: Count | None, reading: dict[str, Any], version: str, digest: str | None, grid: str
    ) -> None:
        """Take the section ``dataset`` of the settings; ``grid`` is the time step: 16th, 8th or quarter."""
        super().__init__(name, limit, reading, version, digest)
        if grid not in GRIDS:
            raise EtudeError(f"dataset.grid = {grid!r} is not a grid of the dataset. {closest(str(grid), GRIDS)}")
        self.grid = grid

    def entries(self, folder: Path, files: list[str], left_out: list[LeftOut]) -> Iterator[Entry]:
        """The chorales of the file of this grid, split by split."""
        yield from entries_of(folder, GRIDS[self.grid])
