"""Stage download."""

import dataclasses
import errno
import os
import shutil
from pathlib import Path

import pytest
import yaml

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json
from etude.datasets import corpus
from etude.stages.download import run

ROOT = Path(__file__).parents[2]


def settings(name: str = "bach", **dataset: object) -> Settings:
    section = yaml.safe_load((ROOT / f"conf/dataset/{name}.yaml").read_text(encoding="utf-8"))
    return dataclasses.replace(Settings.from_params(ROOT / "params.yaml"), dataset=section | dataset)


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
    shutil.copy(corpus.find("bach") / "bwv846.mxl", tmp_path / "corpus")
    monkeypatch.setattr(corpus, "find", lambda name: tmp_path / "corpus")
    with pytest.raises(EtudeError, match=r"gave no piece; 1 were left out\. The first reasons: .*bwv846"):
        run(settings(), Session(root=tmp_path, workers=1, progress=False))
    assert not (tmp_path / "data" / "download").exists()


def test_a_wrong_archive_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETUDE_MIRROR", str(tmp_path))
    wanted = settings("nottingham")
    (tmp_path / f"nottingham-dataset-{wanted.dataset['version']}.zip").write_bytes(b"no archive")
    with pytest.raises(EtudeError, match="is damaged"):
        run(wanted, Session(root=tmp_path / "project", workers=1, progress=False))
    assert [*(tmp_path / "project" / "data").iterdir()] == []


def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(root=tmp_path, workers=1, progress=False)
    run(settings(limit=2), session)
    before = digest(tmp_path / "data")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(EtudeError, match=r"The disk of .*data is full .*Free space"):
        run(settings(limit=3), session)
    assert digest(tmp_path / "data") == before, "data and record are as they were"
    assert sorted(file.name for file in (tmp_path / "data").iterdir()) == ["built_from", "download"]
