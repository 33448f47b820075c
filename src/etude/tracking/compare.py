"""The runs in one table, their curves and their files, for the notebook and for ``etude compare``."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.tracking.alive import search
from etude.tracking.server import Work, server

if TYPE_CHECKING:
    import pandas
    from mlflow import MlflowClient


def runs(session: Session) -> "pandas.DataFrame":
    """The finished trainings, one a row, by model and start: run_id, run_name, model, place, start_time (UTC),
    params.*, metrics.* (final values) and tags.*, the columns named as mlflow.search_runs names them. A tag with the
    name of a parameter, as ``generate.temperature`` after samples were made again, goes before the parameter.

    Without a run the table has the first five columns and no row. Raises EtudeError where MLflow is away.
    """
    import pandas

    rows: list[dict[str, object]] = []

    def work(client: "MlflowClient", experiment: str) -> None:
        for run in search(client, experiment, "attributes.status = 'FINISHED'"):
            tags = run.data.tags
            if "etude.key" not in tags:
                continue  # the parent of a sweep
            row = {"run_id": run.info.run_id, "run_name": run.info.run_name}
            row |= {"model": tags["etude.model"], "place": tags["etude.place"], "start_time": run.info.start_time}
            params = {name: tags.get(name, value) for name, value in run.data.params.items()}
            for kind, values in (("params", params), ("metrics", run.data.metrics), ("tags", tags)):
                row |= {f"{kind}.{name}": values[name] for name in sorted(values)}
            rows.append(row)

    _ask(session, work)
    first = ["run_id", "run_name", "model", "place", "start_time"]
    table = pandas.DataFrame(rows, columns=None if rows else first)
    table["start_time"] = pandas.to_datetime(table["start_time"], unit="ms", utc=True)
    return table.sort_values(["model", "start_time", "run_id"], ignore_index=True)


def history(session: Session, run_id: str, metric: str) -> "pandas.DataFrame":
    """A metric of a run by training step: the columns step and value (in the metric's own unit), ordered by step.

    One value a step, the first that was logged: the final value, which a finished run repeats at its last step,
    does not bend the curve. A run without the metric gives no row. Raises EtudeError where MLflow is away.
    """
    import pandas

    curve: dict[int, float] = {}

    def work(client: "MlflowClient", experiment: str) -> None:
        points = client.get_metric_history(run_id, metric)
        for point in sorted(points, key=lambda point: (point.step, point.timestamp)):
            curve.setdefault(point.step, point.value)

    _ask(session, work)
    return pandas.DataFrame({"step": list(curve), "value": list(curve.values())}).astype({"step": int, "value": float})


def artifact(session: Session, run_id: str, pattern: str) -> Path | None:
    """The first file by name, among the artifacts of a run, that fits ``pattern``, as in ``samples/*.mp3``.

    Gives the file itself where it lies on this machine, else a copy in a temporary folder: read it, and remove nothing.
    ``None`` where no file fits, or where the files are gone. Only the part after the last / is a pattern. Raises
    EtudeError where MLflow is away.
    """
    folder, _, file = pattern.rpartition("/")
    found: list[Path] = []

    def work(client: "MlflowClient", experiment: str) -> None:
        entries = client.list_artifacts(run_id, folder or None)
        names = sorted(str(entry.path) for entry in entries if not entry.is_dir)
        fitting = [name for name in names if fnmatchcase(name.rpartition("/")[2], file)]
        if fitting:
            here = Path(client.get_run(run_id).info.artifact_uri) / fitting[0]  # no path where a server keeps the files
            found.append(here if here.is_file() else Path(client.download_artifacts(run_id, fitting[0])))

    _ask(session, work)
    return found[0] if found else None


@dataclass(frozen=True)
class Fetched:
    """A run as MLflow has it; ``key`` and ``place`` are "" where etude did not log it."""

    name: str
    model: str
    place: str
    key: str
    params: dict[str, str]
    metrics: dict[str, float]


def fetch(session: Session, run_id: str, folders: Iterable[str], to: Path) -> Fetched:
    """Read a run, and copy ``folders`` of its artifacts into the folder ``to``.

    Raises EtudeError where MLflow is away or has no such run of etude.
    """
    found: list[Fetched] = []
    to.mkdir(parents=True, exist_ok=True)

    def work(client: "MlflowClient", experiment: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return
        tags = run.data.tags
        if "etude.key" not in tags:
            return  # the parent of a sweep, or a run of another program
        params = {name: tags.get(name, value) for name, value in run.data.params.items()}
        own = (tags["etude.model"], tags["etude.place"], tags["etude.key"])
        found.append(Fetched(run.info.run_name, *own, params, dict(run.data.metrics)))
        there = {entry.path for entry in client.list_artifacts(run_id)}
        for folder in sorted(there & set(folders)):
            client.download_artifacts(run_id, folder, str(to))

    _ask(session, work)
    if not found:
        raise EtudeError(f"MLflow at {server(session).shown} has no training {run_id}. A run's page shows its id.")
    return found[0]


def _ask(session: Session, work: Work) -> None:
    tracker = server(session)
    if not tracker.attempt(work, at_once=True):
        raise EtudeError(f"MLflow at {tracker.shown} cannot be read. Start its server, or unset MLFLOW_TRACKING_URI.")
