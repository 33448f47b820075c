"""Walks through folders end, whatever they hold."""

import os
import subprocess
from pathlib import Path

import pytest

from etude.core import folders
from etude.core.errors import EtudeError
from etude.core.folders import files_below


def found(root: Path) -> tuple[set[str], dict[str, str]]:
    unreadable: dict[str, str] = {}
    files = files_below(root, "pieces", lambda place, reason: unreadable.update({place.name: reason}))
    return {file.relative_to(root).as_posix() for file in files}, unreadable


def test_all_that_is_no_folder_is_found_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.mid").touch()
    (tmp_path / "d.mid").touch()
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/nowhere").symlink_to("x")
    assert found(tmp_path) == ({"a/b/c.mid", "d.mid", "a/up", "a/nowhere"}, {})


def test_a_folder_with_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST", 5)
    for name in "abcde":
        (tmp_path / name).touch()
    assert len(found(tmp_path)[0]) == 5
    (tmp_path / "f").mkdir()
    with pytest.raises(EtudeError, match=r"^pieces = .* holds more than 5 files and folders\. Name a"):
        found(tmp_path)


def test_folders_in_folders_in_folders(tmp_path: Path) -> None:
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):  # more than Python's calls, less than the longest path
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(os.open("x", os.O_CREAT, dir_fd=deep))
    os.close(deep)
    try:
        files, _ = found(tmp_path)
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # pytest's own way would fail
    assert files == {"d/" * 1200 + "x"}


def test_a_folder_that_disappears_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    (tmp_path / "a").touch()
    scandir = os.scandir

    def vanish(place: Path) -> object:
        if place.name == "gone":
            raise FileNotFoundError(2, "No such file or directory", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", vanish)
    assert found(tmp_path) == ({"a"}, {"gone": "No such file or directory"})


def test_what_the_kernel_makes_up_is_refused_and_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 27 {os.major(device)}:{os.minor(device)} / / rw,relatime shared:1 - ext4 none rw\n")
    monkeypatch.setattr(folders, "MOUNTS", mounts)
    assert found(tmp_path) == ({"mountinfo"}, {})
    mounts.write_text(mounts.read_text().replace("ext4", "proc"))
    with pytest.raises(EtudeError, match=r"^pieces = .* is no folder of files: the system makes it up"):
        found(tmp_path)
    monkeypatch.setattr(folders, "MOUNTS", tmp_path / "none")
    assert found(tmp_path)[0] == {"mountinfo"}
