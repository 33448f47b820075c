"""The folk tunes that the music21 package bundles."""

from pathlib import Path
from typing import Any

import pytest

from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.datasets import corpus


def test_a_tune_is_a_piece(tmp_path: Path, made: Any) -> None:
    folder = tmp_path / "files"
    manifest = made.dataset("folk").fetch(folder, show=False)
    pieces = {piece["id"]: piece for piece in manifest["pieces"]}
    assert len(pieces) == len(manifest["pieces"]) > 11_000
    assert [*pieces] == sorted(pieces) and len({name.casefold() for name in pieces}) == len(pieces)
    first = pieces["altdeu10-0001"]
    assert (first["part"], first["title"], first["origin"]) == ("1", "Das Hildebrandslied", None)
    assert first["source"] == "music21/corpus/essenFolksong/altdeu10.abc, tune 1"
    assert first["sha256"] == digest(folder / first["file"]) == digest(corpus.find("essenFolksong") / "altdeu10.abc")
    assert pieces["AcaciaReel"]["part"] == "1" and pieces["0001-0050-0050"]["file"].startswith("oneills1850/")
    assert "Schaffrath" in manifest["citation"] and "unclear" in manifest["licence"]


def test_some_collections_and_a_limit(tmp_path: Path, made: Any) -> None:
    manifest = made.dataset("folk", collections=["ryans", "oneills"], limit=60).fetch(tmp_path / "files", show=False)
    assert len(manifest["pieces"]) == 60 and manifest["source"].endswith("corpus/{oneills1850,ryansMammoth}")
    copied = [file.name for file in (tmp_path / "files").rglob("*.abc")]
    assert sorted(copied) == ["0001-0050.abc", "0051-0100.abc"]  # no more than is needed
    for wrong in (["esen"], []):
        with pytest.raises(EtudeError, match=r"dataset\.collections.*There are: essen, oneills, ryans"):
            made.dataset("folk", collections=wrong)
