"""The whole pipeline in a temporary clone: dvc repro, again, after an edit, after a loss; by hand; an experiment."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
import yaml
from conftest import ROOT

from etude.cli import entry
from etude.config.code import SECTIONS, closure, neutral_of, roots
from etude.config.sections import Settings

MODELS = ["ngram", "voices"]  # one that counts, one that learns by steps and harmonises
PIECES = 2  # generated from each model
# Less than experiment=smoke has: what counts here is which stages run, not how long.
SMALLER = {
    "dataset": {"limit": 10},
    "augment": {"copies": 1},
    "train": {"max_steps": 2, "steps_per_epoch": 1},
    "generate": {"pieces": PIECES, "open_bars": 2, "max_tokens": 48, "sweeps": 1},
    "harmonize": {"candidates": 1, "sweeps": 1, "pieces": 1, "bars": 2},
    "evaluate": {"bars": 2, "bootstrap": 10, "permutations": 10, "draws": 2, "snapshots": 1},
    "mix": {"sample_rate": 8000},
}
# src/sitecustomize.py of the clone: as a process ends, it writes down the modules of the package that it has loaded
RECORDER = """
import atexit, pathlib, sys, uuid

def record():
    main = getattr(sys.modules["__main__"], "__spec__", None)
    if main is not None and main.name.startswith("etude."):
        names = {main.name} | {name for name in sys.modules if name.startswith("etude.")}
        folder = pathlib.Path(__file__).parents[2] / "loaded"
        (folder / uuid.uuid4().hex).write_text("\\n".join([" ".join([main.name, *sys.argv[1:]]), *names]))

atexit.register(record)
"""
GIT = ["git", "-c", "user.name=etude", "-c", "user.email=etude@localhost"]


def environment(root: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "ETUDE_"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "ETUDE_PROGRESS": "0",
        "ETUDE_WORKERS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONPATH": str(root / "src"),
    }


def call(root: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=root, env=environment(root), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone of the working tree, set to a smaller experiment=smoke, after its first dvc repro."""
    root = tmp_path_factory.mktemp("clone") / "etude"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        made = name == "dvc.lock" or (name.startswith("reports/") and not name.endswith("README.md"))
        if (ROOT / name).is_file() and not made:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    config = root / "conf/config.yaml"
    few = f"- model: [{', '.join(MODELS)}]"
    text = config.read_text().replace("- experiment: null", "- experiment: smoke")
    text = re.sub(r"- tokenize: \[.*\]", "- tokenize: [remi, voicegrid]", text)
    config.write_text(re.sub(r"- model: \[.*\]", few, text))
    smoke = root / "conf/experiment/smoke.yaml"
    sections = yaml.safe_load(smoke.read_text())
    sections |= {name: sections.get(name, {}) | values for name, values in SMALLER.items()}
    smoke.write_text("# @package _global_\n" + yaml.safe_dump(sections, sort_keys=False))
    (root / "src/sitecustomize.py").write_text(RECORDER)
    (root.parent / "loaded").mkdir()
    call(root, *GIT, "init", "-q")
    printed = call(root, sys.executable, "-m", "etude", "rebuild", "jobs=2")
    assert "[1/18] download: " in printed and "18 stage instances in " in printed
    call(root, *GIT, "add", "-A")
    call(root, *GIT, "commit", "-qm", "first")
    yield root
    shutil.rmtree(root)


def runs(root: Path) -> list[dict[str, object]]:
    """Every MLflow run of the clone."""
    from mlflow import MlflowClient

    # of a copy: MLflow keeps a database open, and a test deletes the clone's
    with TemporaryDirectory() as folder:
        database = shutil.copy(root / "mlruns/mlflow.db", folder)
        client = MlflowClient(f"sqlite:///{database}")
        found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return [
        {"status": run.info.status, "id": run.info.run_id, **run.data.tags, **run.data.params, **run.data.metrics}
        for run in found
    ]


