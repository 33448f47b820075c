"""The tables of results: their Markdown, and their place in the README."""

import pytest

from etude.core.errors import EtudeError
from etude.report.results import BOS, EOS, Row, counted, in_readme, markdown, percent, spread, whole_number

README = f"# etude\n\n{BOS}\nbefore\n{EOS}\n\nMore.\n"


def test_a_table_has_the_best_bold_a_mark_for_each_note_and_the_notes_below() -> None:
    rows = [
        Row("lstm", ("2.100", "–"), (True, False)),
        Row("gan", ("–", "3"), (False, False), 1),
        Row("deepbach", ("–", "4"), (False, True), 2),
    ]
    assert markdown(rows, ["First.", "Last."], [("test", "nats"), ("steps", "")]) == (
        "| variant | test, nats | steps |\n"
        "| --- | ---: | ---: |\n"
        "| lstm | **2.100** | – |\n"
        "| gan¹ | – | 3 |\n"
        "| deepbach² | – | **4** |\n"
        "\n"
        "First.  \n"
        "Last.\n"
    )


def test_numbers_are_written_alike_and_a_dash_stands_where_there_is_none() -> None:
    assert spread(0.3141, 0.25, 0.4) == "0.314 [0.25, 0.40]"
    assert spread(0.3141, None, 0.4) == "0.314"
    assert [spread(None, None, None), percent(None), whole_number(None)] == ["–"] * 3
    assert (percent(0.948), counted(1, "piece", "pieces"), counted(1200, "piece", "pieces")) == (
        "94.8%",
        "1 piece",
        "1,200 pieces",
    )


def test_readme_without_markers_or_with_half() -> None:
    assert in_readme("# etude\n", "table") == "# etude\n"
    assert in_readme(in_readme(README, "a\n"), "b\n") == in_readme(README, "b\n")
    for broken in (f"{BOS}\n", f"{EOS}\n{BOS}\n", f"{BOS}{BOS}{EOS}"):
        with pytest.raises(EtudeError, match=r"README\.md must have"):
            in_readme(broken, "table")
