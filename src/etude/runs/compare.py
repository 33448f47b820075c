"""``etude compare``: finds runs, on disk or in MLflow, and writes one page that plays their samples side by side."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.files import Json, read_json, write_text
from etude.core.project import given_path
from etude.report.compare import FIGURES, Column, Sample, compare_page
from etude.tracking.compare import Fetched, fetch
from etude.tracking.describe import SWEEP, params
from etude.tracking.disk import Trained, data_settings, numbers

PIPELINE = "pipeline"  # the name of the project's own results
RUN_ID = re.compile(r"[0-9a-f]{32}")  # of MLflow


def compare(
    settings: Settings, session: Session, names: Sequence[str], models: Sequence[str], pieces: int, output: Path
) -> Path:
    """Write the page.

    Args:
        settings: whose section ``arrange`` says how samples sound.
        session: the project.
        names: the runs: ``pipeline``, folders (below runs/, or anywhere), or ids of MLflow's runs. The folder of a
            sweep stands for all runs in it.
        models: of runs with several models, the ones to show; empty: all.
        pieces: samples of each run at most.
        output: the file to write.

    Returns:
        ``output``.

    Raises:
        EtudeError: there is no such run, or it has no samples; it names the command that makes them.
    """
    with tempfile.TemporaryDirectory() as scratch:
        columns: list[Column] = []
        for name in names:
            columns += _columns(session, name, models, Path(scratch))
        write_text(output, compare_page(_apart(columns), settings.mix, pieces, session.progress))
    return output


def _columns(session: Session, name: str, models: Sequence[str], scratch: Path) -> list[Column]:
    if name == PIPELINE:
        return _of_folder(session, session.root, models)
    folder = next((path for path in _places(session, name) if path.is_dir()), None)
    if folder is not None:
        return _of_folder(session, folder.resolve(), models)
    if RUN_ID.fullmatch(name):
        return [_of_mlflow(session, name, scratch / name)]
    folders = [path.name for path in (session.root / "runs").glob("*") if path.is_dir() and path.name != "log"]
    raise EtudeError(
        f"There is no run {name}: neither a folder, also not below runs/, nor the id of a run in MLflow (32 digits). "
        f"{closest(name, [PIPELINE, *folders])}"
    )


def _places(session: Session, name: str) -> list[Path]:
    return [given_path(name), session.root / name, session.root / "runs" / name]


def _of_folder(session: Session, top: Path, models: Sequence[str]) -> list[Column]:
    """A column for each model that has samples in ``top``, or in the folders of a sweep below it."""
    inside = [top] if _model_names(top) else sorted(filter(_model_names, top.glob("*")), key=_number)
    found = []
    for place in inside:
        found += [(place, name) for name in _model_names(place) if not models or name in models]
    columns = [column for place, name in found if (column := _column(session, place, name)).samples]
    if columns:
        return columns
    where = "the project" if top == session.root else str(top)
    name = found[0][1] if found else models[0] if models else "NAME"
    run = "" if top == session.root or not found else f" session.run={found[0][0]}"
    missing = f"no samples of {', '.join(models)}" if models else "no samples"
    known = {name for place in inside for name in _model_names(place)}
    if models and not found and known:
        raise EtudeError(f"There are {missing} in {where}. {closest(models[0], known)}")
    made_by = f"{catalog.samples(name).made_by}{run}"
    if top == session.root and (top / "dvc.yaml").is_file():
        made_by = f"dvc repro generate{'' if name == 'NAME' else f'@{name}'}"
    raise EtudeError(f"There are {missing} in {where}. Make them with: {made_by}")


def _number(folder: Path) -> tuple[int, str]:
    """The jobs of a sweep in their order, 2 before 10."""
    return (int(folder.name) if folder.name.isdecimal() else 0, folder.name)


def _model_names(top: Path) -> list[str]:
    """The models that were trained or sampled in a folder."""
    found = [path.parent.name for path in top.glob(f"{catalog.samples('*')}/manifest.json")]
    found += [path.parent.name for path in top.glob((catalog.model("*") / catalog.CONFIG).place)]
    return sorted(set(found))


def _column(session: Session, top: Path, model_name: str) -> Column:
    sampled = catalog.samples(model_name)
    manifest: Json = {}
    if (top / sampled.place / "manifest.json").is_file():
        manifest = read_json(top / sampled.place / "manifest.json", sampled.made_by)["settings"]
    trained = _trained(session, top, model_name, manifest.get("key"))
    values: Json = {"generate": manifest["generate"]} if manifest else {}
    figures: dict[str, float] = {}
    if trained is not None:
        data = data_settings(replace(session, run=top), trained.record.get("tags", {}))
        values = data | trained.record["settings"] | values
        figures = trained.result | _measured(top, model_name, trained.record["key"])
    place = "the pipeline's results" if top == session.root else _relative(top, session.root)
    sweep = read_json(top / SWEEP, sampled.made_by) if (top / SWEEP).is_file() else {}
    title = f"{model_name} {sweep.get('overrides', '')}".strip()
    return Column(title, place, params(values, model_name), figures, _samples(top, model_name))


def _trained(session: Session, top: Path, model_name: str, key: str | None) -> Trained | None:
    """The training that samples in ``top`` come from: in that folder, in the project, or below runs/."""
    own = (catalog.model(model_name) / catalog.CONFIG).place
    for file in (top / own, session.root / own, *sorted(session.root.glob(f"runs/**/{own}"))):
        if file.is_file() and (key is None or read_json(file, "").get("key") == key):
            return Trained.read(file.parent)
    return None


def _measured(top: Path, model_name: str, key: str) -> dict[str, float]:
    made = catalog.evaluation(model_name)
    if not (top / made.place).is_file():
        return {}
    report = read_json(top / made.place, made.made_by)
    return numbers(report["metrics"]) if report.get("key") == key else {}


def _samples(top: Path, model_name: str) -> dict[str, Sample]:
    """The samples of the stage generate; without them those that the training made."""
    made_by = catalog.samples(model_name).made_by
    sounds = top / catalog.data("arrange", model_name).place
    found = {}
    for midi in sorted((top / catalog.samples(model_name).place).glob("*.mid")):
        arranged = sounds / midi.name
        same = arranged.is_file() and arranged.read_bytes() == midi.read_bytes()
        mp3 = arranged.with_suffix(".mp3")
        found[midi.stem] = Sample(midi, mp3 if same and mp3.is_file() else None, made_by)
    return found or _files(top / catalog.model(model_name).place / "samples", catalog.model(model_name).made_by)


def _files(folder: Path, made_by: str) -> dict[str, Sample]:
    pairs = [(midi, midi.with_suffix(".mp3")) for midi in sorted(folder.glob("*.mid"))]
    return {midi.stem: Sample(midi, mp3 if mp3.is_file() else None, made_by) for midi, mp3 in pairs}


def _of_mlflow(session: Session, run_id: str, scratch: Path) -> Column:
    """A run of MLflow: from its folder where that still holds the same training, else from what MLflow keeps."""
    run = fetch(session, run_id, ("samples", "arrange"), scratch)
    top = session.root / run.place
    own = top / catalog.model(run.model).place / catalog.CONFIG
    if own.is_file() and read_json(own, catalog.model(run.model).made_by).get("key") == run.key:
        column = _column(session, top, run.model)
        if column.samples:
            return replace(column, title=run.name)
    samples: Mapping[str, Sample] = {}
    for folder in ("samples", "arrange"):
        samples = samples or _files(scratch / folder, f"{catalog.model(run.model).made_by} session.samples=2")
    if not samples:
        raise EtudeError(
            f"Run {run_id} of MLflow ({run.name}) has no samples, and its folder is not here. A training adds samples "
            f"with: {catalog.model(run.model).made_by} session.samples=2"
        )
    return Column(run.name, f"MLflow run {run_id}", run.params, _figures(run), samples)


def _figures(run: Fetched) -> dict[str, float]:
    """The main figures by their names on disk; MLflow has those of the finished model with a dot for the slash."""
    found = {name: run.metrics.get(name.replace("/", "."), run.metrics.get(name)) for name, *_ in FIGURES}
    return {name: value for name, value in found.items() if value is not None}


def _apart(columns: Sequence[Column]) -> list[Column]:
    """The columns with titles that differ, by their places where they were the same."""
    titles = [column.title for column in columns]
    return [
        replace(column, title=f"{column.title} ({column.place})") if titles.count(column.title) > 1 else column
        for column in columns
    ]


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
