"""Places: which folder is the project, and where a stage reads and writes."""

import os
from pathlib import Path

import pytest

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.project import conf_folder, find_project, require_project


def make(folder: Path) -> Path:
    (folder / "conf").mkdir(parents=True)
    (folder / "dvc.yaml").touch()
    return folder


def test_the_project_is_the_nearest_folder_with_a_map_and_settings(tmp_path: Path) -> None:
    outer, inner = make(tmp_path / "outer"), make(tmp_path / "outer/runs/inner")
    (inner / "data/deep").mkdir(parents=True)
    (outer / "src").mkdir()
    assert find_project(inner / "data/deep") == inner == find_project(inner)
    assert find_project(outer / "src") == find_project(inner.parent) == outer
    assert conf_folder(inner) == inner / "conf"


@pytest.mark.parametrize("there", [[], ["dvc.yaml"], ["conf"]])
def test_outside_a_project_the_working_folder_is_taken_with_the_settings_of_the_package(
    there: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in there:
        (tmp_path / name).touch() if "." in name else (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert Session().root == tmp_path
    assert (conf_folder(tmp_path) / "config.yaml").is_file()
    with pytest.raises(EtudeError, match=f"{tmp_path} is not inside an etude project"):
        require_project()


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


def test_what_is_not_there_names_what_gets_it_from_here(tmp_path: Path) -> None:
    session = Session(root=tmp_path, run=tmp_path / "run")
    whole = r"Make it, and what it needs, with: etude download && etude ingest && etude split$"
    with pytest.raises(EtudeError, match=rf"^data/split does not exist\. {whole}"):
        session.read(catalog.SPLIT)
    (tmp_path / "data/ingest").mkdir(parents=True)
    (tmp_path / "data/download").mkdir()
    assert session.advice(catalog.SPLIT) == "Make it with: etude split"
    assert session.advice(catalog.model("lstm")) == "Make it, and what it needs, with: etude all model=lstm"


def test_in_a_project_a_target_of_its_pipeline_is_named(tmp_path: Path) -> None:
    session = Session(root=make(tmp_path))
    (tmp_path / ".git").mkdir()
    assert session.advice(catalog.SPLIT) == "Make it, and what it needs, with: dvc repro split"
    assert session.advice(catalog.model("lstm")) == "Make it, and what it needs, with: etude all model=lstm"
    (tmp_path / "params.yaml").write_text("models: {lstm: {}}\ntokenize: {remi: {}}\n")
    assert session.advice(catalog.model("lstm")) == "Make it, and what it needs, with: dvc repro train@lstm"
    assert session.advice(catalog.model("gru")) == "Make it, and what it needs, with: etude all model=gru"
    assert session.advice(catalog.tokens("remi")) == "Make it, and what it needs, with: dvc repro tokenize@remi"


def test_other_data_than_the_project_s_is_asked_for_in_the_advice(tmp_path: Path) -> None:
    session = Session(root=make(tmp_path), asked="dataset=folk dataset.limit=9")
    (tmp_path / ".git").mkdir()
    (tmp_path / "params.yaml").write_text("models: {lstm: {}}\ntokenize: {remi: {}}\n")
    (tmp_path / "data/download").mkdir(parents=True)
    stages = ("ingest", "split", "augment", "tokenize tokenize=remi")
    commands = " && ".join(f"etude {stage} dataset=folk dataset.limit=9" for stage in stages)
    assert session.advice(catalog.tokens("remi")) == f"Make it, and what it needs, with: {commands}"
    model = "Make it, and what it needs, with: etude all model=lstm dataset=folk dataset.limit=9"
    assert session.advice(catalog.model("lstm")) == model


def test_without_git_no_target_of_dvc_is_named(tmp_path: Path) -> None:
    session = Session(root=make(tmp_path))
    assert session.advice(catalog.DOWNLOAD) == "Make it with: etude download"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    assert session.advice(catalog.DOWNLOAD) == "Make it, and what it needs, with: dvc repro download"


def test_a_manual_run_that_has_it_is_named(tmp_path: Path) -> None:
    session = Session(root=make(tmp_path))
    for place, run in enumerate(("runs/1", "runs/2/0")):
        (tmp_path / run / "models/lstm").mkdir(parents=True)
        os.utime(tmp_path / run / "models/lstm", (place, place))
    assert session.advice(catalog.model("lstm")).endswith(" is read with: session.run=runs/2/0")
    assert "session.run" not in session.advice(catalog.model("gru"))


def test_what_a_run_was_made_from_is_read_too(tmp_path: Path) -> None:
    root = make(tmp_path / "project")
    trained, sampled, measured = (root / f"runs/{place}" for place in (1, 2, 3))
    (trained / "models/lstm").mkdir(parents=True)
    Session(root=root, run=trained, out=sampled).link()
    (sampled / "data/generate/lstm").mkdir(parents=True)
    Session(root=root, run=sampled, out=measured).link()
    last = Session(root=root, run=measured)
    assert last.read(catalog.model("lstm")) == trained / "models/lstm"
    assert last.read(catalog.samples("lstm")) == sampled / "data/generate/lstm"
    Session(root=root, run=measured, out=trained).link()  # a circle
    assert last.find(catalog.model("gru")) is None


@pytest.mark.parametrize(
    "text", ["[]", "null", "{}", '{"run": 3}', '{"run": ""}', '{"run": "a\\u0000b"}', "[" * 100_000, "9" * 5000]
)
def test_a_damaged_link_to_a_run_is_reported(text: str, tmp_path: Path) -> None:
    run = tmp_path / "runs/one"
    run.mkdir(parents=True)
    (run / "reads.json").write_text(text)
    with pytest.raises(EtudeError, match=r"reads\.json"):
        Session(root=tmp_path, run=run).find(catalog.SPLIT)


@pytest.mark.parametrize("name", ["../../x", ".."])
def test_nothing_is_written_outside(name: str, tmp_path: Path) -> None:
    session = Session(root=tmp_path, out=tmp_path / "runs/one", run=tmp_path.parent)
    with pytest.raises(EtudeError, match=r"leads out of the project; nothing is written there"):
        session.write(catalog.model("lstm") / name)
    assert session.write(catalog.model("lstm")) == tmp_path / "runs/one/models/lstm"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\0", "x" * 251])
def test_an_experiment_of_mlflow_has_a_name_of_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"^MLFLOW_EXPERIMENT_NAME or session\.experiment = "):
        Session(root=tmp_path, experiment=name)
