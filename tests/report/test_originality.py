"""What the page says of copies: the line of real pieces, the flagged by name, the course of a training."""

from copy import deepcopy

import pytest
from report.made_results import evaluated, reference

from etude.report.comparison import Compared
from etude.report.originality import SHOWN, nearest_table, originality_table, training_panel
from etude.report.tables import DASH


@pytest.fixture(scope="module")
def compared() -> Compared:
    """A model of its own notes, and one of whose nine samples three are train pieces; one of each is empty."""
    return Compared({"lstm": evaluated(100), "gan": evaluated(200, 3)}, reference())


def test_scores_and_the_flagged_by_model_then_the_line(compared: Compared) -> None:
    table = originality_table(compared)
    assert [(row.name, row.apart) for row in table.rows] == [
        ("lstm", False), ("gan", False), ("real test pieces", True)
    ]  # fmt: skip
    own, copies, real = (row.cells for row in table.rows)
    flagged = sum(piece["flagged"] for piece in evaluated(200, 3)["originality"]["pieces"])
    assert flagged >= 3 and copies[2] == f"{flagged} of 8", "the empty sample has no score"
    assert own[2] == "0 of 8" and copies[1] == "1.00" and float(own[1]) < 1
    line = reference()["originality"]["line"]
    assert real[0] == f"{line['median']:.2f} [{line['low']:.2f}, {line['high']:.2f}]"
    assert real[1] == f"{line['highest']:.2f}" and real[2] == real[4] == DASH and real[3] == str(line["longest_run"])
    assert [unit for _, unit in table.columns] == ["median", "highest", "samples", "notes", "found in train"]


def test_the_note_says_how_many_are_flagged_by_chance(compared: Compared) -> None:
    (note,) = originality_table(compared).notes
    assert "the share of 16 successive notes" in note and "fewer than 8 notes" in note
    assert "as by chance 0.8 of a set are" in note, "nine samples, ten real pieces"


def test_samples_without_a_score_are_dashes() -> None:
    found = deepcopy(evaluated(100))
    for name in ("copied_median", "copied_highest", "runs_found"):
        found["metrics"][f"samples/{name}"] = None
    for piece in found["originality"]["pieces"]:
        piece["score"] = None
    compared = Compared({"lstm": found}, reference())
    cells = originality_table(compared).rows[0].cells
    assert cells[0] == cells[1] == cells[4] == DASH and cells[2] == "0 of 0"
    assert nearest_table(compared).rows == []
    real = deepcopy(reference())
    real["originality"]["line"] |= {name: None for name in ("median", "low", "high", "highest")}
    row = originality_table(Compared({"lstm": found}, real)).rows[-1]
    assert row.cells[0] == f"{DASH} [{DASH}, {DASH}]" and row.cells[1] == DASH


def test_the_least_original_are_named_with_the_train_piece(compared: Compared) -> None:
    table = nearest_table(compared)
    assert len(table.rows) == 2 * SHOWN and table.first == "sample"
    first = next(row for row in table.rows if row.name == "gan, 00.mid")
    assert first.cells[:2] == ("1.00 flagged", "Title 0") and first.cells[4] == "in the same key"
    assert not any("flagged" in row.cells[0] for row in table.rows if row.name.startswith("lstm"))
    named = [row.name for row in table.rows if "flagged" in row.cells[0]]
    assert {"gan, 00.mid", "gan, 01.mid", "gan, 02.mid"} <= set(named)
    scores = [float(row.cells[0].split()[0]) for row in table.rows if row.name.startswith("gan")]
    assert scores == sorted(scores, reverse=True)


def test_places_are_quarter_notes_of_the_sample_and_of_the_train_piece(compared: Compared) -> None:
    piece = evaluated(200, 3)["originality"]["pieces"][0]
    row = next(row for row in nearest_table(compared).rows if row.name == f"gan, {piece['file']}")
    assert row.cells[2] == f"{piece['start']:g} to {piece['start'] + piece['quarters']:g}"
    assert row.cells[3] == f"from {piece['where']:g}"


def test_a_training_is_a_line_from_step_to_step_with_the_kept_weights_in_their_place(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []

    def keep(title: str, lines: object, *others: object, **more: object) -> str:
        kept.append((lines, others, more))
        return "<svg/>"

    monkeypatch.setattr("etude.report.originality.curves", keep)
    panel = training_panel(compared, {"lstm": 50, "gan": 200})
    assert panel is not None and panel["chart"] == "<svg/>" and "median score" in panel["title"]
    ((lines, (_, order), more),) = kept
    medians = {name: found["originality"]["training"][0]["median"] for name, found in compared.found.items()}
    finals = {name: found["metrics"]["samples/copied_median"] for name, found in compared.found.items()}
    assert lines == {
        "lstm": [(50.0, finals["lstm"]), (100.0, medians["lstm"])],
        "gan": [(100.0, medians["gan"]), (200.0, finals["gan"])],
    }
    assert order == ["lstm", "gan"]
    real = reference()["originality"]["line"]["median"]
    assert more == {"real": [(0.0, real), (200.0, real)]}


def test_models_without_kept_weights_are_no_lines(compared: Compared) -> None:
    panel = training_panel(compared, {"gan": 200})
    assert panel is not None and 'class="m1"' in panel["chart"] and 'class="m0"' not in panel["chart"]
    assert "real music" in panel["chart"]
    found = deepcopy(evaluated(100))
    for training in ([], [{"step": 100, "pieces": 3, "flagged": 0, "median": None, "highest": None}]):
        found["originality"]["training"] = training
        assert training_panel(Compared({"lstm": found}, reference()), {"lstm": 50}) is None
    assert training_panel(compared, {}) is None, "none was trained in steps"
