"""The table of a sweep: a row for each combination of settings, with mean and interval over the seeds.

It is made of what the jobs of ``etude train -m`` left in their folders, so it needs no tracking server.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_text
from etude.core.project import given_path
from etude.runs.trials import FAILED, FINISHED, INTERRUPTED, OUTCOME, PRUNED, Outcome

__all__ = ["OUTCOME", "Job", "find", "interval", "jobs_of", "table", "write"]

PAGE, MARK = "sweep.md", "multirun.yaml"  # the report, and Hydra's file that marks the folder of a sweep
OVERRIDES = "settings/overrides.yaml"  # of a job, written by Hydra
SEEDS = ("seed", "train.seed")  # keys over which a row is the mean
TESTED = ("test/", "samples/distance")  # what an evaluation adds to a row ...
LESS = ("_by_piece", "_low", "_high")  # ... but for these
DASH = "–"


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its number, its overrides by key, and how it ended."""

    number: int
    overrides: dict[str, str]
    outcome: Outcome

    @property
    def label(self) -> str:
        """The overrides as they are typed."""
        return " ".join(f"{key}={value}" for key, value in self.overrides.items()) or f"job {self.number}"


def jobs_of(folder: Path) -> list[Job]:
    """The jobs of a sweep in their order, from its folder.

    A job whose model was evaluated (``etude evaluate session.run=...``) has the figures of its evaluation too.
    """
    found = []
    for place in folder.iterdir():
        if not place.name.isdecimal() or not (place / OVERRIDES).is_file():
            continue
        lines = yaml.safe_load((place / OVERRIDES).read_text(encoding="utf-8")) or []
        pairs = dict(line.partition("=")[::2] for line in map(str, lines))
        outcome = Outcome.read(place)
        if not (place / OUTCOME).is_file():
            outcome = _of_models(place) or outcome
        for model_name, figures in outcome.figures.items():
            figures.update(_evaluated(place, model_name))
        found.append(Job(int(place.name), pairs, outcome))
    return sorted(found, key=lambda job: job.number)


def _of_models(place: Path) -> Outcome | None:
    """The outcome of a job of an earlier release, which left its models alone."""
    figures = {}
    for file in sorted(place.glob(f"{catalog.model('*')}/result.json")):
        result = read_json(file, catalog.model(file.parent.name).made_by)
        figures[file.parent.name] = {name: value for name, value in result.items() if name.startswith("valid/")}
    return Outcome(FINISHED, figures=figures) if figures else None


def _evaluated(place: Path, model_name: str) -> dict[str, float]:
    """The figures of the newest evaluation of a job's model, which may lie in any run: its training's key tells."""
    config, made = catalog.model(model_name) / catalog.CONFIG, catalog.evaluation(model_name)
    if not (place / config.place).is_file():
        return {}
    key = read_json(place / config.place, config.made_by)["key"]
    files = [place / made.place, *place.parents[1].glob(f"*/{made.place}")]
    reports = [(file.stat().st_mtime, read_json(file, made.made_by)) for file in files if file.is_file()]
    own = [(time, report) for time, report in reports if report.get("key") == key]
    if not own:
        return {}
    metrics = max(own, key=lambda pair: pair[0])[1]["metrics"]
    names = [name for name in metrics if name.startswith(TESTED) and not name.endswith(LESS)]
    return {name: float(metrics[name]) for name in names if metrics[name] is not None}


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of some values, and the 95 % interval of it by Student's t distribution: mean, low, high.

    Values of several seeds, taken as a sample of a normal distribution: mean ± t(0.975, n - 1) s / sqrt(n). With one
    value the interval is nan.
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan, math.nan
    from scipy.stats import t  # takes a second

    half = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def table(jobs: Sequence[Job], title: str) -> str:
    """The report in Markdown: a table of what finished, and lists of what was pruned, failed or was interrupted."""
    keys = _differing(jobs)
    rows: dict[tuple[str, ...], dict[str, list[float]]] = {}
    folders: dict[tuple[str, ...], list[str]] = {}
    several = len({model_name for job in jobs for model_name in job.outcome.figures}) > 1
    for job in jobs:
        if job.outcome.state != FINISHED:
            continue
        for model_name, figures in job.outcome.figures.items():
            settings = [job.overrides.get(key, DASH) for key in keys]
            row = rows.setdefault((model_name, *settings), {})
            folders.setdefault((model_name, *settings), []).append(str(job.number))
            for name, value in figures.items():
                row.setdefault(name, []).append(value)
    metrics = sorted({name for row in rows.values() for name in row}, key=lambda name: (not name.startswith("v"), name))
    shown = [place for place, key in enumerate(keys) if key != "model" or not several]
    heads = [*(["model"] if several else []), *(keys[place] for place in shown), "folders", "seeds", *metrics]
    lines = [f"# {title}", "", *_intro(jobs, rows, metrics)]
    if rows:
        numbers = len(heads) - len(metrics) - 1
        lines += ["", f"| {' | '.join(heads)} |", "|" + " --- |" * numbers + " ---: |" * (len(metrics) + 1)]
    for key, row in sorted(rows.items(), key=lambda entry: _order(entry[1], metrics)):
        model_name, *settings = key
        cells = [*([f"`{model_name}`"] if several else []), *(_short(settings[place]) for place in shown)]
        cells += [", ".join(folders[key]), str(len(folders[key]))]
        cells += [_figure(row[name]) if name in row else DASH for name in metrics]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    for state, heading in ((PRUNED, "Pruned"), (FAILED, "Failed"), (INTERRUPTED, "Interrupted")):
        ended = [job for job in jobs if job.outcome.state == state]
        if ended:
            lines += ["", f"## {heading}", "", *(f"- {_line(job, keys)}" for job in ended)]
    return "\n".join(lines) + "\n"


