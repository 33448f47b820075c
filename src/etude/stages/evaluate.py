"""Stage evaluate: measure a model's predictions; compare its samples with real pieces, and search copies in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.config.check import construct, target
from etude.config.sections import Evaluate, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, require_unchanged, whole, write_json
from etude.core.progress import bar
from etude.metrics import originality, outside, prediction
from etude.metrics.comparison import Measured, Real, Train, choose_train, compare, describe_copies, follow_copies
from etude.metrics.descriptors import UNITS
from etude.metrics.distance import round_floats
from etude.metrics.reference import reference
from etude.report.figures import distributions
from etude.representations.base.round_trip import part_of
from etude.stages import main

MAIN = (  # of the metrics of a model, those that a table of all models shows
    "valid/nats_per_note",
    "test/nats_per_note",
    "test/pseudo_nats_per_cell",
    "samples/distance",
    "samples/distance_low",
    "samples/distance_high",
    "samples/overlap_pitch_class",
    "samples/overlap_duration",
    "parameters",
    "steps",
)


def evaluate(
    samples: Mapping[str, ScoreTick],
    real: Real,
    train: Train,
    settings: Evaluate,
    progress: bool = False,
) -> Json:
    """Compare samples with real pieces.

    Args:
        samples: file name -> piece; a piece may be empty.
        real: the real test pieces, and how they score themselves.
        train: the train pieces, in which copies are searched.
        settings: resolution, bars, draws and their seed.
        progress: show a progress bar.

    Returns:
        ``metrics`` (flat), ``pieces`` (rank 0: the most typical of real music), and the parts of
        ``etude.metrics.comparison``: ``descriptors``, ``structure``, ``distributions``, ``sets``, ``originality``.
        Floats are as ``etude.metrics.distance.round_floats`` leaves them.
    """
    measured = Measured.of(list(samples.values()), settings)
    found, metrics = compare(measured, real, settings)
    places = found.pop("ranks")
    with bar("searching copies", len(samples), progress) as report:
        copied = originality.compare(measured.points, train.reference, settings.window, report=report)
    copies, own = describe_copies(copied, list(samples), train, real.line)
    made: Json = round_floats(
        {
            "metrics": {**metrics, **own},
            **found,
            "originality": copies,
            "pieces": [{"file": file, **place} for file, place in zip(samples, places, strict=True)],
        }
    )
    return made


def representation_of(settings: Settings, model_name: str) -> Any:
    """The representation of a model, with its settings alone: nothing is learned."""
    name = settings.model(model_name)["representation"]
    where, values = f"tokenize.{name}", settings.tokenize[name]
    return construct(target(values, where), values, where)


def main_figures(metrics: Mapping[str, float | None], training: Mapping[str, float | None]) -> dict[str, float]:
    """The few figures that ``dvc metrics show`` has a column for: those of ``MAIN`` that the model has."""
    found = {**metrics, **training}
    return {name: float(value) for name in MAIN if (value := found.get(name)) is not None}


def read_samples(folder: Path, model_name: str) -> tuple[dict[str, ScoreTick], list[dict[str, str]]]:
    """Read the pieces of data/generate/MODEL by file name, and list the unreadable ones with their reasons.

    Raises:
        EtudeError: there is no sample, or none that can be read.
    """
    made = catalog.samples(model_name)
    listed = [piece["file"] for piece in read_json(folder / "manifest.json", made.made_by)["pieces"]]
    if not listed:
        raise EtudeError(f"{made} holds no samples. Raise generate.pieces and run: {made.made_by}")
    samples, unreadable = {}, []
    for file in listed:
        try:
            samples[file] = ScoreTick(require_unchanged(folder / file, made.made_by))
        except (OSError, RuntimeError, ValueError) as error:
            there = (folder / file).is_file()
            reason = str(error).replace(str(folder / file), file) if there else "the file is missing"
            unreadable.append({"file": file, "reason": reason})
    if not samples:
        first = unreadable[0]
        raise EtudeError(
            f"None of the {len(listed)} samples of {made} can be read "
            f"({first['file']}: {first['reason']}). Make them again with: {made.made_by}"
        )
    return samples, unreadable


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Evaluate a trained model and its samples.

    Reads reports/reference.json too; writes reports/evaluate/MODEL.json and MODEL.png, and reports/metrics/MODEL.json.
    Returns the path of the first.
    """
    settings.model(model_name)
    trained, sampled = catalog.model(model_name), catalog.samples(model_name)
    from etude.tasks.trained_model import find_model  # loads torch, which the functions above do not need

    model, folder = find_model(session, model_name), session.read(sampled)
    key = read_json(model / catalog.CONFIG, trained.made_by)["key"]
    samples, unreadable = read_samples(folder, model_name)
    manifest = read_json(folder / "manifest.json", sampled.made_by)
    sample_pieces = manifest["settings"]
    if sample_pieces["key"] != key:
        raise EtudeError(
            f"{folder} was sampled from another training than {model} holds. Sample from it with: "
            f"{sampled.made_by}{session.again}"
        )
    place = session.read(catalog.REFERENCE)
    report = read_json(place, catalog.REFERENCE.made_by)
    measure_again = "dvc repro reference" if session.out is None else f"{catalog.REFERENCE.made_by}{session.again}"
    for name in ("resolution", "bars", "window"):
        value = getattr(settings.evaluate, name)
        if report.get(name) != value:
            raise EtudeError(
                f"{place} was measured with evaluate.{name} = {report.get(name)}, and this run has {value}. "
                f"Measure the real pieces again with: {measure_again}"
            )
    source, _ = read_ingest(settings, session)
    splits = split_ids(settings, session, source)
    chosen = {**splits, "train": choose_train(splits["train"], settings.evaluate)}
    about = representation_of(settings, model_name)

    def pieces(split: str) -> dict[str, ScoreTick]:
        return {name: part_of(score, about) for name, score in source.scores(chosen[split])}

    learned = pieces("train")
    if part := getattr(about, "part", None):  # samples without the other tracks of real pieces are compared with those
        report, _ = reference(
            learned, pieces("valid"), pieces("test"), settings.evaluate, settings.generate.pieces, session.progress
        )
    real = Real.of(report)
    titles = [(name, source.entries[name]["title"] or name) for name in learned]
    train = Train.of(list(learned.values()), titles, len(splits["train"]))

    from etude.tasks.likelihood import comparison, likelihood, predictions
    from etude.tasks.snapshots import sample_snapshots

    found = evaluate(samples, real, train, settings.evaluate, session.progress)
    earlier = sample_snapshots(settings, session, model_name)
    found["originality"]["training"] = round_floats(follow_copies(earlier, train, real.line, settings.evaluate))
    found["prediction"] = predictions(settings, session, model_name)
    found["metrics"] = {
        **round_floats(likelihood(settings, session, model_name)),
        **prediction.flat(found["prediction"]),
        **found["metrics"],
    }
    if compared := comparison(settings, session, model_name):
        found["comparison"] = compared
        row = compared["rows"].get(model_name, {})
        found["metrics"] |= {f"accompaniments/{name}": value for name, value in row.items()}
    if own := outside.measure(list(samples.values()), settings.evaluate.resolution, settings.evaluate.bars):
        known = report.get("outside", {})
        if missing := sorted(own.keys() - known.keys()):
            raise EtudeError(
                f"{place} has no {', '.join(missing)}, which an installed package measures. Measure the real pieces "
                f"again with: {measure_again}"
            )
        theirs = {name: known[name]["values"] for name in own}
        described, metrics = outside.describe(own, theirs, settings.evaluate.bootstrap, settings.evaluate.seed)
        found["outside"] = round_floats(described)
        found["metrics"] |= round_floats(metrics)
    found["metrics"]["samples/repaired"] = sum(piece["repaired"] for piece in manifest["pieces"])
    training = round_floats(read_json(model / "result.json", trained.made_by))
    result = {"model": model_name, "key": key, "training": training, "unreadable": unreadable, **found}
    if part:
        result |= {"part": part, "real_against_real": report["real_against_real"]}
    result["settings"] = {"generate": sample_pieces["generate"], "evaluate": vars(settings.evaluate)}
    picture = distributions(
        {name: part["values"] for name, part in result["descriptors"].items()},
        real.descriptors,
        {name: part["distance"] for name, part in result["descriptors"].items()},
        UNITS,
        f"{model_name}: {len(samples)} samples compared with {part + ' of ' if part else ''}{report['pieces']} real "
        "test pieces",
        f"First {report['bars']} bars of each piece, measured at {report['resolution']} time steps a quarter. "
        "Dashed: means. Distances in standard deviations of the real pieces.",
    )
    with whole(session.write(catalog.figure(model_name))) as part:
        part.write_bytes(picture)
    made = session.write(catalog.evaluation(model_name))
    write_json(made, result)
    write_json(session.write(catalog.metrics(model_name)), main_figures(result["metrics"], training), sealed=False)
    return made


if __name__ == "__main__":
    main(run)
