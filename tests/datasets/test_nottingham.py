"""The Nottingham music database, where the real archive is available."""

from pathlib import Path
from typing import Any


def test_nottingham(mirror: Path, tmp_path: Path, made: Any) -> None:
    manifest = made.dataset("nottingham").fetch(tmp_path / "files", show=False)
    assert len(manifest["pieces"]) == 1034 and manifest["pieces"][0]["id"] == "ashover1"
    assert {piece["file"] for piece in manifest["pieces"]} == {file.name for file in (tmp_path / "files").iterdir()}
