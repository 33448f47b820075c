"""The tables of pieces made to order: how many are what was wished for, beside pieces without a wish."""

from collections.abc import Mapping
from typing import Any

from etude.pages.results import DASH, Row, decimal, percent, whole_number

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
    return {name: report for name, report in reports.items() if report["takes_wishes"]}


def rows(reports: Reports) -> list[Row]:
    """A row an attribute of a variant, the last one over all of them; none where no variant takes wishes."""
    found = []
    for variant, report in able(reports).items():
        metrics = report["metrics"]
        names = dict.fromkeys(wish["wish"] for wish in report["wishes"])
        for name, key in [*((name, f"control/met_{name}") for name in names), ("all wishes", "control/met")]:
            cells = (percent(metrics[key]), percent(metrics[f"{key}_without"]))
            found.append(Row(f"{variant}, {name}", cells, (False,) * len(COLUMNS)))
    return found


def each(reports: Reports) -> list[Row]:
    """A row a wish of a variant."""
    found = []
    for variant, report in able(reports).items():
        for wish in report["wishes"]:
            means = [decimal(wish[name], 2) if name in wish else DASH for name in ("mean", "mean_without")]
            cells = (limits(wish), percent(wish["met"]), percent(wish["met_without"]), *means)
            found.append(Row(f"{variant}, {wish['wish']} {wish['value']}", cells, (False,) * len(EACH)))
    return found


def limits(wish: Mapping[str, Any]) -> str:
    """What counts as the wished level: ``below 3.74 notes a quarter``."""
    if "unit" not in wish:
        return str(wish["value"])
    begins, ends = wish["begins"], wish["ends"]
    unit = "" if wish["unit"] == "0 to 1" else f" {wish['unit']}"
    if begins is None:
        return "any" if ends is None else f"below {ends:.4g}{unit}"
    return f"{begins:.4g} {'or more' if ends is None else f'to {ends:.4g}'}{unit}"


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
    for variant, report in shown.items():
        metrics = report["metrics"]
        told.append(
            f"{variant} gives the test pieces {decimal(metrics['control/test_nats_per_note_given'], 3)} nats per note "
            f"where it knows all attributes of each, and {decimal(metrics['control/test_nats_per_note'], 3)} where it "
            f"knows none. Pieces that had to be repaired: {whole_number(metrics['control/repaired'])}."
        )
    return told
