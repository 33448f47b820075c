"""The notebook that compares runs, executed on a few made-up runs and on none."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from etude import tracking
from etude.artifacts.context import Session
from etude.tracking import compare

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "compare_runs.ipynb"
NONE = "Run make repro first"


def record(
    session: Session, model_name: str, settings: dict[str, Any], curve: dict[str, list[float]], result: dict[str, float]
) -> None:
    """One training as it is left in MLflow: curves by step (1, 2, ...), the results, and samples."""
    key = json.dumps([model_name, settings])
    run = tracking.start(session, model_name, key, settings, {})
    folder = (session.out or session.root) / "models" / model_name
    (folder / "samples").mkdir(parents=True)
    lines = [",".join(["step", *curve])]
    for step, values in enumerate(zip(*curve.values(), strict=True), start=1):
        run.metrics(dict(zip(curve, values, strict=True)), step)
        lines.append(",".join(map(str, [step, *values])))
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    (folder / "config.json").write_text(json.dumps({"key": key, "settings": settings}))
    (folder / "result.json").write_text(json.dumps(result))
    for name in ("01.mp3", "00.mp3", "00.mid"):
        (folder / "samples" / name).write_text(f"{model_name} {name}")
    run.finish(folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A pipeline's baseline and GAN without likelihood, and a manual sweep: two learning rates, and a GAN."""
    root = tmp_path_factory.mktemp("compared")
    (root / "dvc.yaml").touch()
    (root / "conf").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME", "DVC_ROOT", "ETUDE_PARENT_RUN"):
            patch.delenv(name, raising=False)
        session = Session(root=root, experiment="etude")
        tracking.reap(session)  # makes the database, which takes 3 s
        shutil.copy(root / "mlruns" / "mlflow.db", root / "mlruns" / "empty.db")
        seed: dict[str, Any] = {"seed": 1, "train": {"seed": 1}}
        valid, test, apart = "valid/nats_per_note", "test.nats_per_note", "samples.distance"
        record(session, "ngram", seed, {valid: [0.95, 0.8127, 0.9]}, {valid: 0.8127, test: 0.8005, "best_step": 2})
        rolls = {"valid/roll_distance": [0.6, 0.5]}
        distances = {apart: 0.4321, f"{apart}_low": 0.4, f"{apart}_high": 0.5}
        record(session, "gan", seed, rolls, {"valid/roll_distance": 0.5, **distances})
        parent = tracking.start_parent(session, "sweep", {})
        for number, (rate, nats) in enumerate([(0.02, 0.7654), (0.001, 0.6543)]):
            trial = Session(root=root, out=root / "runs" / str(number), experiment="etude")
            settings = {**seed, "optim": {"lr": rate}, "models": {"lstm": {"hidden": 8}}}
            curve = {valid: [1.5, nats, nats + 0.1], "train/nats_per_token": [3.0, 2.0, 1.0]}
            record(trial, "lstm", settings, curve, {valid: nats, "best_step": 2})
        trial = Session(root=root, out=root / "runs" / "2", experiment="etude")
        record(trial, "gan", seed, rolls, {"valid/roll_distance": 0.7})
        tracking.finish_parent(session, parent)
    return session


