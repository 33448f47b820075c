"""Tables and charts of samples compared with real music: the real row last, lights, units, dashes, colours."""

import re
from copy import deepcopy
from typing import Any

import pytest
from report.made_results import evaluated, reference

from etude.metrics import structure
from etude.metrics.distributions import KINDS
from etude.metrics.sets import MEASURES, TELLING
from etude.report.comparison import (
    Compared,
    chord_table,
    distribution_panels,
    distribution_tables,
    set_measures,
    sets_table,
    structure_table,
    telling_table,
    transition_table,
)
from etude.report.tables import DASH, Table


@pytest.fixture(scope="module")
def compared() -> Compared:
    """Two models: real music as another composer writes it, and one that copies three train pieces."""
    return Compared({"lstm": evaluated(100), "gan": evaluated(200, 3)}, reference())


def of(**sets: dict[str, Any]) -> Compared:
    """One model, with other values of sets."""
    found = deepcopy(evaluated(100))
    for name, values in sets.items():
        found["sets"][name] |= values
    return Compared({"lstm": found}, reference())


def column(table: Table, name: str) -> int:
    return [heading for heading, _ in table.columns].index(name)


def test_real_music_is_the_last_row_of_sets_and_stands_apart(compared: Compared) -> None:
    table = sets_table(compared)
    assert [row.name for row in table.rows] == ["lstm", "gan", "real music"]
    assert [row.apart for row in table.rows] == [False, False, True] and not table.rows[-1].lights
    assert all(len(row.cells) == len(table.columns) == len(MEASURES) for row in table.rows)
    assert all(len(row.lights) == len(MEASURES) for row in table.rows[:-1])


def test_shares_are_in_per_cent_and_units_say_which_way_is_better(compared: Compared) -> None:
    table = sets_table(compared)
    units = dict(table.columns)
    assert units["precision"] == "% of samples, higher is better" and units["coverage"].endswith("higher is better")
    assert units["classifier"] == "% recognised, lower is better"
    assert units["Fréchet distance"].endswith("lower is better") and "%" not in units["Fréchet distance"]
    value = evaluated(100)["sets"]["precision"]["value"]
    cell = table.rows[0].cells[column(table, "precision")]
    assert re.fullmatch(rf"{100 * value:.1f} \[\d+\.\d, \d+\.\d\]", cell)
    density = evaluated(100)["sets"]["density"]["value"]
    assert table.rows[0].cells[column(table, "density")].startswith(f"{density:.3f} ["), "is no share"


@pytest.mark.parametrize(
    ("name", "values", "word"),
    [
        ("classifier", {"value": 0.4, "low": 0.3, "high": 0.5}, "within"),
        ("classifier", {"value": 0.9, "low": 0.4, "high": 1.0}, "near"),
        ("classifier", {"value": 0.9, "low": 0.8, "high": 1.0}, "beyond"),
        ("coverage", {"value": 1.0, "low": 0.9, "high": 1.0}, "within"),
        ("coverage", {"value": 0.5, "low": 0.2, "high": 0.95}, "near"),
        ("coverage", {"value": 0.5, "low": 0.2, "high": 0.8}, "beyond"),
        ("coverage", {"value": 1.0, "low": 0.1, "high": 1.0}, None),
    ],
)
def test_lights_compare_with_real_music(name: str, values: dict[str, float], word: str | None) -> None:
    table = sets_table(of(**{name: values}))
    light = table.rows[0].lights[column(table, name)]
    assert (light.word if light else None) == word


def test_a_trial_has_no_lights(compared: Compared) -> None:
    table = sets_table(compared, {"gan": 4})
    assert not any(table.rows[1].lights) and all(table.rows[0].lights)
    assert table.rows[1].cells == sets_table(compared).rows[1].cells


def test_a_measure_without_a_value_is_a_dash_without_a_light() -> None:
    nothing = {"value": None, "low": None, "high": None}
    table = sets_table(of(classifier={**nothing, "features": [], "p": None}))
    place = column(table, "classifier")
    assert table.rows[0].cells[place] == DASH and table.rows[0].lights[place] is None
    assert table.rows[-1].cells[place] != DASH
    (row,) = telling_table(of(classifier={**nothing, "features": [], "p": None})).rows
    assert row.cells[0] == DASH and list(row.cells[2:]) == [DASH] * TELLING
    real = deepcopy(reference())
    real["sets"]["classifier"] = nothing
    table = sets_table(Compared({"lstm": evaluated(100)}, real))
    assert table.rows[-1].cells[place] == DASH and table.rows[0].lights[place] is None


def test_intervals_are_in_the_units_of_values(compared: Compared) -> None:
    for measure in set_measures(compared):
        for figure in (*measure.values.values(), measure.real):
            assert figure is not None and figure.low is not None and figure.high is not None
            assert figure.low <= figure.value <= figure.high


