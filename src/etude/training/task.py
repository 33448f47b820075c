"""What an objective learns from, and what a training leaves."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings, Trainer


def node_rank(own: Trainer) -> int:
    """The number of this machine among those of a training on several, from 0."""
    return int(os.environ.get("NODE_RANK", "0")) if (own.num_nodes or 1) > 1 else 0


class Report(Protocol):
    """What receives the metrics of a training as they come."""

    def __call__(self, row: Mapping[str, float], step: int, /) -> object:
        """Metrics by name, and the step at which they were measured."""


@dataclass
class Task:
    """What an objective learns from, and where it keeps its progress."""

    settings: Settings
    model_name: str  # a name under models
    session: Session
    store: Store
    representation: Any
    checkpoints: Path  # folder of this training's checkpoints
    report: Report

    def __deepcopy__(self, memo: object) -> "Task":
        """Itself: copies of a training, as weight averaging makes one, learn from the same."""
        return self


@dataclass
class Learned:
    """What a training leaves besides the best weights, which are in the model."""

    history: list[dict[str, float]]  # rows with a "step" and the metrics measured there
    result: dict[str, float]
    snapshots: dict[int, Path] = field(default_factory=dict)  # step -> weights at it, as safetensors
    made_on: dict[str, str | int] = field(
        default_factory=lambda: {"accelerator": "cpu", "devices": 1, "precision": "float64"}
    )
