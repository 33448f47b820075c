"""The experiments that are compared with the literature: one result file each, and a table of all result files.

``etude all experiment=NAME`` leaves the result file of an experiment that conf/protocols.yaml describes. With another
seed it adds that seed's figures to the file.
"""

import importlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.check import OneOf, check, construct
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, write_json, write_text
from etude.core.project import conf_folder
from etude.metrics.distance import round_floats
from etude.metrics.likelihood import per_unit
from etude.representations.base.loading import load_representation

SPLITS = ("valid", "test")
SECTIONS = ("seed", "dataset", "ingest", "split", "augment", "tokenize", "models", "optim", "train", "trainer")
SEED_HEADS = ("valid, mean ± s.d. of {} seeds", "test, mean ± s.d. of {} seeds")
HEADS = ("", "valid", "test", "valid, by piece", "test, by piece", "parameters", "best step / steps")
DASH = "–"
SEED = 1  # of conf/config.yaml: of the figures that are the rows of a committed result


@dataclass(frozen=True)
class Published:
    """A published figure of others, on test unless another split is named."""

    who: str
    figure: float
    source: str
    split: Annotated[str, OneOf(SPLITS)] = "test"


@dataclass(frozen=True)
class Protocol:
    """What an experiment measures, in words, and the published figures: a section of conf/protocols.yaml."""

    metric: str
    unit: str
    protocol: str
    stage: Annotated[str, OneOf(("evaluate", "harmonize"))] = "evaluate"  # whose reports hold the metrics
    baseline: str | None = None
    more: list[str] = field(default_factory=list)  # other metrics of reports/evaluate/MODEL.json, as in test/accuracy
    published: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        for place, entry in enumerate(self.published):
            construct(Published, entry, f"published[{place}]")


def protocol(root: Path, name: str) -> Protocol | None:
    """The protocol of the experiment ``name``; None if conf/protocols.yaml has none of that name."""
    file = conf_folder(root) / "protocols.yaml"
    if not file.is_file():
        return None
    try:
        known = check(yaml.safe_load(file.read_text(encoding="utf-8")), dict, "conf/protocols.yaml")
    except yaml.YAMLError as error:
        raise EtudeError(f"conf/protocols.yaml is no YAML ({' '.join(str(error).split())}).") from None
    if name not in known:
        return None
    return construct(Protocol, check(known[name], dict, f"protocols.{name}"), f"protocols.{name}")


def result(settings: Settings, session: Session, name: str, config: Protocol) -> Json:
    """The result file of an experiment whose models are trained and evaluated: figures by row, models last.

    A row has ``valid`` and ``test``, weighted by unit, and ``valid_by_piece`` and ``test_by_piece``. The row of a
    model also has its parameters, its steps and the hardware of its training. The file has no times and no paths.
    """
    stores = {}
    for model_name in settings.models:
        representation = settings.model(model_name)["representation"]
        stores[representation] = Store(session.read(catalog.tokens(representation)))
    rows = []
    for representation, store in stores.items():
        for baseline, costs in _baselines(config, store):
            metrics: dict[str, float] = {}
            for split in SPLITS:  # metrics by their names, or costs by piece
                facts = store.manifest["pieces"][split]
                metrics |= per_unit(costs[split], facts, split) if split in costs else costs
            label = baseline if len(stores) == 1 else f"{baseline} ({representation})"
            rows.append({"baseline": label, **_figures(metrics, config, f"the baseline {baseline}")})
    for model_name in settings.models:
        measured, trained = catalog.report(config.stage, model_name), catalog.model(model_name)
        report = read_json(session.read(measured), measured.made_by)
        metrics = report["metrics"] if config.stage == "evaluate" else _of_harmonies(report, "harmony")
        if config.stage == "harmonize" and not any("real" in row for row in rows):
            real = _of_harmonies(report, "all_real") | {f"test/{config.metric}": 1.0}
            rows.append({"real": "Bach's own voices, of all pieces", **_figures(real, config, "real music")})
        folder = session.read(trained)
        result = read_json(folder / "result.json", trained.made_by)
        own = {key: result.get(key) for key in ("parameters", "best_step", "steps")}
        own["made_on"] = read_json(folder / catalog.CONFIG, trained.made_by)["made_on"]
        rows.append({"model": model_name, **_figures(metrics, config, model_name), **own})
    first = next(iter(stores.values()))
    made: Json = round_floats(
        {
            "experiment": name,
            "metric": config.metric,
            "unit": config.unit,
            "protocol": config.protocol,
            "pieces": {split: len(first.manifest["pieces"][split]) for split in SPLITS},
            "rows": rows,
            "published": config.published,
            "settings": _decisive(settings),
        }
    )
    return made


