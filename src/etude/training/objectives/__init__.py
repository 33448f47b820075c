"""How models learn: each file of this folder is an objective, by the name that ``models.M.objective`` has.

A file has ``learn(model, task)``, which trains a model, and is imported where a model asks for it alone.
"""

import importlib
from pathlib import Path

from torch import nn

from etude.core.errors import EtudeError, closest
from etude.training.task import Learned, Task


def names() -> list[str]:
    """The names of all objectives, in alphabetical order."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")


def learn(model: nn.Module, task: Task) -> Learned:
    """Train ``model`` by the objective that its settings name."""
    name = task.settings.model(task.model_name).get("objective")
    if name not in names():
        raise EtudeError(
            f"models.{task.model_name}.objective = {name} is not an objective. {closest(str(name), names())}"
        )
    learned: Learned = importlib.import_module(f"etude.training.objectives.{name}").learn(model, task)
    return learned
