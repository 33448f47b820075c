"""The page of ``etude evaluate pieces=... reference=...``: somebody's own files compared with real music."""

from etude.core.files import Json
from etude.metrics.descriptors import UNITS
from etude.report.charts import MODELS, strips
from etude.report.comparison import Compared
from etude.report.originality import nearest_table, originality_table
from etude.report.panels import Panel
from etude.report.players import style_players
from etude.report.sections import Section, distributions_section, sets_section, structure_section
from etude.report.tables import Row, Table, in_order, interval, plain, spread, whole_number
from etude.report.templates import render

OURS = "pieces"  # the name of somebody's files in tables and charts


def score_sets_page(found: Json) -> str:
    """The page, which needs no other file.

    Args:
        found: as ``etude.runs.score_sets.evaluate_sets`` gives it.
    """
    compared = Compared({OURS: found}, found["real"])
    copies = {"table": originality_table(compared), "nearest": nearest_table(compared), "panels": [], "pairs": []}
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
        sections=made,
        models=MODELS,
        **style_players(),
    )


def _facts(found: Json) -> list[tuple[str, str]]:
    metrics = found["metrics"]
    low, high = metrics["samples/distance_low"], metrics["samples/distance_high"]
    real = found["real"]["real_against_real"]
    return [
        ("Pieces", whole_number(found["pieces"]["read"])),
        ("Reference", whole_number(found["reference"]["read"])),
        ("Distance", spread(metrics["samples/distance"], low, high)),
        ("Of real music", spread(real["distance"], real["low"], real["high"])),
    ]


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
