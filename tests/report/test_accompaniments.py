"""The section on accompaniments: there where they were compared, with formatted figures, and without passages."""

from copy import deepcopy
from typing import Any

from conftest import smoke
from report.made_results import comparison

from etude.core.files import Json
from etude.report import sections
from etude.report.accompaniments import (
    BLOCKS,
    COLUMNS,
    HUMAN,
    RETRIEVAL,
    accompaniment_tables,
    accompaniment_texts,
    without_passages,
)
from etude.report.inputs import ReportInputs, Training
from etude.report.players import Player
from etude.report.results import flat_results
from etude.report.sections import SECTIONS, Contents, Scores
from etude.report.tables import Table
from etude.tasks import accompaniment_comparison

NAME = "accompaniment"
NONE: Json = {"passages": 0, "searched": 0, "pieces": 3, "bars": 8, "rows": {}}


def inputs(**compared: Json) -> ReportInputs:
    """Results of two models, of which those in ``compared`` have a comparison."""
    empty: dict[str, Any] = {name: {} for name in ReportInputs.__dataclass_fields__}
    found: dict[str, Any] = {}
    for name in ("lstm", NAME):
        found[name] = {"metrics": {"test/nats_per_note": 2.7123}}
        found[name] |= {"comparison": compared[name]} if name in compared else {}
    runs = {name: Training({"steps": 200}, [], True) for name in found}
    return ReportInputs(**{**empty, "evaluate": found, "reference": {"window": 64}, "train": runs})


def section(**compared: Json) -> sections.Section | None:
    scores = Scores(Player("", "", {}, ""), {}, [], [], [], 0)
    return sections.accompaniments(Contents(smoke(), inputs(**compared), scores))


def table(found: Json) -> Table:
    return accompaniment_tables(inputs(accompaniment=found))[NAME]


def bold(found: Table) -> dict[str, list[str]]:
    """The marked rows by heading and unit."""
    return {
        " ".join(column): [row.name for row in found.rows if row.best and row.best[place]]
        for place, column in enumerate(found.columns)
    }


def test_the_section_has_a_table_for_each_model_that_was_compared() -> None:
    found = section(accompaniment=comparison(NAME))
    assert found is not None and (found.key, found.title) == ("accompaniments", "Accompaniments")
    assert found.html.count("<table") == 1 and 'class="sortable"' in found.html and "lstm" not in found.html
    both = section(accompaniment=comparison(NAME), lstm=comparison("lstm"))
    assert both is not None and both.html.count("<table") == 2
    names = [make.__name__ for make in SECTIONS]
    assert names.index("harmonies") < names.index("accompaniments") < names.index("training")


def test_without_a_comparison_nothing_is_shown() -> None:
    assert section() is None
    assert accompaniment_tables(inputs()) == {} and accompaniment_texts(inputs()) == []
    assert not any(name.startswith("accompaniments/") for row in flat_results(inputs()).values() for name in row)


def test_no_passage_is_said_and_has_no_table() -> None:
    found = section(accompaniment=NONE)
    sentence = f"{NAME}: there was no passage of 8 bars to compare accompaniments on in 3 test pieces"
    assert found is not None and sentence in found.html and "<table" not in found.html
    assert accompaniment_texts(inputs(accompaniment=NONE)) == [f"{sentence}, so there are no figures.\n"]
    assert "in 1 test piece," in without_passages(inputs(accompaniment={**NONE, "pieces": 1}))[0]
    numbers = flat_results(inputs(accompaniment=NONE))[NAME]
    assert [name for name in numbers if name.startswith("accompaniments/")] == ["accompaniments/passages"]


def test_figures_have_their_units_errors_and_dashes() -> None:
    rows = {row.name: row for row in table(comparison(NAME)).rows}
    assert list(rows) == [BLOCKS, RETRIEVAL, NAME, HUMAN] and [row.apart for row in rows.values()] == [
        *3 * [False],
        True,
    ]
    share = "95.5% ± 0.6"
    assert rows[HUMAN].cells == (*5 * (share,), "13.6 ± 0.0", "–", "–", "56.0%", "90.0%", "0 of 64")
    assert rows[BLOCKS].cells == (*5 * ("100.0% ± 0.6",), "4.7 ± 0.0", "0.155", "0.077", "–", "–", "–")
    assert rows[NAME].cells[5:] == ("13.6 ± 0.0", "0.005", "0.003", "53.0%", "88.0%", "1 of 64")


def test_the_best_are_nearest_to_people_or_lowest() -> None:
    found = bold(table(comparison(NAME)))
    assert found["chord accuracy exact, of the beats"] == [RETRIEVAL], "not the block chords, which are always right"
    assert found["notes a bar"] == [NAME] and found["JSD of pitches bits, lower is better"] == [NAME]
    assert found["flagged passages, lower is better"] == [NAME]
    assert all(HUMAN not in names and bool(names) != title.startswith("copied") for title, names in found.items())


def test_what_was_not_measured_is_a_dash_and_marks_nothing() -> None:
    compared = deepcopy(comparison(NAME))
    for row in compared["rows"].values():
        row |= {"consonant": None, "consonant_sem": None, "copied_median": None, "chord_tones_sem": None}
    compared["nats_per_note_counts"] = None
    found = table(compared)
    place = [column.key for column in COLUMNS].index("consonant")
    assert {row.cells[place] for row in found.rows} == {"–"} and found.rows[-1].cells[place - 1] == "95.5%"
    assert bold(found)["consonant of melody time"] == [] == bold(found)["copied of a window, median"]
    assert "a counting baseline –" in found.notes[1]


def test_the_notes_say_what_is_compared_and_what_decides() -> None:
    text = table(comparison(NAME)).markdown()
    for part in (
        "n = 146 passages of 8 bars from 147 test pieces",
        "accompaniment has 2.712 nats per note (NLL)",
        "a counting baseline 4.670; lower is better",
        "for people themselves it is 0 by definition",
        "the 64 passages that were searched",
        "the share of 64 successive notes",
        "| accompanied by | chord accuracy, major or minor, of the beats |",
    ):
        assert part in text, part


def test_the_numbers_of_all_rows_are_results() -> None:
    numbers = flat_results(inputs(accompaniment=comparison(NAME)))
    own = numbers[NAME]
    assert own["accompaniments/nats_per_note_counts"] == 4.67 and own["accompaniments/passages"] == 146
    assert own["accompaniments/block_chords/jsd_pitch"] == 0.155 and own["accompaniments/human/flagged"] == 0
    assert own[f"accompaniments/{NAME}/copied_high"] == 0.88
    assert not any(name.startswith("accompaniments/") for name in numbers["lstm"])


def test_rows_are_those_of_evaluate() -> None:
    assert (HUMAN, BLOCKS, RETRIEVAL) == (
        accompaniment_comparison.HUMAN,
        accompaniment_comparison.BLOCKS,
        accompaniment_comparison.RETRIEVAL,
    )
