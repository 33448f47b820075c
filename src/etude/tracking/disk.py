"""A run made, completed or brought up to date from what a training left on disk."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, require_unchanged
from etude.tracking.alive import gate, reap_inside, release
from etude.tracking.describe import REPRESENTATION, SWEEP, TOKENS, describe, params
from etude.tracking.record import Point, add_data, add_params, complete, runs_of, take
from etude.tracking.server import server
from etude.tracking.times import end, now

if TYPE_CHECKING:
    from mlflow import MlflowClient

SAMPLES = (".mid", ".mp3", ".png", ".html")


@dataclass(frozen=True)
class Trained:
    """A training as models/V holds it; the weights are not read.

    ``record`` is config.json, ``points`` are history.csv, ``result`` has the numbers of result.json, ``files`` become
    artifacts, by name.
    """

    record: Json
    points: list[Point]
    result: dict[str, float]
    files: dict[str, Path]

    @classmethod
    def read(cls, folder: Path) -> "Trained":
        """Read models/V. history.csv, result.json and samples/ may be missing."""
        made_by = catalog.model(folder.name).made_by
        record = read_json(folder / catalog.CONFIG, made_by)
        if not isinstance(record, dict) or "key" not in record or "settings" not in record:
            raise EtudeError(f"{folder / catalog.CONFIG} has no key or no settings. Make it again with: {made_by}")
        result = folder / "result.json"
        flat = [folder / name for name in (catalog.CONFIG, "history.csv", "result.json")]
        samples = [file for file in (folder / "samples").glob("*") if file.suffix in SAMPLES]
        files = {file.name: file for file in flat if file.is_file()}
        return cls(
            record=record,
            points=_history(folder / "history.csv", made_by),
            result=numbers(read_json(result, made_by)) if result.is_file() else {},
            files=files | {f"samples/{file.name}": file for file in samples},
        )


def _history(file: Path, made_by: str) -> list[Point]:
    """The points of a table whose columns are step, then metrics; a blank was not measured at that step."""
    if not file.is_file():
        return []
    time = now()
    with require_unchanged(file, made_by).open(encoding="utf-8", newline="") as stream:
        try:
            return [
                Point(name, float(value), int(row["step"]), time)
                for row in csv.DictReader(stream)
                for name, value in row.items()
                if name != "step" and value not in ("", None)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise EtudeError(f"{file} is damaged ({error!r}). Make it again with: {made_by}") from None


def numbers(values: Mapping[str, object]) -> dict[str, float]:
    """The numbers among ``values``."""
    return {name: float(x) for name, x in values.items() if isinstance(x, int | float) and not isinstance(x, bool)}


def publish(session: Session, model_name: str) -> None:
    """Sync to MLflow what is on disk of one model; a second call changes nothing.

    The training in models/V gets a FINISHED run if it has none (an interrupted one is completed); the run gets the
    metrics of reports/evaluate/V.json, the figures next to it, and the pieces of data/arrange/V. All are taken from the
    folder that models/V lies in, the session's run before the project: results of another training are not mixed in.
    The settings of generate and evaluate become parameters; as these cannot change, tags have the latest.

    Raises EtudeError where models/V is missing or damaged; an MLflow that is away costs a warning.
    """
    made = catalog.model(model_name)
    folder = session.read(made)
    top = folder.parents[1]
    trained = Trained.read(folder)
    record = trained.record
    sweep = read_json(top / SWEEP, made.made_by) if (top / SWEEP).is_file() else {}
    tags = record.get("tags", {}) | sweep
    settings = data_settings(session, tags) | record["settings"]
    training = describe(session, top, model_name, record["key"], settings, tags, catalog.command("track"))
    measured, how = _evaluation(top, model_name, training.key)
    summary = trained.result | measured
    files = trained.files | _pictures(top, model_name) | _sound(top, model_name)
    tracker = server(session)

    def work(client: "MlflowClient", experiment: str) -> None:
        with gate(tracker.root):
            finished = [run for run in runs_of(client, experiment, training) if run.info.status == "FINISHED"]
            if finished:
                run_id = str(finished[0].info.run_id)
            else:
                reap_inside(client, experiment, tracker.root)
                run_id, _ = take(client, experiment, training, tracker.root)
        try:
            run = client.get_run(run_id)
            add_data(client, run, training)
            add_params(client, run, how)
            complete(client, run_id, trained.points, summary, files, how)
            if not finished:
                end(client, run_id, "FINISHED")
        except BaseException as error:
            if not finished and not isinstance(error, Exception):  # a signal: the next one goes on with this run
                end(client, run_id, "KILLED")
            raise
        finally:
            release(run_id)

    tracker.attempt(work)


def data_settings(session: Session, tags: Mapping[str, str]) -> Json:
    """The settings of the data that a training read, which its record leaves out; {} where other data lies there."""
    made = catalog.tokens(tags.get(REPRESENTATION, "?"))
    folder = session.find(made)
    try:
        store = Store(folder) if folder else None
        return dict(store.record["settings"]) if store and store.digest == tags.get(TOKENS) else {}
    except (EtudeError, KeyError):
        return {}  # damaged: the training is recorded all the same


def _evaluation(top: Path, model_name: str, key: str) -> tuple[dict[str, float], dict[str, str]]:
    """The figures of a finished model, and how they were measured.

    Their names have a dot for the slash, ``test.nats_per_note``: MLflow shows charts in sections by the part before the
    slash, and those without one last, so that curves come before figures of one point.
    """
    made = catalog.evaluation(model_name)
    if not (top / made.place).is_file():
        return {}, {}
    report = read_json(top / made.place, made.made_by)
    if report.get("key", key) != key:
        return {}, {}  # it measured an earlier training
    figures = {name.replace("/", "."): value for name, value in numbers(report.get("metrics", {})).items()}
    return figures, params(report.get("settings", {}), model_name)


def _pictures(top: Path, model_name: str) -> dict[str, Path]:
    folder = (top / catalog.figure(model_name).place).parent
    # lstm_attention.png is not a figure of lstm
    longer = [file.stem for file in folder.glob(f"{model_name}?*.json")]
    own = [file for file in folder.glob(f"{model_name}*.png") if not file.stem.startswith(tuple(longer))]
    return {f"evaluate/{file.name}": file for file in own}


def _sound(top: Path, model_name: str) -> dict[str, Path]:
    folder = top / catalog.data("arrange", model_name).place
    return {f"arrange/{file.name}": file for file in folder.glob("*") if file.suffix in SAMPLES}
