import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, smoke

from etude.config.check import Range, check, construct, target
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.models.lstm import LSTM
from etude.representations.base.vocabulary import ItemSpec


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("train", "max_steps", 0, r"train\.max_steps = 0 is out of range: it must be at least 1"),
        ("train", "max_steps", 1.5, r"train\.max_steps = 1\.5 must be a whole number"),
        ("train", "max_steps", True, r"train\.max_steps = True must be a whole number"),
        ("optim", "lr", "1e-4", r"optim\.lr = '1e-4' must be a number.*1\.0e-4"),
        ("optim", "lr", float("nan"), r"optim\.lr = nan is out of range"),
        ("optim", "lrr", 1, r'optim\.lrr is not a setting. Did you mean "lr"\?'),
        (
            "augment",
            "stretch",
            [1.0, 9],
            r"augment\.stretch\[1\] = 9\.0 is out of range: it must be between 0\.25 and 4",
        ),
        ("split", "test", 0.5, r"must add up to 1"),
    ],
)
def test_a_wrong_value_is_reported_with_its_key(section: str, key: str, value: Any, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        smoke(**{section: {key: value}})


def test_a_value_of_several_types_is_reported_with_all() -> None:
    kinds = int | list[int]
    assert check(3, kinds, "key") == 3 and check([3, 4], kinds, "key") == [3, 4]
    with pytest.raises(EtudeError, match=r"^key = 'abc' must be a whole number or a list\.$"):
        check("abc", kinds, "key")
    with pytest.raises(EtudeError, match=r"^key\[1\] = 'b' must be a whole number\.$"):
        check([1, "b"], kinds, "key")


def test_unknown_and_missing_sections_are_reported() -> None:
    values = yaml.safe_load(compile_params(ROOT / "conf"))
    with pytest.raises(EtudeError, match=r'optimm is not a section.*Did you mean "optim"\?'):
        Settings.of({**values, "optimm": {}})
    del values["optim"]
    with pytest.raises(EtudeError, match="no section optim"):
        Settings.of(values)


def test_an_unknown_model_names_the_closest() -> None:
    with pytest.raises(EtudeError, match=r'no model "ltsm". Did you mean "lstm"\?'):
        smoke().model("ltsm")


def test_whole_numbers_pass_as_float_and_nothing_is_rounded() -> None:
    assert check(1, float, "key") == 1.0
    assert check(None, int | None, "key") is None
    with pytest.raises(EtudeError):
        check(1.0, int, "key")
    assert str(Range(None, 3)) == "at most 3"


def test_a_section_builds_its_class_with_ranges_checked() -> None:
    section = {"_target_": "etude.models.lstm.LSTM", "hidden": 8, "layers": 1, "dropout": 0.0, "recurrent_dropout": 0.0}
    kind = target(section, "models.lstm")
    assert kind is LSTM
    assert construct(kind, section, "models.lstm", item_spec=ItemSpec(5)).lm_head.out_features == 5
    with pytest.raises(EtudeError, match=r"models\.lstm\.dropout = 2\.0 is out of range"):
        construct(kind, {**section, "dropout": 2}, "models.lstm", item_spec=ItemSpec(5))
    with pytest.raises(EtudeError, match=r"models\.lstm\.alphabet is not a setting"):
        construct(kind, {**section, "alphabet": 2}, "models.lstm", item_spec=ItemSpec(5))
    del section["layers"]
    with pytest.raises(EtudeError, match=r"models\.lstm\.layers is missing"):
        construct(kind, section, "models.lstm", item_spec=ItemSpec(5))


@pytest.mark.parametrize(
    "path", ["os.system", "builtins.open", "etude.models.lstm.Nothing", "etude.core.files.digest", None]
)
def test_only_classes_of_etude_are_built(path: str | None) -> None:
    with pytest.raises(EtudeError, match="_target_"):
        target({"_target_": path}, "models.x")


def test_numbers_are_numbers_however_dvc_writes_them(tmp_path: Path) -> None:
    for written in ("1e-05", "1.0e-05", "0.00001"):
        text, found = re.subn(r"\blr: \S+", f"lr: {written}", compile_params(ROOT / "conf"))
        assert found == 1
        (tmp_path / "params.yaml").write_text(text)
        assert Settings.from_params(tmp_path / "params.yaml").schedule("lstm")[1].lr == 1e-5


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "etude.models.lstm.LTSM",
            r'models\.lstm\._target_: etude\.models\.lstm has no class LTSM\. Did you mean "LSTM"\?',
        ),
        ("etude.models.lsmt.LSTM", r"'etude\.models\.lsmt\.LSTM': there is no module etude\.models\.lsmt"),
        ("os.system", r"models\.lstm\._target_ = 'os\.system' must name a class of etude"),
        ("etude.models.lstm.torch", r"etude\.models\.lstm has no class torch"),
    ],
)
def test_a_class_that_does_not_exist_is_found_before_anything_runs(path: str, message: str) -> None:
    base = smoke()
    with pytest.raises(EtudeError, match=message):
        smoke(models={"lstm": {**base.models["lstm"], "_target_": path}})
    with pytest.raises(EtudeError, match=r"dataset\._target_: etude\.datasets\.bach has no class Bahc"):
        smoke(dataset={"_target_": "etude.datasets.bach.Bahc"})
