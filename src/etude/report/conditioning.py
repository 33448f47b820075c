"""The tables of conditional generation: how many pieces are as requested, compared with unconditioned pieces."""

from collections.abc import Mapping

from etude.core.files import Json
from etude.report.tables import DASH, Row, Table, decimal, percent, whole_number

Reports = Mapping[str, Json]  # reports/control/V.json by model

COLUMNS = (  # of the table of attributes: heading, unit
    ("as requested", "of the pieces"),
    ("unconditioned", "of the pieces"),
)
EACH = (  # of the table of requests
    ("requested", ""),
    *COLUMNS,
    ("measured", "mean"),
    ("unconditioned", "mean"),
)


def attribute_table(reports: Reports) -> Table | None:
    """A row an attribute of a model, then one over all of them; None where no model can be conditioned."""
    found = []
    for model_name, report in reports.items():
        metrics = report["metrics"]
        for name in dict.fromkeys(row["control"] for row in report["controls"]):
            cells = percent(metrics[f"control/met_{name}"]), percent(metrics[f"control/met_{name}_without"])
            found.append(Row(f"{model_name}, {name}", cells))
        cells = percent(metrics["control/met"]), percent(metrics["control/met_without"])
        found.append(Row(f"{model_name}, all requests", cells, apart=True))
    if not found:
        return None
    return Table("How many pieces are as requested, by attribute.", COLUMNS, found, _notes(reports))


def request_table(reports: Reports) -> Table | None:
    """A row a request to a model; None where no model can be conditioned."""
    found = []
    for model_name, report in reports.items():
        for row in report["controls"]:
            means = [decimal(row[name], 2) if name in row else DASH for name in ("mean", "mean_without")]
            cells = (describe_level(row), percent(row["met"]), percent(row["met_without"]), *means)
            found.append(Row(f"{model_name}, {row['control']} {row['value']}", cells))
    return Table("How many pieces are as requested, by request.", EACH, found) if found else None


def describe_level(row: Json) -> str:
    """Which values count as the requested level: ``below 3.74 notes a quarter note``."""
    if "unit" not in row:
        return str(row["value"])
    starts, ends = row["starts"], row["ends"]
    unit = "" if row["unit"] == "0 to 1" else f" {row['unit']}"
    if starts is None:
        return "any" if ends is None else f"below {ends:.4g}{unit}"
    return f"{starts:.4g} {'or more' if ends is None else f'to {ends:.4g}'}{unit}"


def _notes(reports: Reports) -> list[str]:
    counts = {round(report["metrics"]["control/pieces"]) for report in reports.values()}
    notes = [
        f"Conditional generation, {' or '.join(map(whole_number, sorted(counts)))} pieces a request, one attribute "
        "requested at a time: how many of them are as requested, measured like the train pieces, compared with as many "
        "unconditioned pieces of the same model. A key counts where tonic and mode are right, any other attribute "
        "where its level is, of up to five levels of the train pieces. The requests are two keys, both modes, and the "
        "lowest and the highest level.",
    ]
    for model_name, report in reports.items():
        metrics = report["metrics"]
        given, without = (metrics[f"control/test_nats_per_note{end}"] for end in ("_given", ""))
        notes.append(
            f"{model_name} has {decimal(given, 3)} nats per note (NLL) on the test pieces where it knows all "
            f"attributes of each, and {decimal(without, 3)} where it knows none. Repaired pieces: "
            f"{whole_number(metrics['control/repaired'])}."
        )
    return notes
