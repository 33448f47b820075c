"""Model cards: a page a model under the same headings, from measured figures."""

import csv
import io

from etude.config.code import describe_module
from etude.config.sections import Settings
from etude.core.files import Json
from etude.report.inputs import ReportInputs
from etude.report.tables import DASH, decimal, in_order, percent, spread, whole_number
from etude.report.templates import render


def card(name: str, settings: Settings, inputs: ReportInputs) -> str:
    """The card of one model, as Markdown."""
    section, training = settings.model(name), inputs.train[name].result
    pieces, found = inputs.ingest["pieces"], inputs.tokenize[section["representation"]]
    counts = {split: len(inputs.split[split]) for split in ("train", "valid", "test")}
    steps = "" if section["objective"] == "counting" else f", best after {whole_number(training['best_step'])} steps"
    return render(
        "card.md.j2",
        model_name=name,
        what=describe_module(section["_target_"]),
        data=(
            f"{len(pieces)} pieces of the dataset `{inputs.download['dataset']}`: {counts['train']} to train, "
            f"{counts['valid']} to choose when to stop, {counts['test']} to measure. All settings of one tune are in "
            f"one of the three. Representation: `{section['representation']}`, {_items(found)}."
        ),
        training=(
            f"{whole_number(training['parameters'])} parameters{steps}. The settings are in config.json, the course of "
            "the training in history.csv. The same code and settings make the same weights again on the same kind of "
            "CPU."
        ),
        figures=_figures(name, inputs),
        load=name,
        uses=_uses(name, inputs),
        limits=_limits(name, inputs),
        licence=inputs.download["licence"],
    )


def _items(found: Json) -> str:
    return f"{whole_number(found['vocabulary'])} tokens" if found["vocabulary"] else f"of kind {found['kind']}"


def _figures(name: str, inputs: ReportInputs) -> list[tuple[str, str, str]]:
    """The rows of the table: measure, figure, that of real music."""
    metrics = inputs.evaluate[name]["metrics"]
    reference = inputs.reference
    real, sets, line = reference["real_against_real"], reference["sets"], reference["originality"]["line"]
    rows = []
    for key, text in (
        ("test/nats_per_note", "nats per note on test"),
        ("test/pseudo_nats_per_cell", "pseudo-likelihood on test, nats per cell"),
    ):
        if metrics.get(key) is not None:
            rows.append((text, decimal(metrics[key], 3), DASH))
    low, high = metrics.get("samples/distance_low"), metrics.get("samples/distance_high")
    distance = spread(metrics["samples/distance"], low, high)
    rows.append(("distance of samples", distance, spread(real.get("distance"), real.get("low"), real.get("high"))))
    for key, text in (("classifier", "recognised by a classifier (50 % is perfect)"), ("coverage", "coverage")):
        rows.append((text, percent(metrics[f"samples/{key}"]), percent(sets[key]["value"])))
    ours, theirs = decimal(metrics["samples/copied_median"], 2), decimal(line["median"], 2)
    rows.append(("notes in common with one train piece, median", ours, theirs))
    if name in inputs.harmonize:
        own = inputs.harmonize[name]["metrics"]
        parallels = own.get("harmony/parallels_beside_all_real")
        rows.append(("harmony: agreement with the real voices", percent(own["harmony/agreement"]), "100.0%"))
        rows.append(("harmony: parallels, times those of real music", decimal(parallels, 2), "1.00"))
    if name in inputs.control:
        own = inputs.control[name]["metrics"]
        rows.append(("control attributes that are met", percent(own["control/met"]), DASH))
    return rows


def _uses(name: str, inputs: ReportInputs) -> list[str]:
    lines = ['model.generate(bars=8, seed=7)[0].save("piece.mid")']
    if name in inputs.harmonize:
        lines.append('model.harmonize("melody.mid").save("chorale.mid")')
    if name in inputs.control:
        lines.append('model.generate(bars=8, control={"key": "D minor", "density": "high"})')
    return lines


def _limits(name: str, inputs: ReportInputs) -> str:
    metrics = inputs.evaluate[name]["metrics"]
    real = inputs.reference["real_against_real"].get("distance")
    times = f"{metrics['samples/distance'] / real:.1f} times" if real else "farther than"
    found = [
        f"It has seen nothing but `{inputs.download['dataset']}`, and writes in its style and for its voices.",
        f"Its samples lie {times} as far from the test pieces as other real pieces do.",
    ]
    if empty := round(metrics.get("samples/empty") or 0):
        found.append(f"{empty} of its {len(inputs.generate[name]['pieces'])} samples have no note.")
    if "test/nats_per_note" not in metrics:
        found.append("It has no likelihood, so that only its samples can be judged.")
    return " ".join(found)


def descriptors_csv(inputs: ReportInputs) -> str:
    """The distance of each model's samples from real music, by descriptor, as CSV for ``dvc plots``."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["model", "descriptor", "distance"])
    for name in inputs.train:
        measured = inputs.evaluate[name]["descriptors"]
        for descriptor in in_order(measured):
            distance = measured[descriptor].get("distance")
            if distance is not None:
                table.writerow([name, descriptor, round(distance, 4)])
    return stream.getvalue()
