"""A source archive has no git: what DVC does is refused in a sentence, before anything is installed or run."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

from etude.cli import main as cli
from etude.core.errors import EtudeError


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a project that the commands look for, without git."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "conf").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_rebuild_says_what_it_lacks_and_how_to_go_on(archive: Path) -> None:
    with pytest.raises(EtudeError, match=r"is no git repository, .*git init.* without DVC, .*: etude all$"):
        cli.run_command(["rebuild"])


def test_make_says_so_before_it_installs(archive: Path) -> None:
    done = subprocess.run(["make", "repro"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "is no git repository" in done.stderr and "git init" in done.stderr
    assert not (archive / ".venv").exists() and "installing" not in done.stdout
    (archive / ".git").mkdir()
    assert subprocess.run(["make", "git"], capture_output=True, timeout=60, check=False).returncode == 0
