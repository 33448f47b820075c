"""The table of objectives, and the one call that trains a model by its own."""

import importlib

from torch import nn

from etude.core.errors import EtudeError, closest
from etude.training.task import Learned, Task

OBJECTIVES = {  # name, as models.M.objective has it -> module with learn(model, task)
    "adversarial": "etude.training.adversarial",
    "counting": "etude.training.counting",
    "next_token": "etude.training.next_token",
    "pseudo_likelihood": "etude.training.pseudo_likelihood",
    "wasserstein": "etude.training.wasserstein",
}


def learn(model: nn.Module, task: Task) -> Learned:
    """Train ``model`` by the objective that its settings name."""
    name = task.settings.model(task.model_name).get("objective")
    if name not in OBJECTIVES:
        raise EtudeError(
            f"models.{task.model_name}.objective = {name} is not an objective. {closest(str(name), OBJECTIVES)}"
        )
    learned: Learned = importlib.import_module(OBJECTIVES[name]).learn(model, task)
    return learned
