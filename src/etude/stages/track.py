"""Stage track: sync results on disk to MLflow, also where DVC took a training from its cache."""

import os
from dataclasses import replace

from etude import tracking
from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json
from etude.core.progress import follow
from etude.stages import main


def track(model_names: list[str], session: Session) -> dict[str, str]:
    """Publish the trained models. Returns model -> key of its training."""
    tracking.reap(session)
    keys = {}
    for model_name in sorted(model_names):
        trained = catalog.model(model_name)
        if folder := session.find(trained):
            tracking.publish(session, model_name)
            keys[model_name] = read_json(folder / catalog.CONFIG, trained.made_by)["key"]
    return keys


def track_runs(session: Session) -> None:
    """Publish the trainings under runs/, which MLflow may have missed. A damaged one is skipped."""
    found = sorted(session.root.glob(f"runs/**/{catalog.model('*') / catalog.CONFIG}"))
    for file in follow(found, "track runs", len(found), session.progress):
        try:
            tracking.publish(replace(session, run=file.parents[2]), file.parent.name)
        except EtudeError as error:
            print(f"etude: skipped: {error}")


def run(settings: Settings, session: Session) -> None:
    """Publish all trainings, those under runs/ too; write mlruns/published.json, the key of each model's training.

    An unreachable MLflow gives a warning. The file depends on the disk alone, so it is the same then.
    """
    write_json(session.write(catalog.PUBLISHED), track(list(settings.models), session), sealed=False)
    if "DVC_EXP_NAME" not in os.environ:
        track_runs(session)


if __name__ == "__main__":
    main(run)
