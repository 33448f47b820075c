"""The digests by which CPUs are compared."""

from pathlib import Path

import pytest
from conftest import tiny

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.files import read_json
from etude.runs import arithmetic
from etude.runs.arithmetic import compare, kind_of_cpu, measure


def test_every_neural_model_has_a_digest_and_it_is_the_same_again(encoded: Session) -> None:
    settings = tiny()
    few = {name: settings.models[name] for name in ("ngram", "lstm", "deepbach")}
    chosen = type(settings).of({**settings.as_dict(), "models": few})
    first = measure(chosen, encoded)
    assert set(first) == {"lstm", "deepbach"} and measure(chosen, encoded) == first
    assert not (encoded.root / "models").exists()


def test_a_cpu_is_compared_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"lstm": "a", "gan": "b"}
    monkeypatch.setattr(arithmetic, "measure", lambda *_: ours)
    monkeypatch.setattr(arithmetic, "kind_of_cpu", lambda: "first")
    (tmp_path / "dvc.yaml").touch()
    file = tmp_path / catalog.ARITHMETIC.place
    assert "has no digests" in compare(tmp_path, tiny(), record=False)[1] and not file.exists()
    file.parent.mkdir()
    file.write_text("{")
    with pytest.raises(EtudeError, match="etude verify record=true"):
        compare(tmp_path, tiny(), record=False)
    assert compare(tmp_path, tiny(), record=True)[0] is True
    equal, sentence = compare(tmp_path, tiny(), record=False)
    assert equal and "trains all 2 models to the recorded weights." in sentence
    monkeypatch.setattr(arithmetic, "kind_of_cpu", lambda: "second")
    assert "a new kind" in compare(tmp_path, tiny(), record=True)[1]
    assert read_json(tmp_path / catalog.ARITHMETIC.place, "")["equal_cpus"] == ["first", "second"]
    ours["gan"] = "c"
    monkeypatch.setattr(arithmetic, "kind_of_cpu", lambda: "third")
    equal, sentence = compare(tmp_path, tiny(), record=True)
    assert not equal and "(third) trains gan to weights that differ" in sentence
    assert read_json(tmp_path / catalog.ARITHMETIC.place, "")["other_cpus"] == {"third": ["gan"]}
    monkeypatch.setattr(arithmetic, "kind_of_cpu", lambda: "first")
    equal, sentence = compare(tmp_path, tiny(), record=False)
    assert not equal and "trained gan to other weights" in sentence and "settings have changed" in sentence
    assert compare(tmp_path, tiny(), record=True)[0] is True
    begun = read_json(tmp_path / catalog.ARITHMETIC.place, "")
    assert (begun["weights"], begun["equal_cpus"], begun["other_cpus"]) == (ours, ["first"], {})


def test_the_kind_of_cpu_is_a_line() -> None:
    assert kind_of_cpu() and "\n" not in kind_of_cpu()
