"""The tables of harmonised test melodies: agreement with the real voices, and breaches of the rules."""

from collections.abc import Mapping

from etude.core.files import Json
from etude.metrics.voice_leading import KINDS
from etude.report.tables import DASH, Row, Table, decimal, percent, whole_number

Reports = Mapping[str, Json]  # reports/harmonize/V.json by model

COLUMNS = (  # heading, unit
    ("agreement with the real voices", "of all steps"),
    ("nats", "per note"),
    ("without the cost of parallels", "nats per note"),
    ("the real voices", "nats per note"),
    ("NLL increase", "from that cost"),
    ("parallel fifths", "a bar"),
    ("parallel octaves", "a bar"),
    ("both, relative to real music", "times"),
)


def with_pieces(reports: Reports) -> Reports:
    """The models that harmonised at least one melody."""
    return {name: report for name, report in reports.items() if report["pieces"]}


def harmony_table(reports: Reports) -> Table | None:
    """A row a model, then real music; None where no model harmonised a melody."""
    shown = with_pieces(reports)
    if not shown:
        return None
    found = []
    for model_name, report in shown.items():
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
        found.append(Row(model_name, cells))
    rates = next(iter(shown.values()))["rates"]
    parallels = (decimal(rates[f"parallel_{kind}"]["all_real"], 4) for kind in ("fifths", "octaves"))
    found.append(Row("real music", (percent(1.0), *(DASH,) * 4, *parallels, decimal(1.0, 2)), apart=True))
    return Table("Harmonies of the test melodies, compared with the real voices.", COLUMNS, found, _notes(shown))


def _notes(shown: Reports) -> list[str]:
    count = max(report["metrics"]["harmony/pieces"] for report in shown.values())
    return [
        f"The melodies of {whole_number(count)} test pieces, harmonised: of several harmonies the best by "
        "likelihood, parallels and what the others have in common. Agreement with the real voices: the share of "
        "steps of the grid in which a sampled voice sounds what the real one does; many harmonies fit a melody, so "
        "that nothing near 100 % can be expected.",
        "Nats per note (NLL) by the model's own measure, which is not comparable between models: for deepbach the cost "
        "of the sampled cells, each given all others, for voices that of the whole piece given its melody, over the "
        "notes of the real piece.",
        "Parallels by the strict definition, in bars of four quarter notes; real music: all pieces of the dataset. NLL "
        "increase: relative to harmonies that are drawn and chosen without the cost of parallels.",
    ]


def rule_table(reports: Reports) -> Table | None:
    """A row a rule of part-writing: how often it is broken; None where no model harmonised a melody."""
    shown = with_pieces(reports)
    first = next(iter(shown.values()), None)
    if first is None:
        return None
    names = [name for model_name in shown for name in (model_name, f"{model_name}, without the cost of parallels")]
    rows = []
    for kind in KINDS:
        cells = [first["rates"][kind][way] for way in ("all_real", "real")]
        cells += [report["rates"][kind][way] for report in shown.values() for way in ("harmony", "alone")]
        name = kind.replace("_music21", " by music21").replace("_", " ")
        rows.append(Row(name, tuple(decimal(cell, 4) for cell in cells)))
    return Table(
        "Events a bar of four quarter notes. Strict definitions where music21 is not named.",
        [(name, "") for name in ("real music", "real test pieces", *names)],
        rows,
        (),
        "events a bar",
    )
