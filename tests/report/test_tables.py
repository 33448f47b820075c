"""Tables: Markdown, numbers as text, grouped reasons, flattened settings."""

from etude.report.tables import (
    NAMES,
    REASONS,
    Row,
    Table,
    count_of,
    flatten,
    group_reasons,
    percent,
    spread,
    state,
    whole_number,
)


def test_a_table_has_the_best_bold_a_mark_for_each_note_and_the_notes_below() -> None:
    rows = [
        Row("lstm", ("2.100", "–"), (True, False)),
        Row("gan", ("–", "3"), (), 1),
        Row("deepbach", ("–", "4"), (False, True), 2),
    ]
    assert Table("A caption.", [("test", "nats"), ("steps", "")], rows, ["First.", "Last."]).markdown() == (
        "| model | test, nats | steps |\n"
        "| --- | ---: | ---: |\n"
        "| lstm | **2.100** | – |\n"
        "| gan¹ | – | 3 |\n"
        "| deepbach² | – | **4** |\n"
        "\n"
        "First.  \n"
        "Last.\n"
    )


def test_numbers_have_one_format_and_a_dash_where_there_is_none() -> None:
    assert spread(0.3141, 0.25, 0.4) == "0.314 [0.25, 0.40]"
    assert spread(0.3141, None, 0.4) == "0.314"
    assert [spread(None, None, None), percent(None), whole_number(None)] == ["–"] * 3
    assert (percent(0.948), count_of(1, "piece", "pieces"), count_of(1200, "piece", "pieces")) == (
        "94.8%",
        "1 piece",
        "1,200 pieces",
    )


def test_reasons_are_grouped_and_duplicates_named() -> None:
    entries = [
        {"source": "x/b.mid", "reason": "9 notes, fewer than ingest.min_notes = 16"},
        {"source": "x/a.mid", "reason": "3 notes, fewer than ingest.min_notes = 16"},
        {"source": "c.mid", "reason": "the same notes as e f, which is kept"},
        {"source": "d.mid", "reason": "the same notes as g, which is kept"},
        {"source": "h.mid", "reason": "91% like g, which is kept (in any key)"},
        *({"source": f"{n}.mid", "reason": "damaged"} for n in range(30)),
    ]
    found = group_reasons(entries)
    assert found[0] == ("damaged", 30, [f"{n}.mid" for n in sorted(map(str, range(30)))][:NAMES])
    assert found[1:] == [
        ("3 notes, fewer than ingest.min_notes = 16 and the like", 2, ["a.mid", "b.mid"]),
        ("the same notes as another piece, which is kept", 2, ["c.mid (e f)", "d.mid (g)"]),
        ("91% like another piece, which is kept (in any key)", 1, ["h.mid (g)"]),
    ]
    many = [{"source": f"{n}", "reason": "reason " + "x" * n} for n in range(REASONS + 3)]
    assert group_reasons(many)[-1] == ("3 other reasons", 3, [])


def test_a_dataset_that_states_nothing_is_not_quoted() -> None:
    assert [state(text) for text in ("None stated.", None, "", "MIT")] == ["", "", "", "MIT"]


def test_settings_are_flattened() -> None:
    values = {
        "lstm": {"hidden": 256, "dropout": 0.1, "tied": True},
        "seeds": [1, 2],
        "none": [],
        "long": list(range(9)),
    }
    assert flatten(values) == [
        ("lstm.hidden", "256"), ("lstm.dropout", "0.1"), ("lstm.tied", "yes"),
        ("seeds", "1, 2"), ("none", "none"), ("long", "9 entries"),
    ]  # fmt: skip
