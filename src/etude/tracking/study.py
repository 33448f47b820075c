"""A listening test in MLflow: one run a test, with its main figures and the files of its analysis."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etude.artifacts.context import Session
from etude.tracking.alive import search
from etude.tracking.describe import surroundings
from etude.tracking.record import Point, send
from etude.tracking.server import NOTE, server
from etude.tracking.times import end, now

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG = "etude.listening_test"  # its value is the id of the test
SOURCE = "etude listen analyse"


def log_study(session: Session, test: str, files: Sequence[Path], figures: Mapping[str, float], note: str) -> bool:
    """Log an analysis. The run of the same test is taken again, so that a test has one run. False: MLflow is away.

    Args:
        session: of the project.
        test: the id of the test.
        files: logged as artifacts.
        figures: logged as metrics.
        note: the description of the run.
    """
    tracker, done = server(session), []

    def work(client: "MlflowClient", experiment: str) -> None:
        found = search(client, experiment, f"tags.`{TAG}` = '{test}'")
        own = {**surroundings(session, SOURCE), NOTE: note, TAG: test}
        if found:
            run_id = str(found[0].info.run_id)
            for name, value in own.items():
                client.set_tag(run_id, name, value)
        else:
            run_id = str(client.create_run(experiment, now(), own, f"listen {test}").info.run_id)
        send(client, run_id, [Point(name, float(value), 0, now()) for name, value in figures.items()])
        for file in files:
            client.log_artifact(run_id, str(file))
        end(client, run_id, "FINISHED")
        done.append(run_id)

    tracker.attempt(work, at_once=True)
    return bool(done)
