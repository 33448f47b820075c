"""The tables of pieces made to order: how many are what was wished for, beside pieces without a wish."""

from collections.abc import Mapping
from typing import Any

from etude.report.results import DASH, Row, decimal, percent, whole_number

Reports = Mapping[str, Mapping[str, Any]]  # what reports/control/V.json says, by variant

COLUMNS = (  # of the table of attributes: heading, unit
    ("as wished for", "of the pieces"),
    ("without a wish", "of the pieces"),
)
EACH = (  # of the table of wishes
    ("asked for", ""),
    *COLUMNS,
    ("measured", "mean"),
    ("without a wish", "mean"),
)


def able(reports: Reports) -> Reports:
    """Those of the variants that take wishes."""
    return {name: report for name, report in reports.items() if report["conditional"]}


def rows(reports: Reports) -> list[Row]:
    """A row an attribute of a variant, the last one over all of them; none where no variant takes wishes."""
    found = []
    for model_name, report in able(reports).items():
        metrics = report["metrics"]
        names = dict.fromkeys(control["control"] for control in report["controls"])
        for name, key in [*((name, f"control/met_{name}") for name in names), ("all wishes", "control/met")]:
            cells = (percent(metrics[key]), percent(metrics[f"{key}_without"]))
            found.append(Row(f"{model_name}, {name}", cells, (False,) * len(COLUMNS)))
    return found


def each(reports: Reports) -> list[Row]:
    """A row a wish of a variant."""
    found = []
    for model_name, report in able(reports).items():
        for control in report["controls"]:
            means = [decimal(control[name], 2) if name in control else DASH for name in ("mean", "mean_without")]
            cells = (limits(control), percent(control["met"]), percent(control["met_without"]), *means)
            found.append(Row(f"{model_name}, {control['control']} {control['value']}", cells, (False,) * len(EACH)))
    return found


def limits(control: Mapping[str, Any]) -> str:
    """What counts as the wished level: ``below 3.74 notes a quarter``."""
    if "unit" not in control:
        return str(control["value"])
    starts, ends = control["begins"], control["ends"]
    unit = "" if control["unit"] == "0 to 1" else f" {control['unit']}"
    if starts is None:
        return "any" if ends is None else f"below {ends:.4g}{unit}"
    return f"{starts:.4g} {'or more' if ends is None else f'to {ends:.4g}'}{unit}"


def notes(reports: Reports) -> list[str]:
    """What has to be said below the tables."""
    shown = able(reports)
    counts = {round(report["metrics"]["control/pieces"]) for report in shown.values()}
    told = [
        f"Pieces made to order, {' or '.join(map(whole_number, sorted(counts)))} a wish, one attribute wished for at a "
        "time: how many of them are what was wished for, measured like the train pieces, beside as many pieces of the "
        "same variant without a wish. A key counts where tonic and mode are right, all else where the level is, of up "
        "to five that train is cut into; the wishes are two keys, both modes, and the lowest and the highest level.",
    ]
    for model_name, report in shown.items():
        metrics = report["metrics"]
        told.append(
            f"{model_name} gives the test pieces {decimal(metrics['control/test_nats_per_note_given'], 3)} nats per note "
            f"where it knows all attributes of each, and {decimal(metrics['control/test_nats_per_note'], 3)} where it "
            f"knows none. Pieces that had to be repaired: {whole_number(metrics['control/repaired'])}."
        )
    return told
