"""How good the predictions behind a likelihood are: reliability curves, and tables of the next note."""

from collections.abc import Mapping

from etude.core.files import Json
from etude.report.charts import curves
from etude.report.panels import Panel
from etude.report.tables import DASH, Row, Table, decimal, percent, plain

Reports = Mapping[str, Json]  # ``prediction`` of reports/evaluate/V.json, of models that have a likelihood


def prediction_table(found: Reports) -> Table:
    """A row a model: calibration, and precision and recall of the next note."""
    rows = []
    for model, report in found.items():
        calibration, notes = report["calibration"], report["next_note"]
        signed = calibration["overconfidence"]
        rows.append(
            Row(
                model,
                (
                    percent(calibration["error"]),
                    DASH if signed is None else f"{signed:+.1%}",
                    *(
                        percent(notes[f"{name}_{mean}"])
                        for mean in ("micro", "macro")
                        for name in ("precision", "recall")
                    ),
                ),
            )
        )
    return Table(
        "Predictions on the test pieces: how far confidence is from accuracy, and how often the next note is right.",
        [
            ("calibration error", "of confidence"),
            ("overconfidence", "of confidence"),
            ("precision", "all notes"),
            ("recall", "all notes"),
            ("precision", "mean of pitches"),
            ("recall", "mean of pitches"),
        ],
        rows,
        [
            "Confidence: the probability of the most probable item. The next note is predicted where a pitch is more "
            "probable than any other and than none; items differ between models, so compare models that read alike.",
        ],
    )


def reliability_panel(found: Reports, order: list[str]) -> Panel:
    """Accuracy by confidence, a line a model; the diagonal is perfect."""
    lines = {
        model: [(100 * one["confidence"], 100 * one["accuracy"]) for one in report["calibration"]["bins"]]
        for model, report in found.items()
    }
    title = "accuracy by confidence, both in %"
    perfect = [(0.0, 0.0), (100.0, 100.0)]
    chart = curves(title, lines, {}, order, "confidence, %", perfect, "perfect")
    return {"title": title, "chart": chart}


def place_table(found: Reports, part: str, caption: str, first: str) -> Table | None:
    """Notes by voice or by position (``part``): nats of the item that starts one, and accuracy; None without any."""
    names = list(dict.fromkeys(name for report in found.values() for name in report[part]))
    if part == "positions":
        names.sort(key=int)
    if not names:
        return None
    models = [model for model, report in found.items() if report[part]]
    rows = []
    for name in names:
        parts = [found[model][part].get(name) for model in models]
        cells = [f"{decimal(one['nats'], 2)} / {one['accuracy']:.0%}" if one else DASH for one in parts]
        notes = max(one["notes"] for one in parts if one)
        rows.append(Row(plain(name), (f"{notes:,}", *cells)))
    columns = [("notes", ""), *((model, "nats / accuracy") for model in models)]
    return Table(caption, columns, rows, (), first)
