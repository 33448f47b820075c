"""What each job of a sweep leaves in its folder: outcome.json, how it ended, and its figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json

OUTCOME = "outcome.json"
FINISHED, FAILED, PRUNED, INTERRUPTED = "finished", "failed", "pruned", "interrupted"
Figures = dict[str, dict[str, float]]  # model -> metric -> value


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``state`` is finished, failed or pruned, or interrupted where it left nothing."""

    state: str
    reason: str = ""  # of a failure, or the step at which a training was pruned
    figures: Figures = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write outcome.json in the folder of the job."""
        write_json(folder / OUTCOME, vars(self))

    @classmethod
    def read(cls, folder: Path) -> "Outcome":
        """Read the outcome of the job of a folder."""
        file = folder / OUTCOME
        if file.is_file():
            return cls(**read_json(file, "etude train -m"))
        return cls(INTERRUPTED, "it did not end")


def figures_of(settings: Settings, session: Session) -> Figures:
    """The validation figure of each model that a training left in the folder of its run.

    The objective's monitor is the only entry of result.json on valid; lower is better.
    """
    found: Figures = {}
    for model_name in settings.models:
        made = catalog.model(model_name)
        result = read_json(session.write(made) / "result.json", made.made_by)
        found[model_name] = {name: float(value) for name, value in result.items() if name.startswith("valid/")}
    return found


def figures_of_folds(file: Path) -> Figures:
    """The means over folds that cross-validation left in cv.json: the training's figure on valid, and those of test."""
    result: Mapping[str, Any] = read_json(file, "etude train cv=...")
    found: Figures = {}
    for model_name, both in result["models"].items():
        made = catalog.model(model_name)
        trained = read_json(file.parent / "fold-0" / made.place / "result.json", made.made_by)
        names = [name for name in both["over_folds"] if name in trained or name.startswith("test/")]
        found[model_name] = {name: float(both["over_folds"][name]["mean"]) for name in names}
    return found


def value_of(figures: Figures) -> float | None:
    """The figure that a sweep may optimise, the validation figure of the only model; None for several models."""
    if len(figures) != 1:
        return None
    (own,) = figures.values()
    found = [value for name, value in own.items() if name.startswith("valid/")]
    if len(found) != 1:
        raise EtudeError(f"{next(iter(figures))} has {len(found)} figures on valid, and a sweep needs one to optimise.")
    return found[0]
