"""One truth: params.yaml is what conf/ compiles to, and every YAML in conf/ composes and instantiates."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config import compile as params
from etude.config.check import construct, target
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.models.building import build_model
from etude.representations.base.loading import load_representation
from etude.representations.leadsheet import LeadSheet

YAMLS = sorted(file.relative_to(ROOT / "conf") for file in (ROOT / "conf").glob("*/*.yaml"))
YAMLS = [file for file in YAMLS if file.parts[0] != "hparams"]  # of the command line: tests/cli/test_sweeps.py


def test_params_yaml_equals_the_compilation() -> None:
    assert (ROOT / "params.yaml").read_text() == compile_params(ROOT / "conf"), "Run: dvc repro params"


@pytest.mark.parametrize("file", YAMLS, ids=str)
def test_every_yaml_composes_and_instantiates(file: Path, encoded: Session) -> None:
    group, name = file.parts[0], file.stem
    override = f"{group}={name}"
    found = Settings.of(yaml.safe_load(compile_params(ROOT / "conf", [override])))
    if group == "model":
        assert list(found.models) == [name]
        representation = found.models[name]["representation"]
        if representation == "leadsheet":  # which the chorales of the tiny project are not
            learned = LeadSheet(4, "MELODY", "PIANO").learn([LeadSheet(4, "MELODY", "PIANO").survey([])], None)
        else:
            learned = load_representation(Store(encoded.root / "data/tokenize" / representation))
        model = build_model(found.model(name), name, learned)
        assert type(model).__module__ == f"etude.models.{name}", "a model is one class in a file of its own name"
    elif group == "tokenize":
        assert construct(target(found.tokenize[name], name), found.tokenize[name], name)
    elif group == "dataset":
        assert construct(target(found.dataset, name), found.dataset, name)


def test_every_model_of_dvc_yaml_has_its_code(settings: Settings) -> None:
    for model_name in settings.models:
        assert (ROOT / f"src/etude/models/{model_name}.py").is_file()


def test_an_experiment_with_some_of_its_models_keeps_no_settings_of_the_others() -> None:
    found = yaml.safe_load(compile_params(ROOT / "conf", ["experiment=jsb_quarter", "model=lstm"]))
    assert list(found["models"]) == ["lstm"] and found["models"]["lstm"]["representation"] == "frames"
    assert list(found["tokenize"]) == ["frames"]


def test_numbers_come_out_as_numbers() -> None:
    found = yaml.safe_load(compile_params(ROOT / "conf"))
    assert isinstance(found["optim"]["lr"], float)


def test_inside_an_experiment_params_yaml_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "conf").mkdir()
    (tmp_path / "params.yaml").write_text(text := compile_params(ROOT / "conf", ["train.max_steps=7"]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_EXP_NAME", "brave-bach")
    params.main()
    assert (tmp_path / "params.yaml").read_text() == text
    assert (tmp_path / "code.yaml").read_text().startswith("# The code")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.yaml", "defaults: [_self_, {model: lsmt}]\n", r'There is no model "lsmt" in conf/model.*"lstm"'),
        ("model/gan.yaml", "a: [\n", "These settings cannot be composed from conf/"),
    ],
)
def test_a_slip_in_conf_is_one_sentence(file: str, text: str, message: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf" / file).write_text(text)
    with pytest.raises(EtudeError, match=message):
        compile_params(tmp_path / "conf")


def test_several_values_without_a_sweep_are_one_sentence() -> None:
    with pytest.raises(
        EtudeError, match=r"All of them together: model=\[lstm,gan\]; a training with each: .* -m model="
    ):
        compile_params(ROOT / "conf", ["model=lstm,gan"])