def _decisive(settings: Settings) -> Json:
    """The settings on which the figures depend."""
    values = settings.as_dict()
    found: Json = round_floats({section: values[section] for section in SECTIONS})
    return found


def _of_harmonies(report: Mapping[str, Any], way: str) -> dict[str, float]:
    """The content of reports/harmonize/MODEL.json as metrics of test: ``test/agreement``, and ``test/leaps`` a bar."""
    found = {f"test/{kind}": rate[way] for kind, rate in report["rates"].items()}
    if way == "harmony":
        found |= {f"test/{name.removeprefix('harmony/')}": value for name, value in report["metrics"].items()}
    return found


def _baselines(config: Protocol, store: Store) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The counting baselines: name, and by split the cost of each piece in nats, or metrics as evaluate has them."""
    if config.baseline is None:
        return []
    room = importlib.import_module(f"etude.baselines.{config.baseline}")
    found: Iterable[tuple[str, Mapping[str, Any]]] = room.measure(store, load_representation(store))
    return found


def _figures(metrics: Mapping[str, float], config: Protocol, where: str) -> dict[str, float]:
    if f"test/{config.metric}" not in metrics:
        raise EtudeError(f"{where} has no test/{config.metric}, which conf/protocols.yaml asks for.")
    splits = [split for split in SPLITS if f"{split}/{config.metric}" in metrics]
    figures = {split: metrics[f"{split}/{config.metric}"] for split in splits}
    figures |= {
        f"{split}_by_piece": metrics[f"{split}/{config.metric}_by_piece"]
        for split in SPLITS
        if f"{split}/{config.metric}_by_piece" in metrics
    }
    more = {f"{split}/{name}": metrics.get(f"{split}/{name}") for name in config.more for split in SPLITS}
    return figures | {name: value for name, value in more.items() if value is not None}


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """The page of all experiments in Markdown, from their result files alone."""
    lines = [
        "# The literature's numbers",
        "",
        "Made of the result files in `reports/experiments/`; lower is better where nothing else is said.",
    ]
    for found in results:
        name = found["experiment"]
        machines = sorted({_machine(row["made_on"]) for row in found["rows"] if "made_on" in row})
        intro = f"`etude all experiment={name}`, here from {' and '.join(machines)}. In {found['unit']}."
        lines += ["", f"## {name}", "", intro]
        lines += ["", found["protocol"], ""]
        seeds = found.get("seeds", {})
        lines += _heads([*HEADS, *(head.format(1 + len(seeds)) for head in SEED_HEADS if seeds)])
        for row in found["rows"]:
            cells = [_figure(row.get(key)) for key in ("valid", "test", "valid_by_piece", "test_by_piece")]
            steps = f"{row['best_step']:,.0f} / {row['steps']:,.0f}" if row.get("steps") else DASH
            size = f"{row['parameters']:,.0f}" if row.get("parameters") else DASH
            spread = _spread(row, seeds) if seeds else []
            lines.append(f"| {' | '.join([_label(row), *cells, size, steps, *spread])} |")
        for entry in found["published"]:
            cells = [_figure(entry["figure"], 2) if entry.get("split", "test") == split else DASH for split in SPLITS]
            cells += [DASH] * (len(HEADS) - 3 + (len(SEED_HEADS) if seeds else 0))
            label = f"{entry['who']} ({entry['source']})"
            lines.append(f"| {' | '.join([label, *cells])} |")
        lines += _more(found["rows"])
    return "\n".join(lines) + "\n"


def _spread(row: Mapping[str, Any], seeds: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Mean and standard deviation over all seeds, the row's own included, by split; a dash where there is one seed."""
    same = [other for rows in seeds.values() for other in rows if "model" in row and other["model"] == row["model"]]
    cells = []
    for split in SPLITS:
        values = [one[split] for one in (row, *same) if split in one]
        known = len(values) > 1
        cells.append(f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}" if known else DASH)
    return cells


