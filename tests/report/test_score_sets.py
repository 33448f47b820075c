"""The page on somebody's own folders: sections, what was read, and that it needs nothing else."""

import re
from copy import deepcopy
from typing import Any

import pytest
from report.made_results import evaluated, reference

from etude.metrics.descriptors import UNITS
from etude.report.score_sets import descriptor_panels, descriptor_table, score_sets_page
from etude.report.tables import DASH


def found(**more: Any) -> dict[str, Any]:
    """As ``etude.runs.score_sets.evaluate_sets`` gives it: nine pieces, of which three copy the reference."""
    made = deepcopy(evaluated(200, 3))
    del made["prediction"], made["originality"]["training"]
    refused = [{"file": "a <b>.mid", "reason": "no notes & no hope"}]
    pieces = {"folder": "mine", "read": 9, "refused": refused, "same_bytes": 2}
    return {
        **made,
        "pieces": pieces,
        "reference": {"folder": "real", "read": 20, "refused": [], "same_bytes": 0},
        "settings": {"seed": 7},
        "real": reference(),
    } | more


@pytest.fixture(scope="module")
def page() -> str:
    return score_sets_page(found())


def test_sections_and_navigation_are_in_one_order(page: str) -> None:
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["sets", "originality", "structure", "distributions", "measures", "read"]
    nav = re.search(r"<nav.*?</nav>", page, re.S)
    assert nav and re.findall('href="#(.*?)"', nav[0]) == sections


def test_what_was_read_and_refused_is_said_and_escaped(page: str) -> None:
    assert "pieces: mine, 9 read, 1 refused, 2 left out as the same bytes as another." in page
    assert "reference: real, 20 read, 0 refused." in page and "drawn by seed 7" in page
    assert "a &lt;b&gt;.mid" in page and "no notes &amp; no hope" in page and "<b>.mid" not in page


def test_the_facts_stand_on_top(page: str) -> None:
    metrics, real = found()["metrics"], reference()["real_against_real"]
    low, high = metrics["samples/distance_low"], metrics["samples/distance_high"]
    assert f"<dd>{metrics['samples/distance']:.3f} [{low:.2f}, {high:.2f}]</dd>" in page
    assert f"<dd>{real['distance']:.3f} [{real['low']:.2f}, {real['high']:.2f}]</dd>" in page
    assert "<dt>Pieces</dt><dd>9 (1 refused)</dd>" in page and "<dt>Reference</dt><dd>20</dd>" in page


def test_copies_are_named(page: str) -> None:
    assert "1.00 flagged" in page and "Title 0" in page and "pieces, 00.mid" in page


def test_the_page_needs_no_other_file_and_is_the_same_again(page: str) -> None:
    assert not re.search(r'(src|href|srcset)="(?!data:|#)', page) and "@import" not in page
    assert score_sets_page(found()) == page and "lstm" not in page and "nan" not in re.findall(r"<td>(.*?)<", page)


def test_descriptors_are_charts_and_numbers_with_units() -> None:
    table = descriptor_table(found())
    assert [name for name, _ in table.columns] == ["real music", "pieces", "distance"]
    assert len(table.rows) == len(UNITS) and len({row.name for row in table.rows}) == len(UNITS)
    row = next(row for row in table.rows if row.name.startswith("pitch range, "))
    own = found()["descriptors"]["pitch_range"]
    assert row.name.endswith(UNITS["pitch_range"]) and row.cells[2] == f"{own['distance']:.2f}"
    drums = next(row for row in table.rows if row.name.startswith("drum in pattern rate"))
    assert drums.cells == (DASH, DASH, DASH)
    titles = [panel["title"] for panel in descriptor_panels(found())]
    assert "pitch range" in titles and "drum in pattern rate" not in titles


def test_too_few_pieces_for_sets_are_said_and_no_fault() -> None:
    made = found()
    for part in made["sets"].values():
        part |= {"value": None, "low": None, "high": None}
    made["sets"]["classifier"] |= {"features": [], "p": None}
    made["sets"]["mmd"]["p"] = None
    html = score_sets_page(made)
    sets = re.search(r'<section id="sets".*?</section>', html, re.S)
    assert sets and "take at least 8 pieces" in sets[0] and "<table" not in sets[0]
