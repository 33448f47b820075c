"""How a model learns: one scheme a file, each with ``learn(model, task)``; a variant's YAML names it as ``objective``."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest

ONE_PROCESSOR = {"accelerator": "cpu", "devices": 1, "precision": "float64"}  # of a model that counts


@dataclass
class Task:
    """What a scheme learns from, and where it keeps its progress."""

    settings: Settings
    session: Session
    store: Store
    representation: Any
    checkpoints: Path  # folder of this training's checkpoints
    report: Callable[[Mapping[str, float], int], None]  # metrics and their step, as they come

    def __deepcopy__(self, memo: Any) -> "Task":
        """Itself: copies of a scheme, as weight averaging makes one, learn from the same."""
        return self


@dataclass
class Learned:
    """What a training leaves beside the weights, which are the best ones, in the model."""

    history: list[dict[str, float]]  # rows with a "step" and the metrics measured there
    result: dict[str, float]
    made_on: dict[str, Any] = field(
        default_factory=lambda: {"accelerator": "cpu", "devices": 1, "precision": "float64"}
    )


def learn(model: Any, task: Task, model_name: str) -> Learned:
    """Train ``model`` by the scheme that the settings of ``model_name`` name."""
    name = task.settings.model(model_name).get("objective")
    known = {file.stem for file in Path(__file__).parent.glob("[a-z]*.py")} - {"trainer", "callbacks", "processes"}
    if name not in known:
        raise EtudeError(f"models.{model_name}.objective = {name} is not a way to learn. {closest(str(name), known)}")
    learned: Learned = importlib.import_module(f"etude.training.{name}").learn(model, task)
    return learned