def test_every_model_is_trained_measured_and_tracked(clone: Path) -> None:
    model_names = list(yaml.safe_load((clone / "params.yaml").read_text())["models"])
    assert model_names == MODELS
    for model_name in model_names:
        assert (clone / f"models/{model_name}/model.safetensors").stat().st_size
        assert len(list((clone / f"data/generate/{model_name}").glob("*.mid"))) == PIECES
        metrics = json.loads((clone / f"reports/evaluate/{model_name}.json").read_text())["metrics"]
        assert "test/nats_per_note" in metrics
        copied = json.loads((clone / f"reports/arrange/{model_name}.json").read_text())["copied"]
        made = {file.name for file in (clone / f"data/arrange/{model_name}/copies").glob("*")}
        assert made == (
            set() if copied is None else {f"{name}.{kind}" for name in ("sample", "train") for kind in ("mid", "mp3")}
        )
        index = clone / f"models/{model_name}/snapshots/index.json"
        kept = [entry["step"] for entry in json.loads(index.read_text())] if index.is_file() else []
        training = json.loads((clone / f"reports/evaluate/{model_name}.json").read_text())["originality"]["training"]
        assert [row["step"] for row in training] == kept and len(kept) == (1 if model_name == "voices" else 0)
    page = (clone / "reports/index.html").read_text()
    assert all(model_name in page for model_name in model_names)
    found = {str(run["etude.model"]): run for run in runs(clone)}
    assert sorted(found) == sorted(model_names) and {run["status"] for run in found.values()} == {"FINISHED"}
    shown = yaml.safe_load((clone / "params.yaml").read_text())
    assert "test.nats_per_note" in found["voices"] and found["voices"]["optim.lr"] == str(shown["optim"]["lr"])


def test_no_family_is_on_two_sides(clone: Path) -> None:
    split_ids = json.loads((clone / "data/split/split.json").read_text())
    families = [{split_ids["families"][piece] for piece in split_ids[split]} for split in ("train", "valid", "test")]
    assert all(families) and not any(a & b for i, a in enumerate(families) for b in families[i + 1 :])


def test_a_second_repro_does_nothing_and_the_clone_is_clean(clone: Path) -> None:
    assert "up to date" in call(clone, "dvc", "repro")
    assert "Everything is up to date." in call(clone, sys.executable, "-m", "etude", "rebuild")
    assert call(clone, "git", "status", "--porcelain") == ""


def test_a_stage_loads_no_module_that_it_does_not_declare(clone: Path) -> None:
    settings = Settings.from_params(clone / "params.yaml")
    seen = set()
    for file in (clone.parent / "loaded").iterdir():
        command, *names = file.read_text().splitlines()
        module, *of = command.split()
        stage = module.removeprefix("etude.stages.")
        if stage not in SECTIONS:  # etude.config.compile
            continue
        seen.add(" ".join([stage, *of]))
        declared = closure(roots(stage, settings, of[0] if of else None), neutral_of(stage))
        own = {name for name in names if not name.startswith(tuple(neutral_of(stage)))}
        assert module in names and own <= declared, (command, sorted(own - declared))
    assert len(seen) == 18, sorted(seen)


def test_an_edit_of_one_model_touches_its_stages_and_the_report_alone(clone: Path) -> None:
    file = clone / "conf/model/voices.yaml"
    text = file.read_text()
    file.write_text(re.sub(r"dropout: \S+", "dropout: 0.123", text, count=1))
    assert file.read_text() != text
    call(clone, "dvc", "repro", "params")
    stale = set(json.loads(call(clone, "dvc", "status", "--json")))
    call(clone, "git", "checkout", "-q", ".")
    assert stale == {"train@voices", "report", "track"}, "the later stages of voices follow from its training"
    dry = call(clone, "dvc", "repro", "--dry")
    assert "up to date" in dry


def test_after_dvc_restored_everything_from_its_cache_the_runs_are_there(clone: Path) -> None:
    shutil.rmtree(clone / "mlruns")
    shutil.rmtree(clone / "models")
    said = call(clone, "dvc", "repro")
    assert "python -m etude.stages.train" not in said, "no training ran again"
    assert {run["etude.model"] for run in runs(clone)} == set(MODELS)
    assert call(clone, "git", "status", "--porcelain") == ""


def test_a_fresh_clone_that_pulls_from_a_folder_has_models_and_report(clone: Path, tmp_path: Path) -> None:
    call(clone, "dvc", "remote", "add", "--local", "-d", "-f", "store", str(tmp_path / "store"))
    call(clone, "dvc", "push", "-q")
    call(tmp_path, "git", "clone", "-q", str(clone), "fresh")
    fresh = tmp_path / "fresh"
    call(fresh, "dvc", "remote", "add", "--local", "-d", "store", str(tmp_path / "store"))
    call(fresh, "dvc", "pull", "-q")
    for model_name in MODELS:
        assert (fresh / f"models/{model_name}/model.safetensors").is_file()
    assert (fresh / "reports/index.html").read_bytes() == (clone / "reports/index.html").read_bytes()
    assert call(fresh, "git", "status", "--porcelain") == ""


