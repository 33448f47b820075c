"""Cross-validation: train a model again for each of k folds of tune families; each fold is the test split once.

All results go to a folder of their own below runs/, where a killed run resumes. The trainings are children of one run
in MLflow.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.check import check
from etude.config.sections import Settings, Split
from etude.core.errors import EtudeError
from etude.core.files import Json, digest, read_json, write_json
from etude.runs import pipeline
from etude.tasks.likelihood import likelihood
from etude.tracking import children_of

STAGES = ("split", "augment", "tokenize", "train")


def spread(folds: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The mean and sample standard deviation (n - 1) over the folds of every metric that all folds have."""
    names = [name for name in folds[0] if all(name in fold for fold in folds)]
    columns = {name: [fold[name] for fold in folds] for name in names}
    return {
        name: {"mean": statistics.fmean(values), "deviation": statistics.stdev(values)}
        for name, values in columns.items()
    }


def of_fold(settings: Settings, folds: int, fold: int) -> Settings:
    """The settings with one fold as test, the next one as valid."""
    values = {**vars(settings.split), "method": "folds", "folds": folds, "fold": fold}
    return replace(settings, split=Split(**check(values, dict, "split")))


def run(settings: Settings, session: Session, folds: int) -> Path:
    """Train and test every model of ``settings`` on each fold. Returns the result file, cv.json.

    Raises:
        EtudeError: fewer than 3 folds (train, valid and test need one each), or what the stages raise.
    """
    if folds < 3:
        raise EtudeError(f"cv = {folds}: train, valid and test need a fold each. Set cv=3 or more.")
    source = session.read(catalog.INGEST)
    folder = pipeline.folder_of(settings, session.root, f"cv{folds}", digest(source / "manifest.json"))
    measured: dict[str, list[dict[str, float]]] = {model_name: [] for model_name in settings.models}
    with children_of(session, folder.name, {"etude.cv": str(folds)}) as log_metrics:
        for fold in range(folds):
            chosen = of_fold(settings, folds, fold)
            place = folder / f"fold-{fold}"
            label = " ".join(filter(None, (session.overrides, f"fold {fold + 1} of {folds}")))
            inside = replace(session, out=place, run=place, overrides=label)
            read = {section["representation"] for section in settings.models.values()}
            needed = replace(chosen, tokenize={name: chosen.tokenize[name] for name in sorted(read)})
            if failed := pipeline.run_stale(needed, inside, STAGES):
                raise EtudeError("; ".join(f"{name} failed: {reason}" for name, reason in failed.items()))
            for model_name, rows in measured.items():
                rows.append(_measure(needed, inside, model_name))
        result: Json = {
            model_name: {"folds": rows, "over_folds": spread(rows)} for model_name, rows in measured.items()
        }
        write_json(folder / "cv.json", {"folds": folds, "settings": settings.as_dict(), "models": result})
        log_metrics(_flat(result))
    for model_name, found in result.items():
        for name, value in found["over_folds"].items():
            print(f"{model_name}: {name} {value['mean']:.3f} ± {value['deviation']:.3f} over {folds} folds")
    return folder / "cv.json"


def _measure(settings: Settings, session: Session, model_name: str) -> dict[str, float]:
    """The metrics of training on valid, and the likelihood of valid and test for a model that has one."""
    trained = catalog.model(model_name)
    result = read_json(session.write(trained) / "result.json", trained.made_by)
    monitored = {name: value for name, value in result.items() if name.startswith("valid/")}
    return {**monitored, **likelihood(settings, session, model_name)}


def _flat(result: Mapping[str, Any]) -> dict[str, float]:
    """The means and deviations, under the names that MLflow shows: the model's, then ``test/nats_per_note.mean``."""
    return {
        f"{model_name}.{name}.{which}": value
        for model_name, found in result.items()
        for name, both in found["over_folds"].items()
        for which, value in both.items()
    }
