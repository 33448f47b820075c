"""The tables of results: the numbers of each model and of real music, for the page, results.md and DVC."""

from collections.abc import Sequence

from etude.report.accompaniments import compared, flat_accompaniments
from etude.report.inputs import ReportInputs
from etude.report.tables import DASH, Row, Table, decimal, percent, spread, whole_number

PSEUDO = "test/pseudo_nats_per_cell"
COLUMNS = (  # of the results table: heading, unit
    ("valid", "nats per note"),
    ("test", "nats per note"),
    ("test", "nats per piece"),
    ("distance to real music", "standard deviations [95 % interval]"),
    ("parameters", ""),
    ("best step / steps", ""),
)


def results_table(inputs: ReportInputs) -> Table:
    """The results table: a row a model in the order of ``inputs.train``, then real music against real music."""
    numbers: dict[str, list[float | None]] = {}
    rows = []
    for model_name in inputs.train:
        metrics = inputs.evaluate[model_name]["metrics"]
        numbers[model_name] = [
            metrics.get(name)
            for name in ("valid/nats_per_note", "test/nats_per_note", "test/nats_per_piece", "samples/distance")
        ]
    lowest = [
        min((value for value in column if value is not None), default=None)
        for column in zip(*numbers.values(), strict=True)
    ]
    for model_name, training in inputs.train.items():
        metrics, result, row = inputs.evaluate[model_name]["metrics"], training.result, numbers[model_name]
        steps = whole_number(result.get("steps"))
        if result.get("best_step") is not None and result.get("steps"):
            steps = f"{whole_number(result['best_step'])} / {steps}"
        cells = (
            decimal(row[0], 3),
            decimal(row[1], 3),
            decimal(row[2], 1),
            spread(row[3], metrics.get("samples/distance_low"), metrics.get("samples/distance_high")),
            whole_number(result.get("parameters")),
            steps,
        )
        best = tuple(value is not None and value == low for value, low in zip(row, lowest, strict=True))
        note = 2 if PSEUDO in metrics else int(not any("/nats_per_" in name for name in metrics))
        rows.append(Row(model_name, cells, (*best, False, False), note))
    real = inputs.reference["real_against_real"]
    cell = spread(real.get("distance"), real.get("low"), real.get("high"))
    rows.append(Row("real music", (DASH, DASH, DASH, cell, DASH, DASH), apart=True))
    return Table(
        "Likelihood on pieces that no model has seen, distance of the samples to real music, and size.",
        COLUMNS,
        rows,
        _results_notes(rows, inputs),
    )


def flat_results(inputs: ReportInputs) -> dict[str, dict[str, float]]:
    """Each model's numbers, for ``dvc metrics show`` and ``dvc exp show``."""
    found, comparisons = {}, compared(inputs)
    for model_name, training in inputs.train.items():
        numbers = {**training.result, **inputs.evaluate[model_name]["metrics"]}
        for reports in (inputs.harmonize, inputs.control):
            numbers |= reports[model_name]["metrics"] if model_name in reports else {}
        if model_name in comparisons:
            numbers |= flat_accompaniments(comparisons[model_name])
        kept = [name for name in sorted(numbers) if not name.endswith("_mean") and numbers[name] is not None]
        found[model_name] = {name: round(float(numbers[name]), 6) for name in kept}
    return found


def _results_notes(rows: Sequence[Row], inputs: ReportInputs) -> list[str]:
    reference = inputs.reference
    metrics_of = {model_name: inputs.evaluate[model_name]["metrics"] for model_name in inputs.train}
    counts = [len(inputs.generate[model_name]["pieces"]) for model_name in inputs.train]
    samples = f"{min(counts)}" if len(set(counts)) == 1 else f"{min(counts, default=0)} to {max(counts, default=0)}"
    notes = [
        "Lower is better in every column of nats and in the distance; the best of each is bold. Nats per note, the "
        "negative log-likelihood (NLL): how surprised a model is by each note of unseen pieces (natural logarithm).",
        f"Distance: how far the measures of {samples} samples lie from those of {reference['pieces']} real test "
        "pieces: the mean over all measures, in standard deviations of real music, with the 95 % bootstrap interval in "
        f"brackets. Only the first {reference['bars']} bars of each piece are measured, at {reference['resolution']} "
        "steps a quarter note.",
        f"Real music: sets of {reference['real_against_real']['pieces']} valid pieces, measured as if they were "
        "samples. This is what a perfect model would score.",
    ]
    for model_name in inputs.train:
        if part := inputs.evaluate[model_name].get("part"):
            among = spread(
                *(inputs.evaluate[model_name]["real_against_real"].get(n) for n in ("distance", "low", "high"))
            )
            notes.append(
                f"{model_name} is about {part}: its samples are compared with {part} of the real pieces, which score "
                f"{among} among themselves."
            )
    frames = {
        name: metrics["test/nats_per_frame"] for name, metrics in metrics_of.items() if "test/nats_per_frame" in metrics
    }
    if frames:
        texts = ", ".join(f"{model_name} {decimal(value, 3)}" for model_name, value in frames.items())
        notes.append(f"Models of frames of keys, in nats per frame on test, given the first frame of a piece: {texts}.")
    for model_name, metrics in metrics_of.items():
        if empty := metrics.get("samples/empty"):
            notes.append(
                f"{model_name}: {round(empty)} samples have no note. The distance leaves them out, which flatters it."
            )
    repaired = {model_name: metrics.get("samples/repaired", 0) for model_name, metrics in metrics_of.items()}
    texts = ", ".join(f"{model_name} {count}" for model_name, count in repaired.items() if count)
    notes.append(f"Repaired samples, which were cut where they could not end: {texts or 'none'}.")
    if any(row.note == 1 for row in rows):
        notes.append("¹ Generates music without a probability, so has no likelihood: judge it by its samples.")
    for row in rows:
        if row.note == 2:
            metrics = metrics_of[row.name]
            right, onsets = (percent(metrics.get(f"test/{name}")) for name in ("accuracy", "onset_accuracy"))
            notes.append(
                f"² Predicts each cell (one voice at one time step) from all other cells: {row.name} has "
                f"{decimal(metrics[PSEUDO], 3)} nats per cell on test, {right} of all cells right, {onsets} of those "
                "where a note starts. This is a pseudo-likelihood and is not comparable with NLL per note."
            )
    return notes
