"""Pseudo-likelihood: its counts, and a model measured by it."""

import math

import numpy as np
import pytest
import torch
from conftest import tiny
from torch import Tensor, nn

from etude.artifacts.context import Session
from etude.core.files import read_json
from etude.metrics.pseudo_likelihood import measure
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.tasks.likelihood import likelihood

NAMES = ["A", "B"]


class Oracle(nn.Module):
    """Costs 1 in voice A and 3 in voice B, double where a note starts, and predicts a hold for every cell."""

    names = NAMES

    def nats(self, cells: Tensor, known: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        costs = torch.where(cells >= HOLD, torch.tensor([1.0, 3.0]), 0.0) * torch.where(cells >= FIRST, 2.0, 1.0)
        return costs, torch.full_like(cells, HOLD)


def piece(*cells: tuple[int, int]) -> np.ndarray:
    known = np.zeros((len(cells), 6), dtype=int)
    known[:, 0] = np.arange(len(cells)) % 4
    return np.concatenate([np.array(cells).reshape(-1, 2), known], axis=1).astype(np.uint16)


def test_cells_count_equally_in_any_piece_and_padding_and_pieces_do_by_piece() -> None:
    pieces = [piece((FIRST, REST), (HOLD, REST), (HOLD, FIRST)), piece((FIRST, HOLD)), piece()[:0]]
    found = measure(Oracle(), pieces, "test")
    assert found == {
        "test/pseudo_nats_per_cell": (16 + 5) / 8,
        "test/pseudo_nats_per_cell_by_piece": (16 / 6 + 5 / 2) / 2,
        "test/accuracy": 3 / 8,
        "test/onset_accuracy": 0.0,
        "test/accuracy_A": 2 / 4,
        "test/onset_accuracy_A": 0.0,
        "test/accuracy_B": 1 / 4,
        "test/onset_accuracy_B": 0.0,
    }
    assert math.isnan(measure(Oracle(), [], "test")["test/pseudo_nats_per_cell"])


def test_a_voice_without_onsets_has_no_accuracy_of_them() -> None:
    found = measure(Oracle(), [piece((FIRST, REST))], "valid")
    assert math.isnan(found["valid/onset_accuracy_B"]) and found["valid/onset_accuracy"] == 0


def test_valid_equals_the_training_s_value_and_is_no_likelihood(trained: Session) -> None:
    found = likelihood(tiny(), trained, "deepbach")
    voices = ["", "_Soprano", "_Alto", "_Tenor", "_Bass"]
    accuracies = [f"{name}{voice}" for name in ("accuracy", "onset_accuracy") for voice in voices]
    costs = ["pseudo_nats_per_cell", "pseudo_nats_per_cell_by_piece"]
    assert set(found) == {f"{split}/{name}" for split in ("valid", "test") for name in [*costs, *accuracies]}
    result = read_json(trained.root / "models/deepbach/result.json", "")
    assert found["valid/pseudo_nats_per_cell"] == pytest.approx(result["valid/pseudo_nats_per_cell"], rel=1e-5)
    assert not any("nats_per_note" in name for name in result)
