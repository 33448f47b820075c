"""The experiments compared with the literature: result files of trained models, and the committed table of these."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, tiny

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.files import write_json
from etude.runs import literature as experiments
from etude.runs.literature import SPLITS, Protocol, protocol, read, result, table
from etude.tasks.likelihood import likelihood

PROTOCOL = Protocol(
    "nats_per_note", "nats per note", "All notes count.", published=[{"who": "A", "figure": 2.5, "source": "B"}]
)


@pytest.fixture(scope="module")
def found_metrics(trained: Session) -> dict[str, dict[str, float]]:
    """What the stage evaluate finds of three models of ``trained``."""
    return {model_name: likelihood(tiny(), trained, model_name) for model_name in ("ngram", "lstm", "deepbach")}


@pytest.fixture
def measured(trained: Session, found_metrics: dict[str, dict[str, float]], tmp_path: Path) -> Session:
    """``trained``, with the reports of three models as far as they are read here."""
    shutil.copytree(trained.root, tmp_path, dirs_exist_ok=True)
    for model_name, metrics in found_metrics.items():
        training = json.loads((tmp_path / f"models/{model_name}/result.json").read_text())
        write_json(tmp_path / f"reports/evaluate/{model_name}.json", {"training": training, "metrics": metrics})
    return Session(root=tmp_path, progress=False)


def some(*names: str) -> Any:
    settings = tiny()
    return dataclasses.replace(settings, models={name: settings.models[name] for name in names})


def test_the_committed_table_is_what_the_committed_result_files_say() -> None:
    results = read((ROOT / catalog.experiment("any").place).parent)
    assert (ROOT / catalog.EXPERIMENTS.place).read_text(encoding="utf-8") == table(results)
    for found in results:
        config = protocol(ROOT, found["experiment"])
        assert config is not None and (config.protocol, config.published) == (found["protocol"], found["published"])


def test_every_protocol_is_of_an_experiment_and_complete() -> None:
    for name in yaml.safe_load((ROOT / "conf/protocols.yaml").read_text(encoding="utf-8")):
        assert (ROOT / f"conf/experiment/{name}.yaml").is_file()
        config = protocol(ROOT, name)
        assert (
            config is not None
            and config.protocol
            and (config.published or "publish no such figures" in config.protocol)
        )
        assert config.baseline is None or (ROOT / f"src/etude/baselines/{config.baseline}.py").is_file()


def test_a_result_has_the_figures_of_evaluate_by_both_weightings(
    measured: Session, found_metrics: dict[str, dict[str, float]]
) -> None:
    made = result(some("ngram", "lstm"), measured, "trial", PROTOCOL)
    assert [row["model"] for row in made["rows"]] == ["ngram", "lstm"]
    row, found = made["rows"][1], found_metrics["lstm"]
    for split in ("valid", "test"):
        assert row[split] == pytest.approx(found[f"{split}/nats_per_note"], abs=1e-6)
        assert row[f"{split}_by_piece"] == pytest.approx(found[f"{split}/nats_per_note_by_piece"], abs=1e-6)
    assert row["steps"] == tiny().schedule("lstm")[0].max_steps and row["parameters"] > 0
    assert row["made_on"] == {"accelerator": "cpu", "devices": 1, "precision": "float32"}
    assert made["pieces"] == {"valid": 2, "test": 2}
    assert made["settings"]["optim"] == tiny().optim and list(made["settings"]["models"]) == ["ngram", "lstm"]
    assert str(measured.root) not in json.dumps(made)


def test_baselines_may_be_measured_as_a_model_is(measured: Session, found_metrics: dict[str, dict[str, float]]) -> None:
    found = found_metrics["deepbach"]
    config = Protocol("pseudo_nats_per_cell", "nats", "Cells count.", baseline="neighbours", more=["accuracy_Bass"])
    baseline, row = result(some("deepbach"), measured, "trial", config)["rows"]
    assert baseline["baseline"] == "counts of the cell's neighbours" and row["model"] == "deepbach"
    assert row["valid"] == pytest.approx(found["valid/pseudo_nats_per_cell"], abs=1e-6)
    assert row["test/accuracy_Bass"] == pytest.approx(found["test/accuracy_Bass"], abs=1e-6)
    assert 0 < baseline["test"] < 5 and 0 < baseline["test/accuracy_Bass"] < 1
    lines = table([result(some("deepbach"), measured, "trial", config)]).splitlines()
    assert any(line.startswith("| baseline: counts of the cell's neighbours |") for line in lines)
    columns = [
        f"{row}, {split}" for row in ("baseline: counts of the cell's neighbours", "`deepbach`") for split in SPLITS
    ]
    assert lines[-3] == f"|  | {' | '.join(columns)} |"
    figures = [made[f"{split}/accuracy_Bass"] for made in (baseline, row) for split in SPLITS]
    assert lines[-1] == f"| accuracy Bass | {' | '.join(f'{figure:.3f}' for figure in figures)} |"
    assert row["test_by_piece"] == pytest.approx(found["test/pseudo_nats_per_cell_by_piece"], abs=1e-6)


def test_an_unknown_metric_is_an_error(measured: Session) -> None:
    config = dataclasses.replace(PROTOCOL, metric="nats_per_bar")
    with pytest.raises(EtudeError, match=r"lstm has no test/nats_per_bar, which conf/protocols\.yaml asks for"):
        result(some("lstm"), measured, "trial", config)


def test_the_table_shows_rows_and_published_figures(measured: Session) -> None:
    made = result(some("lstm"), measured, "trial", PROTOCOL)
    made["rows"].insert(
        0, {"baseline": "one note", "valid": 4.0, "test": 4.25, "valid_by_piece": 4.1, "test_by_piece": 5.0}
    )
    lines = table([made]).splitlines()
    assert "## trial" in lines and "All notes count." in lines
    assert "| baseline: one note | 4.000 | 4.250 | 4.100 | 5.000 | – | – |" in lines
    assert "| A (B) | – | 2.50 | – | – | – | – |" in lines
    ours = next(line for line in lines if line.startswith("| `lstm` |"))
    assert "`etude all experiment=trial`, here from a CPU. In nats per note." in lines
    steps = tiny().schedule("lstm")[0].max_steps
    assert f" {made['rows'][1]['test']:.3f} |" in ours and ours.endswith(f" / {steps:,} |")


def test_a_run_writes_the_project_only_where_its_settings_are_the_committed_ones(
    measured: Session, tmp_path: Path
) -> None:
    inside = dataclasses.replace(measured, out=tmp_path / "runs/a", run=tmp_path)
    own = experiments.run(some("lstm"), inside, "trial", PROTOCOL, committed=False)
    assert own == tmp_path / "runs/a/reports/experiments/trial.json" and own.is_file()
    assert not (tmp_path / catalog.experiment("trial").place).parent.exists()
    made = experiments.run(some("lstm"), inside, "trial", PROTOCOL, committed=True)
    assert made.read_bytes() == own.read_bytes()
    assert (tmp_path / catalog.EXPERIMENTS.place).read_text() == table(read(made.parent))


def test_further_seeds_are_added_to_the_committed_result(measured: Session, tmp_path: Path) -> None:
    inside = dataclasses.replace(measured, out=tmp_path / "runs/a", run=tmp_path)
    first = some("lstm")
    others = [dataclasses.replace(first, seed=seed, train={**first.train, "seed": seed}) for seed in (2, 3)]
    with pytest.raises(EtudeError, match=r"seed=2: .*trial.* Make it first: etude all experiment=trial"):
        experiments.require_first_seed(others[0], tmp_path, "trial")
    file = experiments.run(first, inside, "trial", PROTOCOL, committed=True)
    [own] = [row for row in json.loads(file.read_text())["rows"] if "model" in row]
    for settings, test in zip(others, (own["test"] + 0.1, own["test"] + 0.2), strict=True):
        report = tmp_path / "reports/evaluate/lstm.json"
        found = json.loads(report.read_text())
        write_json(report, {**found, "metrics": {**found["metrics"], "test/nats_per_note": test}})
        experiments.require_first_seed(settings, tmp_path, "trial")
        experiments.run(settings, inside, "trial", PROTOCOL, committed=True)
    made = json.loads(file.read_text())
    assert [row for row in made["rows"] if "model" in row] == [own] and list(made["seeds"]) == ["2", "3"]
    page = (tmp_path / catalog.EXPERIMENTS.place).read_text()
    assert "test, mean ± s.d. of 3 seeds" in page and f"| {own['test'] + 0.1:.3f} ± 0.100 |" in page
    assert f"| {own['valid']:.3f} ± 0.000 |" in page and "| A (B) | – | 2.50 | – | – | – | – | – | – |" in page
    experiments.run(first, inside, "trial", PROTOCOL, committed=True)
    assert list(json.loads(file.read_text())["seeds"]) == ["2", "3"]  # the first again keeps the others
    colder = {name: {**section, "generate": {"temperature": 0.5}} for name, section in first.models.items()}
    experiments.require_first_seed(dataclasses.replace(others[0], models=colder), tmp_path, "trial")  # learns the same
    larger = dataclasses.replace(others[0], optim={**first.optim, "lr": 0.5})
    with pytest.raises(EtudeError, match="seed=2"):
        experiments.require_first_seed(larger, tmp_path, "trial")
    experiments.run(dataclasses.replace(larger, seed=1), inside, "trial", PROTOCOL, committed=True)
    assert "seeds" not in json.loads(file.read_text())  # of other settings, which no longer hold


def test_a_slip_in_a_protocol_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "dvc.yaml").touch()
    file = tmp_path / "conf/protocols.yaml"
    assert protocol(tmp_path, "a") is None
    file.write_text("a: {metric: nats_per_note, unit: nats, protocol: All., base: x}")
    assert protocol(tmp_path, "b") is None
    with pytest.raises(EtudeError, match=r"protocols\.a\.base is not a setting.*baseline"):
        protocol(tmp_path, "a")
    file.write_text(
        "a: {metric: nats_per_note, unit: nats, protocol: All., published: [{who: A, figure: x, source: B}]}"
    )
    with pytest.raises(EtudeError, match=r"published\[0\]\.figure = 'x' must be a number"):
        protocol(tmp_path, "a")
    file.write_text("a: [")
    with pytest.raises(EtudeError, match=r"conf/protocols\.yaml is no YAML"):
        protocol(tmp_path, "a")


def test_an_experiment_may_compare_harmonies_with_the_real_voices(measured: Session) -> None:
    rates = {kind: {"harmony": 0.1, "alone": 0.5, "real": 0.3, "all_real": 0.2} for kind in ("leaps", "overlaps")}
    report = {"metrics": {"harmony/agreement": 0.4, "harmony/loss": 0.05}, "rates": rates}
    write_json(measured.root / "reports/harmonize/lstm.json", report)
    config = dataclasses.replace(PROTOCOL, metric="agreement", stage="harmonize", more=["loss", "leaps"], published=[])
    made = result(some("lstm"), measured, "trial", config)
    real, row = made["rows"]
    assert (real["test"], real["test/leaps"], real["real"]) == (1.0, 0.2, "Bach's own voices, of all pieces")
    assert (row["test"], row["test/leaps"], row["test/loss"]) == (0.4, 0.1, 0.05) and "valid" not in row
    text = table([made])
    assert "| Bach's own voices, of all pieces | – | 1.000 |" in text
    assert "| `lstm` | – | 0.400 |" in text and "| leaps | 0.200 | 0.100 |" in text
