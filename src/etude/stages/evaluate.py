"""Stage evaluate: measure a model's likelihood, and compare its samples with the real test pieces."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Evaluate, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, whole, write_json
from etude.core.progress import follow
from etude.metrics import outside
from etude.metrics.descriptors import UNITS, columns, descriptors
from etude.metrics.distance import (
    distances,
    interval,
    overall,
    piece_distances,
    ranks,
    round_floats,
    summary,
)
from etude.metrics.overlap import compare, count
from etude.report.figures import distributions
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
    real: Mapping[str, np.ndarray],
    likelihood: Mapping[str, float],
    settings: Evaluate,
    progress: bool = False,
) -> Json:
    """Compare a model's samples with real pieces.

    Args:
        samples: file name -> piece; a piece may be empty.
        real: descriptor -> values of the real test pieces, at ``settings.resolution`` and ``settings.bars``.
        likelihood: metrics of likelihood by their names; empty for a model that has none.
        settings: resolution, bars, bootstrap draws and their seed.
        progress: show a progress bar.

    Returns:
        ``metrics`` (flat), ``descriptors`` (mean, its interval, values, distance) and ``pieces`` (rank 0: the most
        typical of real music), floats as ``etude.metrics.distance.round_floats`` leaves them.
    """
    scores = follow(samples.values(), "measuring samples", len(samples), progress)
    ours = columns([descriptors(score, settings.resolution, settings.bars) for score in scores])
    apart = distances(ours, real)
    low, high = interval(ours, real, settings.bootstrap, settings.seed)
    measured = summary(ours, settings.bootstrap, settings.seed)
    far = piece_distances(ours, real)
    metrics = {
        **likelihood,
        "samples/distance": overall(ours, real),
        "samples/distance_low": low,
        "samples/distance_high": high,
        "samples/pieces": len(samples),
        "samples/empty": sum(score.note_num() == 0 for score in samples.values()),
        **{f"samples/{name}_mean": measured[name]["mean"] for name in UNITS},
    }
    report: Json = round_floats(
        {
            "metrics": metrics,
            "descriptors": {name: {**measured[name], "distance": apart[name]} for name in UNITS if name in apart},
            "pieces": [
                {"file": file, "rank": rank, "distance": float(value)}
                for file, rank, value in zip(samples, ranks(far), far, strict=True)
            ],
        }
    )
    return report


def note_by_note(
    samples: Sequence[ScoreTick], real: Mapping[str, Sequence[tuple[int, int]]], settings: Evaluate
) -> dict[str, float]:
    """Compute ``samples/overlap_...`` and the metrics of distinct bars (``etude.metrics.overlap``).

    Args:
        samples: the pieces.
        real: distribution -> values and their counts in the real test pieces, from reports/reference.json.
        settings: resolution and bars.
    """
    counted = [count(score, settings.resolution, settings.bars) for score in samples]
    found = compare(counted, {name: dict(pairs) for name, pairs in real.items()})
    return {f"samples/{name}": value for name, value in found.items()}


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
            samples[file] = ScoreTick(folder / file)
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
    for name, value in (("resolution", settings.evaluate.resolution), ("bars", settings.evaluate.bars)):
        if report[name] != value:
            raise EtudeError(
                f"{place} was measured with evaluate.{name} = {report[name]}, and this run has {value}. "
                f"Measure the real pieces again with: {measure_again}"
            )
    real = {name: np.array(found["values"], dtype=float) for name, found in report["descriptors"].items()}

    from etude.tasks.likelihood import likelihood

    found = evaluate(samples, real, likelihood(settings, session, model_name), settings.evaluate, session.progress)
    found["metrics"] |= round_floats(note_by_note(list(samples.values()), report["distributions"], settings.evaluate))
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
    result["settings"] = {"generate": sample_pieces["generate"], "evaluate": vars(settings.evaluate)}
    picture = distributions(
        {name: part["values"] for name, part in result["descriptors"].items()},
        real,
        {name: part["distance"] for name, part in result["descriptors"].items()},
        UNITS,
        f"{model_name}: {len(samples)} samples compared with {report['pieces']} real test pieces",
        f"First {report['bars']} bars of each piece, measured at {report['resolution']} time steps a quarter. "
        "Dashed: means. Distances in standard deviations of the real pieces.",
    )
    with whole(session.write(catalog.figure(model_name))) as part:
        part.write_bytes(picture)
    made = session.write(catalog.evaluation(model_name))
    write_json(made, result)
    write_json(session.write(catalog.metrics(model_name)), main_figures(result["metrics"], training))
    return made


if __name__ == "__main__":
    main(run)
