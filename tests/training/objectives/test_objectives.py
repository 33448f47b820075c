"""The folder of objectives: each file can be asked for, and nothing else is offered."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, smoke
from torch import nn

from etude.core.errors import EtudeError
from etude.training.objectives import learn, names
from etude.training.task import Task


@pytest.mark.parametrize("name", names())
def test_every_objective_learns(name: str) -> None:
    assert callable(import_module(f"etude.training.objectives.{name}").learn)


def test_every_model_s_objective_is_offered() -> None:
    for file in (ROOT / "conf/model").glob("*.yaml"):
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        for section in values.get("models", {file.stem: values}).values():
            assert section["objective"] in names(), file


@pytest.mark.parametrize("name", ["trainer", "callbacks", "task", "objectives", "__init__", "next_tokens", None])
def test_a_file_that_helps_is_no_objective(name: str | None, tmp_path: Path) -> None:
    settings = smoke()
    section = {**settings.model("lstm"), "objective": name}
    settings = replace(settings, models={"mine": section})
    task = Task(settings, "mine", None, None, None, tmp_path, lambda row, step: None)  # type: ignore[arg-type]
    message = rf"models\.mine\.objective = {name} is not an objective\. .*There are: accompaniment, adversarial"
    with pytest.raises(EtudeError, match=message) as error:
        learn(nn.Module(), task)
    listed = str(error.value).partition("There are: ")[2].rstrip(".").split(", ")
    assert listed == names()
