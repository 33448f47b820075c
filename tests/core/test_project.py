"""Paths that somebody gives, and the folder of a user."""

import os
import pwd
from pathlib import Path

import pytest

from etude.core.project import given_path, own_temporary

SOURCE = Path(__file__).parents[2] / "src/etude"
OLD = {
    "src/etude/audio/synthesis.py",
    "src/etude/datasets/archives.py",
    "src/etude/datasets/folder.py",
}  # of a stage that is not to run again


def test_the_home_of_nobody_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert given_path("~/a.mid") == Path("/home/me/a.mid")
    assert given_path("~no such user/a.mid") == Path("~no such user/a.mid")


def test_a_user_without_a_name_has_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert own_temporary().name == f"etude-{os.getuid()}"
    assert given_path("~/a.mid") == Path("~/a.mid")


def test_no_other_module_expands_a_home_by_itself() -> None:
    """``Path.expanduser`` raises a RuntimeError for a user that does not exist."""
    found = {
        f"src/etude/{file.relative_to(SOURCE)}" for file in SOURCE.rglob("*.py") if ").expanduser()" in file.read_text()
    }
    assert found <= OLD
