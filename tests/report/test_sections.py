"""Sections that are there for some inputs alone: listeners, predictions, and the order of all."""

from typing import Any

import pytest
from conftest import smoke
from listening.panel import Panel, make_key, write
from report.made_results import evaluated, reference

from etude.core.files import Json
from etude.listening.analysis import analyse
from etude.report import sections
from etude.report.inputs import ReportInputs, Training
from etude.report.players import Player
from etude.report.sections import SECTIONS, Contents, Listened, Scores
from etude.stages.report import _listened

KEY = make_key(("gan", "lstm", "real", "voices"), 4)
KNOWN = {"gan": -1.5, "lstm": -0.5, "voices": 0.5, "real": 1.5}
OBJECTIVE = {name: {"samples/distance": 1.0 - value} for name, value in KNOWN.items() if name != "real"}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Six simulated listeners, and one who does not attend."""
    folder = tmp_path_factory.mktemp("answers")
    panel = Panel(KEY, KNOWN, seed=2)
    write(folder, KEY.test, [*panel.listeners(6), panel.listener(attentive=False)])
    return analyse(KEY, folder, OBJECTIVE, runs=20)


def contents(listened: Listened | None = None, **evaluate: Any) -> Contents:
    """Results of two models, without pieces."""
    empty: dict[str, Any] = {name: {} for name in ReportInputs.__dataclass_fields__}
    found = {"lstm": evaluated(100), "gan": {**evaluated(200, 3), **evaluate}}
    runs = {name: Training({"steps": 200, "best_step": 200}, [], True) for name in found}
    inputs = ReportInputs(**{**empty, "evaluate": found, "reference": reference(), "train": runs})
    return Contents(smoke(), inputs, Scores(Player("", "", {}, ""), {}, [], [], [], 0), listened)


def test_listeners_have_a_section_with_the_preference_first(analysis: Json) -> None:
    listened = _listened(analysis)
    assert listened is not None
    first, *others = listened.tables
    assert (first.caption, first.first) == ("What listeners prefer", "system")
    assert [row.name for row in first.rows] == ["real", "voices", "lstm", "gan"]
    assert [name for name, _ in first.columns][:2] == ["strength", "votes"] and first.notes
    assert all(len(row.cells) == len(table.columns) for table in listened.tables for row in table.rows)
    assert any(table.caption == "Listeners and objective measures" for table in others)
    section = sections.listening(contents(listened))
    assert section is not None and (section.key, section.title) == ("listening", "Listeners")
    assert "These answers are simulated" in section.html and "6 of 7 listeners count" in section.html
    assert section.html.index("What listeners prefer") < section.html.index("<details>")
    assert section.html.count("<table") == len(listened.tables)


def test_without_listeners_there_is_no_section_on_them() -> None:
    assert _listened(None) is None and sections.listening(contents()) is None


def test_predictions_are_of_models_that_have_a_likelihood() -> None:
    found = sections.predictions(contents(prediction={}))
    assert found is not None and "lstm" in found.html and "gan" not in found.html
    assert "nats of the item that starts a note" in found.html and "Soprano" in found.html
    nobody = contents(prediction={})
    nobody.inputs.train.pop("lstm")  # type: ignore[attr-defined]
    assert sections.predictions(nobody) is None


def test_originality_shows_the_course_of_models_that_were_trained_in_steps() -> None:
    html = sections.originality(contents()).html
    assert "Along the training" in html and 'class="m1' in html and "1.00 flagged" in html
    quiet = contents()
    for run in quiet.inputs.train.values():
        run.result["best_step"] = None
    assert "Along the training" not in sections.originality(quiet).html


def test_the_order_of_the_page() -> None:
    names = [make.__name__ for make in SECTIONS]
    assert names.index("samples") < names.index("listening") < names.index("sets") < names.index("originality")
    assert len(set(names)) == len(names) and names[0] == "summary" and names[-1] == "environment"
