"""What a job of a sweep leaves: how it ended, and the figure that a sweep may optimise."""

from pathlib import Path

import pytest

from etude.core.errors import EtudeError
from etude.core.files import write_json
from etude.runs.trials import FAILED, FINISHED, INTERRUPTED, Outcome, figures_of_folds, value_of


def test_an_outcome_is_read_as_it_was_written(tmp_path: Path) -> None:
    for outcome in (Outcome(FINISHED, figures={"lstm": {"valid/nats_per_note": 2.5}}), Outcome(FAILED, "a reason")):
        outcome.write(tmp_path)
        assert Outcome.read(tmp_path) == outcome
    assert Outcome.read(tmp_path / "nothing").state == INTERRUPTED


def test_only_one_model_has_a_figure_to_optimise() -> None:
    assert value_of({"lstm": {"valid/nats_per_note": 2.5, "test/nats_per_note": 2.6}}) == 2.5
    assert value_of({}) is None
    assert value_of({"lstm": {"valid/a": 1.0}, "gan": {"valid/b": 2.0}}) is None
    with pytest.raises(EtudeError, match=r"lstm has 0 figures on valid"):
        value_of({"lstm": {"test/a": 1.0}})


def test_of_a_cross_validation_the_training_s_own_figure_counts(tmp_path: Path) -> None:
    mean = {"valid/nats_per_note": 2.0, "valid/nats_per_piece": 90.0, "test/nats_per_note": 3.0}
    over = {name: {"mean": value, "deviation": 0.1} for name, value in mean.items()}
    write_json(tmp_path / "cv.json", {"models": {"lstm": {"over_folds": over}}})
    write_json(tmp_path / "fold-0/models/lstm/result.json", {"valid/nats_per_note": 1.9, "steps": 3})
    found = figures_of_folds(tmp_path / "cv.json")
    assert found == {"lstm": {"valid/nats_per_note": 2.0, "test/nats_per_note": 3.0}} and value_of(found) == 2.0
