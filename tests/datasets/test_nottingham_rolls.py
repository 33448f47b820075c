"""The Nottingham tunes as piano rolls, from a small file like the published one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from etude.core.errors import EtudeError
from etude.core.files import digest

SIZES = {"traindata": 3, "validdata": 2, "testdata": 1}


def rolls(folder: Path) -> str:
    """Write such a file, and return the digest of the folder that holds it alone."""
    cells = {}
    for name, size in SIZES.items():
        cells[name] = np.empty((1, size), dtype=object)
        for place in range(size):
            cells[name][0, place] = np.eye(88, dtype=np.uint8)[: 4 + place]
    (folder / "plain").mkdir()
    savemat(folder / "plain/Nottingham.mat", cells)
    (folder / "Nottingham.mat").write_bytes((folder / "plain/Nottingham.mat").read_bytes())
    return digest(folder / "plain")


def test_the_pieces_of_the_file_keep_their_split(own_mirror: Path, tmp_path: Path, made: Any) -> None:
    content = rolls(own_mirror)
    manifest = made.dataset("nottingham_rolls", digest=content).fetch(tmp_path / "files", show=False)
    found = [(piece["id"], piece["part"], piece["split"]) for piece in manifest["pieces"]]
    assert found == [
        ("test-000", "test/0", "test"),
        ("train-000", "train/0", "train"),
        ("train-001", "train/1", "train"),
        ("train-002", "train/2", "train"),
        ("valid-000", "valid/0", "valid"),
        ("valid-001", "valid/1", "valid"),
    ]
    assert [file.name for file in (tmp_path / "files").iterdir()] == ["Nottingham.mat"]
    few = made.dataset("nottingham_rolls", digest=content, limit=3).fetch(tmp_path / "few", show=False)
    assert len(few["pieces"]) == 3


def test_another_file_is_refused(own_mirror: Path, tmp_path: Path, made: Any) -> None:
    rolls(own_mirror)
    with pytest.raises(EtudeError, match="they are not the ones that this dataset is pinned to"):
        made.dataset("nottingham_rolls").fetch(tmp_path / "files", show=False)
    with pytest.raises(EtudeError, match=r"has the sha256 .*, but the published one is d154f7c"):
        made.dataset("nottingham_rolls", digest=None).fetch(tmp_path / "again", show=False)
