"""The user's own folder: good files among everything that a disk can hold."""

import json
import os
import shutil
import socket
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from etude.config.sections import Settings
from etude.core import folders
from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.datasets import folder as room
from etude.stages.download import download

TUNES = "X:1\nT:Eins\nK:C\nCDE|\n\nX:2\nT:Zwei\nK:G\nGAB|\n"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """A folder with many sorts of names, formats and places."""
    root = tmp_path / "my scores"
    (root / "in" / "deeper one").mkdir(parents=True)
    (root / "b.mid").write_bytes(b"b")
    (root / "B.MID").write_bytes(b"other b")
    (root / "in" / "Für Elise.musicxml").write_bytes(b"elise")
    (root / "in" / "Für Elise.mid").write_bytes(b"elise as midi")
    (root / "in" / "deeper one" / "小夜曲 2.kar").write_bytes(b"serenade")
    (root / "tunes.abc").write_text(TUNES)
    (root / "one.abc").write_text(TUNES.partition("\n\n")[0])
    (root / "notes.txt").write_text("no score")
    (root / "in" / "Makefile").write_text("no score")
    return root


def fetch(made: Any, scores: Path, folder: Path, **keys: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The manifest, and the reasons by source."""
    manifest = made.dataset("folder", path=str(scores), **keys).fetch(folder, show=False)
    assert str(scores.parent) not in json.dumps(manifest)
    return manifest, {entry["source"]: entry["reason"] for entry in manifest["left_out"]}


def test_every_score_is_taken_under_a_name_of_its_own(scores: Path, tmp_path: Path, made: Any) -> None:
    manifest, left_out = fetch(made, scores, tmp_path / "files")
    assert left_out == {} and manifest["other_files"] == {"": 1, ".txt": 1}
    assert {piece["id"]: piece["source"] for piece in manifest["pieces"]} == {
        "B": "B.MID",
        "b-2": "b.mid",
        "in_Für_Elise": "in/Für Elise.mid",
        "in_Für_Elise-2": "in/Für Elise.musicxml",
        "in_deeper_one_小夜曲_2": "in/deeper one/小夜曲 2.kar",
        "one": "one.abc",
        "tunes-0001": "tunes.abc, piece 1",
        "tunes-0002": "tunes.abc, piece 2",
    }
    for piece in manifest["pieces"]:
        source = scores / piece["source"].partition(", piece")[0]
        assert digest(tmp_path / "files" / piece["file"]) == piece["sha256"] == digest(source)
        assert not (tmp_path / "files" / piece["file"]).is_symlink()
    tunes = [piece for piece in manifest["pieces"] if piece["file"] == "tunes.abc"]
    assert [(piece["part"], piece["title"], piece["origin"]) for piece in tunes] == [
        ("1", "Eins", None),
        ("2", "Zwei", None),
    ]
    origins = [piece["origin"] for piece in manifest["pieces"] if "Elise" in piece["id"]]
    assert origins == ["in/Für Elise"] * 2


def test_the_same_whatever_the_order_of_the_disk(
    scores: Path, tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, _ = fetch(made, scores, tmp_path / "files")
    shutil.copytree(scores, tmp_path / "copy")
    files_below = folders.files_below
    monkeypatch.setattr("etude.datasets.folder.files_below", lambda *a: reversed(list(files_below(*a))))
    again, _ = fetch(made, tmp_path / "copy", tmp_path / "again")
    assert again == manifest and digest(tmp_path / "again") == digest(tmp_path / "files")


def test_files_that_vanish_after_they_were_listed(
    scores: Path, tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [scores / "gone.mid", scores / "gone.txt"]
    files_below = folders.files_below
    monkeypatch.setattr("etude.datasets.folder.files_below", lambda *a: [*files_below(*a), *lost])
    manifest, left_out = fetch(made, scores, tmp_path / "files")
    assert {name: left_out[name] for name in ("gone.mid", "gone.txt")} == dict.fromkeys(
        ("gone.mid", "gone.txt"), "it disappeared"
    )
    assert len(manifest["pieces"]) == 8


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="this system has no such file systems")
def test_a_file_system_of_the_kernel_is_refused(tmp_path: Path, made: Any) -> None:
    with pytest.raises(EtudeError, match=r"^dataset\.path = /proc is no folder of files"):
        fetch(made, Path("/proc"), tmp_path / "files")


def test_the_first_of_equal_files_is_taken(scores: Path, tmp_path: Path, made: Any) -> None:
    (scores / "in" / "copy.mid").write_bytes(b"b")
    manifest, left_out = fetch(made, scores, tmp_path / "files")
    assert left_out == {"in/copy.mid": "the same bytes as b.mid"}
    assert len(manifest["pieces"]) == 8


def test_anything_but_a_plain_file_is_refused_unread(
    scores: Path, tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.mid").write_bytes(b"secret")
    (scores / "out.mid").symlink_to(outside / "secret.mid")
    (scores / "all out").symlink_to(outside)
    (scores / "up").symlink_to("..")
    (scores / "here").symlink_to("in")
    (scores / "inside.mid").symlink_to("b.mid")
    (scores / "loop.mid").symlink_to("loop.mid")
    (scores / "gone.mid").symlink_to("nowhere.mid")
    (scores / "zero.mid").symlink_to("/dev/zero")
    os.mkfifo(scores / "pipe.mid")
    (scores / "empty.mid").touch()
    (scores / "words.abc").write_text("no tune")
    monkeypatch.chdir(scores)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("socket.mid")
    manifest, left_out = fetch(made, scores, tmp_path / "files")
    assert left_out == {
        "out.mid": "a link that leads out of the folder",
        "all out": "a link that leads out of the folder",
        "up": "a link that leads out of the folder",
        "here": "a link to a folder, whose files are taken from their own place",
        "inside.mid": "the same bytes as b.mid",
        "loop.mid": "a link that leads in a circle",
        "gone.mid": "a link that leads nowhere",
        "zero.mid": "a link that leads out of the folder",
        "pipe.mid": "a pipe, not a file",
        "empty.mid": "an empty file",
        "words.abc": "it holds no piece",
        "socket.mid": "a socket, not a file",
    }
    assert {piece["file"] for piece in manifest["pieces"]} == {file.name for file in (tmp_path / "files").iterdir()}
    assert b"secret" not in b"".join(file.read_bytes() for file in (tmp_path / "files").iterdir())


def test_large_and_unreadable_files_are_refused(
    scores: Path, tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (scores / "huge.mid").open("wb") as stream:
        stream.truncate(room.MAX_BYTES + 1)  # a hole
    (scores / "locked.mid").write_bytes(b"locked")
    opened = os.open

    def locked(path: Path, *more: Any) -> int:
        if Path(path).name == "locked.mid":
            raise PermissionError(13, "Permission denied")
        return opened(path, *more)

    monkeypatch.setattr(os, "open", locked)
    _, left_out = fetch(made, scores, tmp_path / "files")
    assert left_out == {
        "huge.mid": "50000001 bytes, more than 50000000",
        "locked.mid": "it cannot be read (Permission denied)",
    }


def test_a_name_that_is_not_utf_8(scores: Path, tmp_path: Path, made: Any) -> None:
    (scores / os.fsdecode(b"caf\xe9.mid")).write_bytes(b"latin")
    (scores / unicodedata.normalize("NFD", "Über.mid")).write_bytes(b"mac")
    manifest, left_out = fetch(made, scores, tmp_path / "files")
    sources = {piece["id"]: piece["source"] for piece in manifest["pieces"]}
    assert left_out == {} and sources["caf_xe9"] == "caf\\xe9.mid" and "Über" in sources
    json.dumps(manifest, ensure_ascii=False).encode()


def test_a_limit_takes_the_first(scores: Path, tmp_path: Path, made: Any) -> None:
    manifest, _ = fetch(made, scores, tmp_path / "files", limit=2)
    assert [piece["source"] for piece in manifest["pieces"]] == ["B.MID", "b.mid"]
    assert len(list((tmp_path / "files").iterdir())) == 2


def test_the_users_own_folder_is_named_with_a_tilde(
    scores: Path, tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    manifest = made.dataset("folder", path="~/my scores").fetch(tmp_path / "files", show=False)
    assert len(manifest["pieces"]) == 8


def test_a_wrong_path_is_explained(scores: Path, tmp_path: Path, made: Any) -> None:
    for path, message in [
        (None, r"dataset\.path is not set\. .*etude download dataset=folder dataset\.path="),
        (str(tmp_path / "none"), r'dataset\.path = ".*/none" does not exist\. Name'),
        (str(scores / "b.mid"), "is not a folder"),
        (str(tmp_path), "contains the download itself"),
    ]:
        with pytest.raises(EtudeError, match=message):
            made.dataset("folder", path=path).fetch(tmp_path / "files", show=False)


def test_a_folder_without_scores_is_an_error(tmp_path: Path, made: Any) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(EtudeError, match=r"gave no piece; 0 were left out\. No file of its kinds"):
        download(tmp_path / "files", made.section("folder", path=str(tmp_path / "none")), show=False)
    (tmp_path / "none/a.mid").touch()
    with pytest.raises(EtudeError, match=r"1 were left out\. The first reasons: a\.mid: an empty file"):
        download(tmp_path / "more", made.section("folder", path=str(tmp_path / "none")), show=False)


def test_params_may_leave_the_path_open(made: Any) -> None:
    values = Settings.from_params(Path(__file__).parents[2] / "params.yaml").as_dict()
    assert Settings.of({**values, "dataset": made.section("folder")}).dataset["path"] is None
