"""The table of objectives: complete, and nothing else is offered."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, smoke
from torch import nn

import etude.training
from etude.core.errors import EtudeError
from etude.training.objectives import OBJECTIVES, learn
from etude.training.task import Task

FOLDER = Path(etude.training.__file__).parent


def learns(file: Path) -> bool:
    """Whether a file defines ``learn(model, task)`` and is no caller of all objectives."""
    functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return file.stem != "objectives" and any(function.name == "learn" for function in functions)


def test_every_file_that_learns_is_in_the_table_and_no_other() -> None:
    assert {name: f"etude.training.{name}" for name in OBJECTIVES} == OBJECTIVES
    assert set(OBJECTIVES) == {file.stem for file in FOLDER.glob("*.py") if learns(file)}


def test_every_model_s_objective_is_in_the_table() -> None:
    for file in (ROOT / "conf/model").glob("*.yaml"):
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        for section in values.get("models", {file.stem: values}).values():
            assert section["objective"] in OBJECTIVES, file


@pytest.mark.parametrize("name", ["trainer", "callbacks", "processes", "task", "objectives", "next_tokens", None])
def test_a_file_that_helps_is_no_objective(name: str | None, tmp_path: Path) -> None:
    settings = smoke()
    section = {**settings.model("lstm"), "objective": name}
    settings = replace(settings, models={"mine": section})
    task = Task(settings, "mine", None, None, None, tmp_path, lambda row, step: None)  # type: ignore[arg-type]
    message = rf"models\.mine\.objective = {name} is not an objective\. .*There are: adversarial, counting, next_token"
    with pytest.raises(EtudeError, match=message) as error:
        learn(nn.Module(), task)
    listed = str(error.value).partition("There are: ")[2].rstrip(".").split(", ")
    assert listed == sorted(OBJECTIVES)
