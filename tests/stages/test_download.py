"""Stage download."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from etude.datasets import bach
from etude.errors import EtudeError
from etude.outputs import digest, read_json
from etude.session import Session
from etude.settings import Settings
from etude.stages.download import run

ROOT = Path(__file__).parents[2]


def settings(**dataset: object) -> Settings:
    every = Settings.from_params(ROOT / "params.yaml")
    return dataclasses.replace(every, dataset=every.dataset | dataset)


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(settings(limit=3), Session(root=tmp_path / name, workers=1, progress=False))
    assert digest(tmp_path / "one" / "data") == digest(tmp_path / "two" / "data")
    folder = tmp_path / "one" / "data" / "download"
    manifest = read_json(folder / "manifest.json", "etude download")
    assert len(manifest["pieces"]) == 3
    assert all(digest(folder / piece["file"]) == piece["sha256"] for piece in manifest["pieces"])


def test_no_piece_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus").mkdir()
    shutil.copy(bach._corpus() / "bwv846.mxl", tmp_path / "corpus")
    monkeypatch.setattr(bach, "_corpus", lambda: tmp_path / "corpus")
    with pytest.raises(EtudeError, match="gave no piece"):
        run(settings(), Session(root=tmp_path, workers=1, progress=False))
    assert not (tmp_path / "data" / "download").exists()
