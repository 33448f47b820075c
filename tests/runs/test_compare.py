"""Runs found by their folders, as the pipeline's, as a sweep and in MLflow; what is missing is named with a command."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import make_piece, smoke

from etude import tracking
from etude.artifacts.context import Session
from etude.audio.render import write_sound
from etude.cli import main as cli
from etude.core.errors import EtudeError
from etude.runs.compare import compare

LR = {"optim.lr=0.01": 0.01, "optim.lr=0.02": 0.02}


def train(top: Path, model_name: str, key: str, overrides: str = "") -> None:
    """models/M as a training leaves it, with one sample and its sound."""
    folder = top / "models" / model_name
    (folder / "samples").mkdir(parents=True)
    settings = {"optim": {"lr": LR.get(overrides, 0.001)}, "model": {"hidden": 8}, "train": {"max_steps": 5, "seed": 1}}
    (folder / "config.json").write_text(json.dumps({"key": key, "settings": settings, "tags": {}}))
    (folder / "result.json").write_text(json.dumps({"valid/nats_per_note": LR.get(overrides, 0.5), "steps": 5}))
    piece = make_piece(len(key), beats=4)
    piece.dump_midi(folder / "samples/00.mid")
    write_sound(folder / "samples/00.mp3", piece, smoke().mix, 1.0)
    if overrides:
        (top / tracking.SWEEP).write_text(json.dumps({"overrides": overrides}))


def generate(top: Path, model_name: str, key: str) -> None:
    """data/generate/M as the stage leaves it."""
    folder = top / "data/generate" / model_name
    folder.mkdir(parents=True)
    for number in range(2):
        make_piece(number, beats=4).dump_midi(folder / f"{number:02d}.mid")
    made = {"settings": {"key": key, "generate": {"temperature": 0.7}, "model": model_name}, "pieces": []}
    (folder / "manifest.json").write_text(json.dumps(made))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The pipeline's gan with samples, a sweep of two trainings, and a folder that only sampled."""
    root = tmp_path_factory.mktemp("project")
    (root / "conf").mkdir()
    (root / "dvc.yaml").touch()
    train(root, "gan", "pipeline")
    generate(root, "gan", "pipeline")
    (root / "reports/evaluate").mkdir(parents=True)
    (root / "reports/evaluate/gan.json").write_text(
        json.dumps({"key": "pipeline", "metrics": {"samples/distance": 1.5}})
    )
    for job, overrides in enumerate(LR):
        train(root / f"runs/sweep/{job}", "lstm", f"job {job}", overrides)
    generate(root / "runs/sampled", "gan", "pipeline")
    (root / "runs/empty").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        session = Session(root=root, experiment="etude")
        tracking.publish(Session(root=root, run=root / "runs/sweep/0", experiment="etude"), "lstm")
    return session


def page(session: Session, *names: str, models: tuple[str, ...] = ()) -> str:
    made = compare(smoke(), session, names, models, 4, session.root / "page.html")
    return made.read_text(encoding="utf-8")


def test_the_pipeline_a_sweep_and_a_folder_that_only_sampled(project: Session) -> None:
    html = page(project, "pipeline", "sweep", "runs/sampled")
    titles = ["gan (the pipeline&#39;s results)", "lstm optim.lr=0.01", "lstm optim.lr=0.02", "gan (runs/sampled)"]
    places = [html.index(f"<h3>{title}</h3>") for title in titles]
    assert places == sorted(places)
    assert html.count("data:audio/mpeg;base64,") == 2 + 1 + 1 + 2
    assert (
        ">optim.lr</th><td>0.001</td><td>0.01</td><td>0.02</td><td>0.001</td>" in html
    )  # of the training it came from
    assert "generate.temperature" not in html  # the same wherever something was generated
    assert ">nats per note, valid</th><td>0.500</td><td><b>0.010</b></td><td>0.020</td><td>0.500</td>" in html
    assert ">samples: distance to real music</th><td>1.500</td><td>–</td>" in html


def test_one_model_of_a_run_with_several(project: Session) -> None:
    html = page(project, "pipeline", models=("gan",))
    assert "<h3>gan</h3>" in html and "Settings that differ" not in html


def test_a_run_of_mlflow_from_its_folder_or_from_what_mlflow_keeps(project: Session, tmp_path: Path) -> None:
    (run_id,) = tracking.runs(project)["run_id"]
    here = page(project, run_id)
    assert "<h3>lstm 5 steps optim.lr=0.01</h3>" in here and "runs/sweep/0" in here
    away = project.root / "runs/sweep/0/models"
    kept = shutil.move(away, tmp_path / "models")
    try:
        html = page(project, run_id, "sweep")
        assert f"MLflow run {run_id}" in html and html.count("data:audio/mpeg;base64,") == 2
        assert ">optim.lr</th><td>0.01</td><td>0.02</td>" in html
        assert ">nats per note, valid</th><td><b>0.010</b></td><td>0.020</td>" in html
    finally:
        shutil.move(kept, away)


@pytest.mark.parametrize(
    ("names", "models", "message"),
    [
        (["sweeep"], (), r'no run sweeep: neither a folder.*Did you mean "sweep"\?'),
        (["empty"], (), r"no samples in .*runs/empty\. Make them with: etude generate model=NAME"),
        (["pipeline"], ("gann",), r'no samples of gann in the project\. Did you mean "gan"\?'),
        (["f" * 32], (), r"MLflow at .* has no training f{32}\."),
    ],
)
def test_what_is_missing_is_a_sentence(
    project: Session, names: list[str], models: tuple[str, ...], message: str
) -> None:
    with pytest.raises(EtudeError, match=message):
        page(project, *names, models=models)


def test_a_training_without_samples_names_the_command_that_makes_them(project: Session, tmp_path: Path) -> None:
    train(tmp_path, "lstm", "bare")
    shutil.rmtree(tmp_path / "models/lstm/samples")
    with pytest.raises(EtudeError, match=rf"etude generate model=lstm session\.run={tmp_path}"):
        page(project, str(tmp_path))


def test_the_command_needs_runs() -> None:
    with pytest.raises(EtudeError, match="etude compare needs runs"):
        cli.run_command(["compare", "pieces=3"])