def test_what_gives_samples_away_is_named_with_its_side_and_share(compared: Compared) -> None:
    table = telling_table(compared)
    assert [row.name for row in table.rows] == ["lstm", "gan"]
    told = evaluated(100)["sets"]["classifier"]["features"][0]
    side = "more" if told["higher"] else "less"
    assert table.rows[0].cells[2].startswith(f"{side}: ") and f"({told['share']:.0%})" in table.rows[0].cells[2]
    assert "_" not in "".join(table.rows[0].cells)
    assert all(re.fullmatch(r"[01]\.\d{3}", cell) for row in table.rows for cell in row.cells[:2])


def test_a_table_a_measure_of_distributions_with_real_music_last(compared: Compared) -> None:
    tables = distribution_tables(compared)
    assert len(tables) == 4 and len({table.caption for table in tables}) == 4
    for table in tables:
        assert [(row.name, row.apart) for row in table.rows] == [("lstm", False), ("gan", False), ("real music", True)]
        assert all(DASH not in row.cells for row in table.rows)
    overlap, _, wasserstein, _ = tables
    assert dict(wasserstein.columns)["pitch"] == KINDS["pitch"].unit and not any(unit for _, unit in overlap.columns)
    value = evaluated(100)["distributions"]["pitch_class"]["overlap"]
    assert overlap.rows[0].cells[column(overlap, "pitch class")].startswith(f"{value:.3f} [")


def test_a_distribution_without_values_is_a_dash() -> None:
    found = deepcopy(evaluated(100))
    for measure in ("overlap", "overlap_low", "overlap_high"):
        found["distributions"]["chord"][measure] = None
    table = distribution_tables(Compared({"lstm": found}, reference()))[0]
    assert table.rows[0].cells[column(table, "chord")] == DASH


def test_distributions_are_charts_in_per_cent(compared: Compared) -> None:
    panels = distribution_panels(compared)
    titles = [panel["title"] for panel in panels]
    assert titles[0].startswith("pitch, % of notes") and not any("chord" in title for title in titles)
    for panel in panels:
        assert panel["chart"].count("<svg") == 1 and 'class="ink"' in panel["chart"] and 'class="m1"' in panel["chart"]
        assert 'aria-hidden="true"' in panel["chart"] and "real music" in panel["chart"]
    counts = dict(reference()["distributions"]["polyphony"])
    assert max(counts, key=lambda value: counts[value]) == 4, "four parts"


def test_a_distribution_that_nothing_has_is_no_chart() -> None:
    real, found = deepcopy(reference()), deepcopy(evaluated(100))
    real["distributions"]["pitch"], found["distributions"]["pitch"]["counts"] = [], []
    titles = [panel["title"] for panel in distribution_panels(Compared({"lstm": found}, real))]
    assert titles and not any(title.startswith("pitch, ") for title in titles)
    del real["distributions"]["duration"]
    assert not any(
        panel["title"].startswith("duration") for panel in distribution_panels(Compared({"lstm": found}, real))
    )


def test_chords_are_those_most_frequent_in_real_music(compared: Compared) -> None:
    for table, name in ((chord_table(compared), "chord"), (transition_table(compared), "chord_transition")):
        assert [heading for heading, _ in table.columns] == ["real music", "lstm", "gan"]
        assert all(unit == "%" for _, unit in table.columns) and 1 < len(table.rows) <= 12
        shares = [float(row.cells[0]) for row in table.rows]
        assert shares == sorted(shares, reverse=True) and len({row.name for row in table.rows}) == len(shares)
        counts = [count for _, count in reference()["distributions"][name]]
        assert shares[0] == round(100 * max(counts) / sum(counts), 1)
    assert all(" to " in row.name for row in transition_table(compared).rows)


def test_structure_has_real_music_first_among_columns(compared: Compared) -> None:
    table = structure_table(compared)
    assert [heading for heading, _ in table.columns] == ["real music", "lstm", "gan"]
    names = [row.name for row in table.rows]
    assert names[-1] == "distinct bars, share of all, in any key"
    assert any(name.startswith("compression ratio, ") for name in names) and not any("_" in name for name in names)
    assert not any(name.startswith("similarity 8") for name in names), "no piece of four bars has one"
    assert all(re.fullmatch(r"\d+\.\d%", cell) for cell in table.rows[-1].cells)
    mean = evaluated(100)["structure"]["longest_repeat"]["mean"]
    row = next(row for row in table.rows if row.name.startswith("longest repeat"))
    assert row.cells[1].startswith(f"{mean:.3g} [")
    assert len(table.rows) <= len(structure.UNITS)
