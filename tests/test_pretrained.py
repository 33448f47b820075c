"""The models that come with etude are those that were measured at full size, and make music anywhere."""

import json
import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from IPython.core.interactiveshell import InteractiveShell

import etude
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.tasks.trained_model import PACKAGED, packaged_models

MODELS = ["lstm_attention", "voices"]


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_one_that_was_measured_at_full_size(name: str) -> None:
    """Its settings, its size, and the figures of its card are those of reports/full."""
    settings = Settings.of(yaml.safe_load(compile_params(ROOT / "conf", ["experiment=full"])))
    config = json.loads((PACKAGED / name / "config.json").read_text())
    assert config["model"] == settings.model(name), "run: make pack RUN=..."
    results = json.loads((ROOT / "reports/full/results.json").read_text())[name]
    assert results["parameters"] == sum(one.numel() for one in etude.load(name).loaded.model.parameters())
    card = (PACKAGED / name / "README.md").read_text()
    assert f"| nats per note on test | {results['test/nats_per_note']:.3f} |" in card
    assert f"| distance of samples | {results['samples/distance']:.3f} [" in card


def test_they_are_small_and_named_in_the_readme() -> None:
    assert packaged_models() == MODELS
    sizes = {name: sum(file.stat().st_size for file in (PACKAGED / name).iterdir()) for name in MODELS}
    assert all(1_000_000 < size < 5_000_000 for size in sizes.values()), sizes
    assert all(f"`{name}`" in (ROOT / "README.md").read_text().partition("## Rebuild")[0] for name in MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_it_writes_notes_in_an_empty_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (piece,) = etude.load(name).generate(bars=2, seed=7)
    assert piece.bars == 2 and piece.notes > 8 and not list(tmp_path.iterdir())


def test_the_examples_of_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of docs/api.md, from top to bottom, with docs/ode.abc as the melody."""
    monkeypatch.chdir(tmp_path)
    etude.read(ROOT / "docs/ode.abc").save("melody.mid")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(), re.DOTALL):
        exec(block, names)
    assert isinstance(names["chorale"], etude.Piece) and isinstance(names["longer"], etude.Piece)
    nats = names["nats"]
    assert isinstance(nats, float) and 0 < nats < 4


def test_the_notebook_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell of notebooks/play.ipynb, in one process: what its last lines give can be shown."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/ode.abc").write_bytes((ROOT / "docs/ode.abc").read_bytes())
    monkeypatch.chdir(tmp_path / "notebooks")
    notebook = json.loads((ROOT / "notebooks/play.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    shell = InteractiveShell()
    shown = {cell["id"]: shell.run_cell("".join(cell["source"])) for cell in cells}
    for name, result in shown.items():
        assert result.success, (name, result.error_before_exec or result.error_in_exec)
    assert shown["generate"].result._repr_png_().startswith(b"\x89PNG")
    assert "audio/mpeg" in shown["play"].result.page and "audio/mpeg" in shown["harmonize"].result.page
    assert shown["save"].result == ["chorale.mid", "chorale.musicxml", "chorale.mp3"]
