"""The tables of harmonised test melodies: how near they are to the real voices, and what they do against the rules."""

from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Any

from etude.metrics.voice_leading import KINDS
from etude.report.results import DASH, Row, decimal, percent, whole_number

Reports = Mapping[str, Mapping[str, Any]]  # what reports/harmonize/V.json says, by variant

COLUMNS = (  # heading, unit
    ("as the real voices", "of all steps"),
    ("nats", "per note"),
    ("by likelihood alone", "nats per note"),
    ("the real voices", "nats per note"),
    ("loss", "by the rules"),
    ("parallel fifths", "a bar"),
    ("parallel octaves", "a bar"),
    ("both beside real music", "times"),
)


def able(reports: Reports) -> Reports:
    """Those of the variants that harmonise, and did at least one melody."""
    return {name: report for name, report in reports.items() if report["harmonizes"] and report["pieces"]}


def rows(reports: Reports) -> list[Row]:
    """A row a variant, then real music; none where no variant harmonises."""
    found = []
    for model_name, report in able(reports).items():
        metrics, rates = report["metrics"], report["rates"]
        cells = (
            percent(metrics["harmony/agreement"]),
            decimal(metrics["harmony/nats_per_note"], 3),
            decimal(metrics["harmony/nats_per_note_by_likelihood_alone"], 3),
            decimal(metrics["harmony/nats_per_note_of_the_real_voices"], 3),
            percent(metrics["harmony/loss"]),
            decimal(rates["parallel_fifths"]["harmony"], 4),
            decimal(rates["parallel_octaves"]["harmony"], 4),
            decimal(metrics["harmony/parallels_beside_all_real"], 2),
        )
        found.append(Row(model_name, cells, (False,) * len(COLUMNS)))
    for report in list(able(reports).values())[:1]:
        rates = report["rates"]
        parallels = (decimal(rates[f"parallel_{kind}"]["all_real"], 4) for kind in ("fifths", "octaves"))
        real = (percent(1.0), *(DASH,) * 4, *parallels, decimal(1.0, 2))
        found.append(Row("real music", real, (False,) * len(COLUMNS)))
    return found


def notes(reports: Reports) -> list[str]:
    """What has to be said below the table."""
    metrics = [report["metrics"] for report in able(reports).values()]
    count = max((found["harmony/pieces"] for found in metrics), default=0)
    return [
        f"The melodies of {whole_number(count)} test pieces with voices drawn to them: of several harmonies the best "
        "by likelihood and rules together. As the real voices: the share of steps of the grid in which a drawn voice "
        "sounds what the real one does; many a harmony fits a melody, so that nothing near 100 % is to be expected.",
        "Nats per note by the variant's own measure, which does not compare between variants: of deepbach the cost of "
        "the drawn cells, each given all others, of others that of the whole piece, over the notes of the real piece.",
        "Parallels by the strict definition, in bars of four quarters; real music: all pieces of the dataset. Loss: "
        "how much dearer a harmony is than one drawn and chosen by likelihood alone.",
    ]


def rules(reports: Reports) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Events a bar against each rule: the columns, and the rows with their cells."""
    shown = able(reports)
    first = next(iter(shown.values()), None)
    if first is None:
        return [], []
    columns = ["real music", "real test pieces"]
    columns += [name for model_name in shown for name in (model_name, f"{model_name}, by likelihood alone")]
    table = []
    for kind in KINDS:
        cells = [first["rates"][kind][way] for way in ("all_real", "real")]
        cells += [report["rates"][kind][way] for report in shown.values() for way in ("harmony", "alone")]
        name = kind.replace("_music21", " by music21").replace("_", " ")
        table.append((name, [decimal(cell, 4) for cell in cells]))
    return columns, table


def markdown_rules(columns: Sequence[str], table: Sequence[tuple[str, Sequence[str]]]) -> str:
    """``rules`` in Markdown."""
    lines = [f"| events a bar | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in table)]) + "\n"


def typical(report: Mapping[str, Any]) -> str:
    """The id of the piece whose agreement with the real voices is the median of all."""
    shares = {}
    for piece in report["pieces"]:
        of = piece["harmony"]["agreement"]
        shares[piece["id"]] = sum(of.values()) / len(of)
    middle = median_low(shares.values())
    return next(name for name, share in shares.items() if share == middle)
