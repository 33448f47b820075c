"""Places: which folder is the project, and where a stage reads and writes."""

from pathlib import Path

import pytest

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.project import project_root


def make(folder: Path) -> Path:
    (folder / "conf").mkdir(parents=True)
    (folder / "dvc.yaml").touch()
    return folder


def test_the_project_is_the_nearest_folder_with_a_map_and_settings(tmp_path: Path) -> None:
    outer, inner = make(tmp_path / "outer"), make(tmp_path / "outer/runs/inner")
    (inner / "data/deep").mkdir(parents=True)
    (outer / "src").mkdir()
    assert project_root(inner / "data/deep") == inner == project_root(inner)
    assert project_root(outer / "src") == project_root(inner.parent) == outer


@pytest.mark.parametrize("there", [[], ["dvc.yaml"], ["conf"]])
def test_outside_a_project_the_folder_is_named(
    there: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in there:
        (tmp_path / name).touch() if "." in name else (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EtudeError, match=f"{tmp_path} is not inside an etude project"):
        project_root()
    with pytest.raises(EtudeError, match="not inside an etude project"):
        Session()


def test_the_working_folder_decides_where_nothing_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "project")
    (root / "src").mkdir()
    monkeypatch.chdir(root / "src")
    assert Session().root == root


def test_what_a_manual_run_holds_is_read_before_the_project_s(tmp_path: Path) -> None:
    root, run = make(tmp_path / "project"), tmp_path / "run"
    for top, place in ((root, "models/lstm"), (root, "data/split"), (run, "models/lstm")):
        (top / place).mkdir(parents=True)
    session = Session(root=root, run=run)
    assert session.read(catalog.model("lstm")) == run / "models/lstm"
    assert session.read(catalog.SPLIT) == root / "data/split"
    assert Session(root=root).read(catalog.model("lstm")) == root / "models/lstm"


def test_what_is_not_there_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"^data/split does not exist\. Make it with: etude split$"):
        Session(root=tmp_path, run=tmp_path / "run").read(catalog.SPLIT)


def test_results_go_to_the_run_s_own_folder_if_it_has_one(tmp_path: Path) -> None:
    assert Session(root=tmp_path).write(catalog.model("lstm")) == tmp_path / "models/lstm"
    out = tmp_path / "runs/1"
    session = Session(root=tmp_path, out=out, run=tmp_path / "runs/0")
    assert session.write(catalog.model("lstm")) == out / "models/lstm"
    assert not list(tmp_path.iterdir()), "asking for a place makes nothing"


def test_the_environment_gives_what_the_command_line_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("ETUDE_WORKERS", "ETUDE_PROGRESS", "MLFLOW_EXPERIMENT_NAME")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    plain = Session(root=tmp_path)
    assert (plain.progress, plain.experiment) == (True, "etude") and plain.workers >= 1
    for name, value in zip(names, ("3", "0", "choir"), strict=True):
        monkeypatch.setenv(name, value)
    found = Session(root=tmp_path)
    assert (found.workers, found.progress, found.experiment) == (3, False, "choir")


@pytest.mark.parametrize("value", ["0", "-1", "abc", ""])
def test_a_wrong_number_of_workers_is_refused(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETUDE_WORKERS", value)
    with pytest.raises(EtudeError, match=r"ETUDE_WORKERS = .* at least 1"):
        Session(root=tmp_path)