def _differing(jobs: Iterable[Job]) -> list[str]:
    """The keys, but for seeds, whose values differ between jobs, in the order in which they were given."""
    given = list(jobs)
    keys = dict.fromkeys(key for job in given for key in job.overrides)
    return [key for key in keys if key not in SEEDS and len({job.overrides.get(key) for job in given}) > 1]


def _order(row: dict[str, list[float]], metrics: Sequence[str]) -> tuple[int, float]:
    """Rows stand by their first metric, so that those that compare are together, the lowest first."""
    place = next(place for place, name in enumerate(metrics) if name in row)
    return place, statistics.fmean(row[metrics[place]])


def _intro(jobs: Sequence[Job], rows: Any, metrics: Sequence[str]) -> list[str]:
    counts = {state: sum(job.outcome.state == state for job in jobs) for state in (FINISHED, PRUNED, FAILED)}
    counts[INTERRUPTED] = len(jobs) - sum(counts.values())
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    lines = [f"Of {len(jobs)} jobs: {text}."]
    if rows:
        text = "Lower is better in all columns of figures but accuracies"
        if any(len(values) > 1 for row in rows.values() for values in row.values()):
            text += "; in brackets the 95 % interval of the mean over the seeds (Student's t)"
        lines += ["", f"{text}. `valid` is the best validation of a training, by which its weights were chosen."]
    return lines


def _short(text: str) -> str:
    """A number with four digits, which tell the suggestions of a search apart; any other text as it is."""
    try:
        return f"{float(text):.4g}" if "." in text else text
    except ValueError:
        return text


def _figure(values: Sequence[float]) -> str:
    mean, low, high = interval(values)
    return f"{mean:.4f}" if math.isnan(low) else f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def _line(job: Job, keys: Sequence[str]) -> str:
    shown = {key: job.overrides[key] for key in (*keys, *SEEDS) if key in job.overrides}
    label = " ".join(f"{key}={_short(value)}" for key, value in shown.items()) or job.label
    figures = [f"{name} {value:.4f}" for own in job.outcome.figures.values() for name, value in own.items()]
    return f"{job.number} ({label}): {', '.join([job.outcome.reason, *figures])}"


def find(session: Session, given: str | None) -> Path:
    """The folder of a sweep below runs/.

    Args:
        session: of the project.
        given: the folder itself or its name, or the id of the parent run in MLflow; None: the newest sweep.
    """
    runs = session.root / "runs"
    if given is None:
        marks = sorted(runs.glob(f"*/{MARK}"), key=lambda file: file.stat().st_mtime)
        marks = [mark for mark in marks if any(mark.parent.glob(f"[0-9]*/{OVERRIDES}"))]
        if not marks:
            raise EtudeError("There is no sweep below runs/. Make one, as in: etude train -m model=lstm seed=1,2,3")
        return marks[-1].parent
    for folder in (given_path(given).resolve(), runs / given):
        if folder.is_dir() and any(folder.glob(f"[0-9]*/{OVERRIDES}")):
            return folder
    if given.isalnum():  # as MLflow's ids are
        from etude.tracking import name_of_parent

        name = name_of_parent(session, given)
        if name and (runs / name).is_dir():
            return runs / name
    raise EtudeError(
        f"{given} is neither the folder of a sweep nor its parent run in MLflow. Sweeps have their folders below runs/."
    )


def write(folder: Path) -> Path:
    """Write sweep.md in the folder of a sweep. Gives its path."""
    page = folder / PAGE
    write_text(page, table(jobs_of(folder), f"Sweep {folder.name}"))
    return page