def _more(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A second table, of the other metrics if there are any: one a line, a column for each row and split."""
    names = sorted({key.partition("/")[2] for row in rows for key in row if "/" in key})
    if not names:
        return []
    columns = [(row, split) for row in rows for split in SPLITS if any(key.startswith(f"{split}/") for key in row)]
    lines = ["", *_heads(["", *(f"{_label(row)}, {split}" for row, split in columns)])]
    for name in names:
        cells = [_figure(row.get(f"{split}/{name}")) for row, split in columns]
        lines.append(f"| {' | '.join([name.replace('_', ' '), *cells])} |")
    return lines


def _heads(heads: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]


def _label(row: Mapping[str, Any]) -> str:
    if "model" in row:
        return f"`{row['model']}`"
    return f"baseline: {row['baseline']}" if "baseline" in row else str(row["real"])


def _machine(made_on: Mapping[str, Any]) -> str:
    count, kind = made_on["devices"], {"cpu": "CPU", "gpu": "GPU"}[made_on["accelerator"]]
    return f"a {kind}" if count == 1 else f"{count} {kind}s"


def _figure(value: float | None, least: int = 3) -> str:
    """Format with ``least`` decimals, with more only if a published figure has more."""
    return DASH if value is None else max(f"{value:.{least}f}", f"{value:.3f}".rstrip("0"), key=len)


def read(folder: Path) -> list[Json]:
    """The result files in ``folder``, by name."""
    return [read_json(file, catalog.experiment(file.stem).made_by) for file in sorted(folder.glob("*.json"))]


def run(settings: Settings, session: Session, name: str, config: Protocol, committed: bool) -> Path:
    """Write the result file into the folder of the run and, where ``committed``, into the project with the table.

    Returns the result file.
    """
    made = result(settings, session, name, config)
    own = session.write(catalog.experiment(name))
    write_json(own, made)
    if committed:
        own = session.root / catalog.experiment(name).place
        write_json(own, with_seed(_committed(session.root, name), made))
        write_text(session.root / catalog.EXPERIMENTS.place, table(read(own.parent)))
    return own


def _committed(root: Path, name: str) -> Json | None:
    """The committed result file of an experiment."""
    made = catalog.experiment(name)
    return read_json(root / made.place, made.made_by) if (root / made.place).is_file() else None


def require_first_seed(settings: Settings, root: Path, name: str) -> None:
    """Refuse a further seed of an experiment whose committed result has other settings, before hours of training.

    Raises:
        EtudeError: there is no committed result, or it was made with other settings.
    """
    known = _committed(root, name)
    if settings.seed != SEED and (known is None or not _same(known["settings"], _decisive(settings))):
        raise EtudeError(
            f"seed={settings.seed}: {catalog.experiment(name)} holds no result with the settings of "
            f"conf/experiment/{name}.yaml to which another seed could be added. "
            f"Make it first: {catalog.experiment(name).made_by}"
        )


def with_seed(known: Json | None, made: Json) -> Json:
    """A result file with the figures of one more seed, that of ``made``.

    Args:
        known: the file so far, whose rows are of the seed ``SEED``; others are in its ``seeds``. None: there is none.
        made: the result of a seed.
    """
    seed = made["settings"]["seed"]
    if known is None or not _same(known["settings"], made["settings"]):
        return made
    if seed == SEED:
        return {**made, "seeds": known["seeds"]} if "seeds" in known else made
    rows = [{name: row[name] for name in ("model", *SPLITS) if name in row} for row in made["rows"] if "model" in row]
    return {**known, "seeds": dict(sorted({**known.get("seeds", {}), str(seed): rows}.items()))}


def _same(one: Json, other: Json) -> bool:
    """Whether settings are the same, but for the seeds that ``seed`` sets and for how models are sampled."""

    def without(settings: Json) -> Json:
        models = {name: {**section, "generate": None} for name, section in settings["models"].items()}
        return {**settings, "seed": None, "train": {**settings["train"], "seed": None}, "models": models}

    return without(one) == without(other)
