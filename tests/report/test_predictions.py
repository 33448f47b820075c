"""How good predictions are, as tables and as a reliability curve."""

from copy import deepcopy
from typing import Any

import pytest
from report.made_results import PREDICTION

from etude.core.files import Json
from etude.report.predictions import place_table, prediction_table, reliability_panel
from etude.report.tables import DASH


def prediction(**changes: Any) -> Json:
    return {**deepcopy(PREDICTION), **changes}


def test_calibration_and_the_next_note_in_per_cent() -> None:
    own = prediction()
    own["calibration"] |= {"error": 0.0712, "overconfidence": -0.031}
    own["next_note"] = {
        "precision_micro": 0.9, "recall_micro": 0.8, "precision_macro": 0.7, "recall_macro": None
    }  # fmt: skip
    table = prediction_table({"lstm": own, "ngram": prediction()})
    assert [row.name for row in table.rows] == ["lstm", "ngram"]
    assert table.rows[0].cells == ("7.1%", "-3.1%", "90.0%", "80.0%", "70.0%", DASH)
    assert table.rows[1].cells[1] == "+10.0%"
    assert [name for name, _ in table.columns][2:] == ["precision", "recall"] * 2


def test_a_model_without_calibration_has_dashes() -> None:
    own = prediction(calibration={"bins": [], "error": None, "overconfidence": None})
    assert prediction_table({"lstm": own}).rows[0].cells[:2] == (DASH, DASH)


def test_the_curve_is_drawn_in_the_colour_of_the_model_with_the_diagonal() -> None:
    panel = reliability_panel({"lstm": prediction()}, ["ngram", "lstm"])
    assert panel["title"] == "accuracy by confidence, both in %"
    chart = panel["chart"]
    assert 'class="m1' in chart and 'class="m0' not in chart and 'class="ink"' in chart and "perfect" in chart
    assert "confidence, %" in chart and "lstm 50" in chart
    empty = prediction(calibration={"bins": [], "error": None, "overconfidence": None})
    assert 'class="m0' not in reliability_panel({"lstm": empty}, ["lstm"])["chart"]


def test_notes_by_position_are_in_the_order_of_the_bar() -> None:
    table = place_table({"lstm": prediction(), "voices": prediction()}, "positions", "caption", "position")
    assert table is not None and (table.caption, table.first) == ("caption", "position")
    assert [(row.name, row.cells) for row in table.rows] == [
        ("0", ("3", "1.00 / 100%", "1.00 / 100%")),
        ("10", ("1", "2.00 / 0%", "2.00 / 0%")),
    ]
    more = prediction(positions={name: PREDICTION["positions"]["0"] for name in ("10", "9", "0")})
    table = place_table({"lstm": more}, "positions", "", "")
    assert table is not None and [row.name for row in table.rows] == ["0", "9", "10"], "as numbers"


def test_models_without_voices_are_no_column_and_missing_ones_are_dashes() -> None:
    tokens, voices = prediction(voices={}), prediction(voices={"Bass": {"notes": 2000, "nats": 0.5, "accuracy": 0.9}})
    table = place_table({"remi": tokens, "lstm": prediction(), "voices": voices}, "voices", "", "voice")
    assert table is not None and [name for name, _ in table.columns] == ["notes", "lstm", "voices"]
    assert [(row.name, row.cells) for row in table.rows] == [
        ("Soprano", ("4", "1.50 / 75%", DASH)),
        ("Bass", ("2,000", DASH, "0.50 / 90%")),
    ]
    assert place_table({"remi": tokens}, "voices", "", "voice") is None


@pytest.mark.parametrize("part", ["voices", "positions"])
def test_without_models_there_is_no_table(part: str) -> None:
    assert place_table({}, part, "", "") is None
