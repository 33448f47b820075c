"""The JSB chorales, where the real archive is available."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etude.core.errors import EtudeError
from etude.core.files import digest


def test_jsb(mirror: Path, tmp_path: Path, made: Any) -> None:
    manifest = made.dataset("jsb").fetch(tmp_path / "files", show=False)
    pieces = manifest["pieces"]
    assert Counter(piece["split"] for piece in pieces) == {"train": 229, "valid": 76, "test": 77}
    assert [piece["id"] for piece in pieces] == sorted(piece["id"] for piece in pieces) and manifest["left_out"] == []
    assert [file.name for file in (tmp_path / "files").iterdir()] == ["Jsb16thSeparated.json"]
    assert (pieces[-1]["id"], pieces[-1]["part"]) == ("valid-075", "valid/75")
    assert pieces[0]["sha256"] == digest(tmp_path / "files" / pieces[0]["file"])


@pytest.mark.parametrize(("grid", "file"), [("8th", "jsb-chorales-8th.json"), ("quarter", "jsb-chorales-quarter.json")])
def test_jsb_on_other_grids(mirror: Path, tmp_path: Path, made: Any, grid: str, file: str) -> None:
    manifest = made.dataset("jsb", grid=grid, limit=10).fetch(tmp_path / "files", show=False)
    assert [entry.name for entry in (tmp_path / "files").iterdir()] == [file]
    assert Counter(piece["split"] for piece in manifest["pieces"]) == {"train": 6, "valid": 2, "test": 2}
    with pytest.raises(EtudeError, match=r'dataset\.grid = "?\'8\'.*There are: 16th, 8th, quarter'):
        made.dataset("jsb", grid="8")
