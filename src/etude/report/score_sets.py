"""The page of ``etude evaluate pieces=... reference=...``: somebody's own files compared with real music."""

from collections.abc import Sequence

from etude.core.files import Json
from etude.metrics.descriptors import UNITS
from etude.report.charts import MODELS, strips
from etude.report.comparison import Compared
from etude.report.originality import nearest_table, originality_table
from etude.report.panels import Panel
from etude.report.players import Piece, make_players, style_players
from etude.report.sections import Section, distributions_section, engrave, sets_section, structure_section
from etude.report.tables import Row, Table, in_order, interval, percent, plain, spread, whole_number
from etude.report.templates import render
from etude.report.words import Words

STEADY = 30  # pieces of a half of the reference, below which figures of real music vary with the split
OURS = "pieces"  # the name of somebody's files in tables and charts
WORDS = Words("the reference", "piece of the reference", "pieces of the reference", "pieces of its other half", "set")


def score_sets_page(found: Json, copied: Sequence[tuple[Piece, Piece]] = ()) -> str:
    """The page, which needs no other file.

    Args:
        found: as ``etude.runs.score_sets.evaluate_sets`` gives it.
        copied: excerpts of the least original pieces, each with that of the piece that it is nearest to.
    """
    compared = Compared({OURS: found}, found["real"], WORDS)
    every = [piece for pair in copied for piece in pair]
    players, _ = make_players(every)
    shown = [(engrave(piece), player) for piece, player in zip(every, players, strict=True)]
    pairs = list(zip(shown[::2], shown[1::2], strict=True))
    copies = {"table": originality_table(compared), "nearest": nearest_table(compared), "panels": [], "pairs": pairs}
    copies["open"] = bool(found["metrics"]["samples/copied_flagged"])
    tables, panels = [descriptor_table(found)], descriptor_panels(found)
    numbers = {"reference": found["real"], "tables": tables, "panels": panels, "without": []}
    made = [
        sets_section(compared),
        Section("originality", "Originality", render("section_originality.html.j2", **copies)),
        structure_section(compared),
        distributions_section(compared),
        Section("measures", "Measures of the music", render("section_measures.html.j2", **numbers)),
    ]
    return render(
        "score_sets.html.j2",
        read=[(name, found[name]) for name in ("pieces", "reference")],
        facts=_facts(found),
        unsteady=unsteady(found),
        sections=made,
        settings=found["settings"],
        models=MODELS[1:],  # one colour is enough, which is not that of text
        **style_players(),
    )


def _facts(found: Json) -> list[tuple[str, str]]:
    metrics = found["metrics"]
    low, high = metrics["samples/distance_low"], metrics["samples/distance_high"]
    real = found["real"]["real_against_real"]
    return [
        *((name.capitalize(), _read(found[name])) for name in ("pieces", "reference")),
        ("Distance", spread(metrics["samples/distance"], low, high)),
        ("Of real music", spread(real["distance"], real["low"], real["high"])),
        ("Recognised, 50 % is perfect", percent(found["sets"]["classifier"]["value"])),
        ("Flagged as copies", f"{metrics['samples/copied_flagged']} of {found['pieces']['read']}"),
    ]


def unsteady(found: Json) -> str:
    """A sentence where the reference is so small that figures of real music depend on how it was split, else ""."""
    half = found["real"]["pieces"]
    if half >= STEADY:
        return ""
    return (
        f"Each half of the reference has {half} pieces: with less than {STEADY} the figures of real music depend on "
        "how it was split (evaluate.seed), so a larger reference would say more."
    )


def _read(part: Json) -> str:
    refused = len(part["refused"])
    return whole_number(part["read"]) + (f" ({refused} refused)" if refused else "")


def descriptor_panels(found: Json) -> list[Panel]:
    """The descriptors as charts, but those without values."""
    panels = []
    for name in in_order(found["descriptors"]):
        real, ours = found["real"]["descriptors"][name]["values"], found["descriptors"][name]["values"]
        if any(value is not None for value in (*real, *ours)):
            chart = strips(plain(name), real, {OURS: ours}, [OURS], UNITS.get(name, ""))
            panels.append({"title": plain(name), "chart": chart})
    return panels


def descriptor_table(found: Json) -> Table:
    """The descriptors as numbers: real music, the pieces, and their distance."""
    rows = []
    for name in in_order(found["descriptors"]):
        real, ours = found["real"]["descriptors"][name], found["descriptors"][name]
        apart = "–" if ours["distance"] is None else f"{ours['distance']:.2f}"
        rows.append(Row(f"{plain(name)}, {UNITS[name]}", (interval(real), interval(ours), apart)))
    return Table(
        "Mean of each measure over the pieces, with its 95 % interval; distance in standard deviations of real music.",
        [("real music", ""), (OURS, ""), ("distance", "")],
        rows,
        (),
        "measure",
    )
