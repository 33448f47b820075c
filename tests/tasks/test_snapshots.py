"""Pieces of a model as it was at earlier steps of its training."""

from dataclasses import replace

import pytest
from conftest import tiny

from etude import sampling
from etude.artifacts.context import Session
from etude.core.files import read_json
from etude.tasks.snapshots import sample_snapshots
from etude.tasks.trained_model import TrainedModel, read_snapshots

SETTINGS = tiny(evaluate={"snapshots": 2})


@pytest.mark.parametrize("model_name", ["lstm", "gan"])
def test_so_many_pieces_are_sampled_at_each_step_that_was_kept(model_name: str, trained: Session) -> None:
    listed = read_json(trained.root / "models" / model_name / "snapshots/index.json", "")
    found = sample_snapshots(SETTINGS, trained, model_name)
    assert list(found) == [entry["step"] for entry in listed] and listed
    assert all(len(pieces) == 2 for pieces in found.values())
    again = sample_snapshots(SETTINGS, trained, model_name)
    assert {step: [score.dumps_midi() for score in scores] for step, scores in again.items()} == {
        step: [score.dumps_midi() for score in scores] for step, scores in found.items()
    }


def test_they_are_sampled_as_samples_are(trained: Session) -> None:
    loaded = TrainedModel.load(SETTINGS, trained, "lstm")
    ((step, model),) = read_snapshots(trained.root / "models/lstm", loaded)
    config = replace(SETTINGS.sampling("lstm"), pieces=2)
    own = sampling.sample_pieces(model.model, model.representation, model.observed, config, 2)
    found = sample_snapshots(SETTINGS, trained, "lstm")[step]
    assert [score.dumps_midi() for score in found] == [piece.score.dumps_midi() for piece in own]


def test_a_model_that_counts_has_none(trained: Session) -> None:
    assert sample_snapshots(SETTINGS, trained, "ngram") == {}