@pytest.fixture(scope="module")
def empty(project: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without runs."""
    root = tmp_path_factory.mktemp("empty")
    for folder in ("conf", "mlruns"):
        (root / folder).mkdir(parents=True)
    (root / "dvc.yaml").touch()
    shutil.copy(project.root / "mlruns" / "empty.db", root / "mlruns" / "mlflow.db")
    return root


@pytest.fixture(scope="module")
def shown(project: Session, empty: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What the notebook shows inside ``project`` and inside ``empty``."""
    with pytest.MonkeyPatch.context() as patch:
        return execute([project.root, empty], tmp_path_factory.mktemp("scratch"), patch)


def execute(roots: list[Path], scratch: Path, patch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Run the notebook inside each of ``roots`` with this Python; what its code cells showed, as text, by their ids.

    One kernel does it, as its start takes seconds; it forgets all names in between. Raises nbclient's
    CellExecutionError where a cell fails.
    """
    place = scratch / "jupyter" / "kernels" / "python3"
    place.mkdir(parents=True)
    kernel = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "env": {"PYTHONPATH": str(ROOT / "src")},
    }
    (place / "kernel.json").write_text(json.dumps(kernel))
    patch.setenv("JUPYTER_PATH", str(scratch / "jupyter"))  # before the user's own kernels
    patch.setenv("JUPYTER_RUNTIME_DIR", str(scratch / "runtime"))
    patch.setenv("IPYTHONDIR", str(scratch / "ipython"))
    for name in ("MPLBACKEND", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME", "DVC_ROOT"):
        patch.delenv(name, raising=False)
    copies = []
    joined = nbformat.read(NOTEBOOK, as_version=4)
    joined.cells = []
    for number, root in enumerate(roots):
        folder = root / "notebooks"
        folder.mkdir(exist_ok=True)
        copies.append(nbformat.read(NOTEBOOK, as_version=4))
        change = nbformat.v4.new_code_cell(f"%reset -f\nimport os\nos.chdir({str(folder)!r})", id=f"change-{number}")
        joined.cells += [change, *copies[-1].cells]
    NotebookClient(
        joined, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(roots[0])}}
    ).execute()
    return [{cell.id: text_of(cell.outputs) for cell in copy.cells if cell.cell_type == "code"} for copy in copies]


def text_of(outputs: list[Any]) -> str:
    """All output of a cell: what was printed, and the richest text of what was displayed."""
    parts = []
    for output in outputs:
        assert output.output_type != "error", output  # nbclient is silent on a figure that cannot be drawn
        if output.output_type == "stream":
            parts.append(output.text)
        else:
            parts += [f"<{kind}>{text}" for kind, text in output.data.items() if kind in ("text/html", "image/png")]
    return "\n".join(parts)


def test_the_notebook_shows_what_the_runs_have(shown: list[dict[str, str]]) -> None:
    texts = shown[0]
    assert "5 finished runs of 3 models: gan, lstm, ngram." in texts["runs"]
    table = texts["models-table"]
    for value in ("0.813", "0.800", "0.432", "0.400", "0.654"):  # of lstm the newest
        assert f">{value}<" in table
    assert ">0.765<" not in table and ">nan<" not in table and ">-<" in table
    assert all("<image/png>" in texts[f"{name}-figure"] for name in ("baseline", "curves", "sweep"))
    sweep = texts["sweep-table"]
    assert all(f">{text}<" in sweep for text in ("lstm", "optim.lr", "0.001", "0.02", "0.654", "0.765"))
    assert sweep.index(">0.654<") < sweep.index(">0.765<")  # the best first
    assert ">gan<" in sweep and ">0.700<" in sweep and "seed" not in sweep and "ngram" not in sweep
    assert texts["sound-players"].count("data:audio/mpeg;base64,") == 3
    assert not any("Warning" in text or NONE in text for text in texts.values())


def test_the_notebook_explains_what_to_do_without_runs(shown: list[dict[str, str]]) -> None:
    texts = shown[1]
    assert NONE in texts["runs"] and NONE in texts["models-table"]
    assert "There is no sweep." in texts["sweep-table"]
    assert not any("<image/png>" in text or "Warning" in text for text in texts.values())


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells and all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert all(cell.id.replace("-", "").isalpha() for cell in notebook.cells)  # names, not random ones at each saving
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_curve_has_one_value_a_step_and_not_the_final_value(project: Session) -> None:
    table = compare.runs(project).set_index("model")
    ngram = table.loc["ngram"]
    assert ngram["metrics.valid/nats_per_note"] == 0.8127
    curve = compare.history(project, ngram["run_id"], "valid/nats_per_note")
    assert curve.to_dict("list") == {"step": [1, 2, 3], "value": [0.95, 0.8127, 0.9]}
    nothing = compare.history(project, ngram["run_id"], "train/loss")
    assert list(nothing) == ["step", "value"] and nothing.empty


def test_a_file_of_a_run_or_none(project: Session) -> None:
    table = compare.runs(project)
    run = table[table["model"] == "gan"]["run_id"].iloc[0]
    first = compare.artifact(project, run, "samples/*.mp3")
    assert first is not None and first.read_bytes() == b"gan 00.mp3"
    assert first.is_relative_to(project.root)  # no copy
    result = compare.artifact(project, run, "result.json")
    assert result is not None and json.loads(result.read_text())["valid/roll_distance"] == 0.5
    assert compare.artifact(project, run, "arrange/*.mp3") is None
    assert compare.artifact(project, run, "samples/*.flac") is None
    kept, away = project.root / "mlruns" / "artifacts", project.root / "away"
    kept.rename(away)
    try:
        assert compare.artifact(project, run, "samples/*.mp3") is None
    finally:
        away.rename(kept)