class Multirun(NamedTuple):
    """One ``etude train -m`` of two models."""

    printed: str
    new: list[dict[str, object]]  # its MLflow runs
    changed: str  # of the files that git tracks


@pytest.fixture(scope="module")
def multirun(clone: Path) -> Multirun:
    """Of ngram and the model of CONTRIBUTING.md: one class and one YAML, copied as they stand."""
    before = {run["id"] for run in runs(clone)}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    places = {"python": "src/etude/models/rnn.py", "yaml": "conf/model/rnn.yaml"}
    for language, place in places.items():
        blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        (block,) = (block for block in blocks if place in block)
        (clone / place).write_text(block)
    overrides = ["model=ngram,rnn", "train.max_steps=2", "session.samples=1"]
    printed = call(clone, sys.executable, "-m", "etude", "train", "-m", *overrides)
    for place in places.values():
        (clone / place).unlink()
    changed = call(clone, "git", "status", "--porcelain")
    return Multirun(printed, [run for run in runs(clone) if run["id"] not in before], changed)


def test_a_multirun_makes_finished_children_under_one_parent(multirun: Multirun) -> None:
    new = multirun.new
    parents = [run for run in new if "mlflow.parentRunId" not in run]
    assert len(parents) == 1 and len(new) == 3 and {run["status"] for run in new} == {"FINISHED"}
    children = [run for run in new if run.get("mlflow.parentRunId") == parents[0]["id"]]
    assert sorted(str(run["etude.model"]) for run in children) == ["ngram", "rnn"]
    assert multirun.changed == "", "a run by hand leaves the pipeline's results alone"


def test_the_model_of_contributing_trains(clone: Path, multirun: Multirun) -> None:
    (folder,) = (clone / place for place in re.findall(r"wrote (\S+)", multirun.printed) if place.endswith("/rnn"))
    assert json.loads((folder / "result.json").read_text())["steps"] == 2


@pytest.fixture
def etude(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """The command inside the clone, in this process: its exit status and what it prints."""
    monkeypatch.chdir(clone)
    for name in ("HYDRA_FULL_ERROR", "ETUDE_LAUNCH"):
        monkeypatch.setenv(name, "")  # the command sets them: put back after the test

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["etude", *arguments])
        with pytest.raises(SystemExit) as end:
            entry.main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out + printed.err

    return run


def test_a_training_by_hand_is_a_run_of_its_own(clone: Path, etude: Callable[..., tuple[int, str]]) -> None:
    before = {run["id"] for run in runs(clone)}
    status, said = etude("train", "model=ngram", "session.samples=0")
    assert status == 0 and re.search(r"train ngram wrote runs/\S+/models/ngram\n", said)
    (new,) = (run for run in runs(clone) if run["id"] not in before)
    assert (new["etude.model"], new["status"], "mlflow.parentRunId" in new) == ("ngram", "FINISHED", False)
    assert call(clone, "git", "status", "--porcelain") == ""


def test_training_on_data_of_other_settings_is_refused(etude: Callable[..., tuple[int, str]]) -> None:
    status, said = etude("train", "model=voices", "augment.stretch=[1.0]")
    assert status == 2
    assert "[0.9, 1.0, 1.1]" in said and "[1.0]" in said and "etude augment" in said and "Traceback" not in said


def test_an_experiment_trains_with_what_params_yaml_shows(clone: Path) -> None:
    """The last test: the clone's files stay those of the experiment."""
    call(clone, "dvc", "exp", "run", "-n", "brave-bach", "-S", "model=ngram", "-S", "train.seed=7", "train@ngram")
    shown = yaml.safe_load((clone / "params.yaml").read_text())
    assert list(shown["models"]) == ["ngram"] and shown["train"]["seed"] == 7
    assert json.loads((clone / "models/ngram/config.json").read_text())["settings"]["train"]["seed"] == 7
    run = next(run for run in runs(clone) if run.get("etude.place") == "brave-bach")
    assert run["train.seed"] == "7" and run["status"] == "FINISHED"
