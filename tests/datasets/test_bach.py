"""The chorales that the music21 package bundles."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.datasets import corpus
from etude.datasets.bach import _title


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory, made: Any) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("bach") / "files"
    return folder, made.dataset("bach").fetch(folder, show=False)


def test_every_four_part_chorale_is_there(fetched: tuple[Path, dict]) -> None:
    folder, manifest = fetched
    pieces = {piece["id"]: piece for piece in manifest["pieces"]}
    assert len(pieces) == len(manifest["pieces"]) >= 340
    assert sorted(pieces) == [piece["id"] for piece in manifest["pieces"]]
    assert {file.name for file in folder.iterdir()} == {piece["file"] for piece in pieces.values()}
    assert all(digest(folder / piece["file"]) == piece["sha256"] for piece in pieces.values())
    assert "music21" in manifest["source"] and manifest["licence"] and manifest["citation"]
    left_out = {entry["source"].rpartition("/")[2]: entry["reason"] for entry in manifest["left_out"]}
    assert "Soprano 1, Soprano 2" in left_out["bwv227.3.mxl"] and "Piano" in left_out["bwv846.mxl"]


def test_the_manifest_describes_a_piece(fetched: tuple[Path, dict]) -> None:
    pieces = {piece["id"]: piece for piece in fetched[1]["pieces"]}
    piece = pieces["bwv269"]
    assert piece["title"] == "Aus meines Herzens Grunde"
    assert (piece["key"], piece["time_signature"], piece["tempo"]) == ("G major", "3/4", None)
    assert piece["source"] == "music21/corpus/bach/bwv269.mxl"
    assert pieces["bwv1.6"]["left_out_parts"] == ["Horn 2"] and pieces["bwv1.6"]["tempo"] > 0
    assert all(piece[key] is None for key in ("part", "split", "origin"))
    assert Counter(piece["key"] is None for piece in pieces.values())[True] == 0


def test_a_limit_takes_the_first(tmp_path: Path, fetched: tuple[Path, dict], made: Any) -> None:
    few = made.dataset("bach", limit=5).fetch(tmp_path / "files", show=False)
    assert few["pieces"] == fetched[1]["pieces"][:5]


def test_titles_of_editions() -> None:
    titles = {"112.5": "Der Herr", "18.5-l": "O Herre Gott"}
    assert _title("bwv112.5-sc", titles) == "Der Herr"
    assert _title("bwv18.5-lz", titles) == "O Herre Gott"
    assert _title("bwv999", titles) is None


def test_a_damaged_file_of_the_corpus_costs_itself(tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("bwv1.6.mxl", "bwv10.7.mxl"):
        shutil.copy(corpus.find("bach") / name, folder)
    (folder / "bwv1.6.mxl").write_bytes((folder / "bwv1.6.mxl").read_bytes()[:900])
    monkeypatch.setattr(corpus, "find", lambda name: folder)
    manifest = made.dataset("bach").fetch(tmp_path / "files", show=False)
    assert [piece["id"] for piece in manifest["pieces"]] == ["bwv10.7"]
    assert "damaged" in manifest["left_out"][0]["reason"] and "bwv1.6" in manifest["left_out"][0]["source"]


def test_voices_are_needed(made: Any, tmp_path: Path) -> None:
    reading = made.section("bach")["reading"] | {"voices": None}
    with pytest.raises(EtudeError, match=r"dataset\.reading\.voices = null"):
        made.dataset("bach", reading=reading).fetch(tmp_path, show=False)
