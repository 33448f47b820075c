"""Pseudo-likelihood: what is counted, and the counting floor."""

import math

import numpy as np
import pytest
import torch
from conftest import tiny
from torch import Tensor, nn

from etude import representations
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.baselines.neighbours import Neighbours, measure
from etude.core.files import read_json
from etude.metrics.likelihood import likelihood
from etude.metrics.pseudo_likelihood import measured
from etude.models.deepbach import batches
from etude.representations.base.grid import FIRST, HOLD, REST

NAMES = ["A", "B"]


class Oracle(nn.Module):
    """Costs 1 in voice A and 3 in voice B, double where a note begins, and takes every cell for a hold."""

    names = NAMES

    def nats(self, cells: Tensor, known: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        costs = torch.where(cells >= HOLD, torch.tensor([1.0, 3.0]), 0.0) * torch.where(cells >= FIRST, 2.0, 1.0)
        return costs, torch.full_like(cells, HOLD)


def piece(*cells: tuple[int, int]) -> np.ndarray:
    known = np.zeros((len(cells), 6), dtype=int)
    known[:, 0] = np.arange(len(cells)) % 4
    return np.concatenate([np.array(cells).reshape(-1, 2), known], axis=1).astype(np.uint16)


def test_cells_count_alike_whatever_their_piece_and_its_padding_and_pieces_do_by_piece() -> None:
    pieces = [piece((FIRST, REST), (HOLD, REST), (HOLD, FIRST)), piece((FIRST, HOLD)), piece()[:0]]
    found = measured(Oracle(), pieces, "test")
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
    assert math.isnan(measured(Oracle(), [], "test")["test/pseudo_nats_per_cell"])


def test_a_voice_without_onsets_has_no_accuracy_of_them() -> None:
    found = measured(Oracle(), [piece((FIRST, REST))], "valid")
    assert math.isnan(found["valid/onset_accuracy_B"]) and found["valid/onset_accuracy"] == 0


def test_valid_comes_out_as_the_training_measured_it_and_is_no_likelihood(trained: Session) -> None:
    found = likelihood(tiny(), trained, "deepbach")
    voices = ["", "_Soprano", "_Alto", "_Tenor", "_Bass"]
    accuracies = [f"{name}{voice}" for name in ("accuracy", "onset_accuracy") for voice in voices]
    costs = ["pseudo_nats_per_cell", "pseudo_nats_per_cell_by_piece"]
    assert set(found) == {f"{split}/{name}" for split in ("valid", "test") for name in [*costs, *accuracies]}
    result = read_json(trained.root / "models/deepbach/result.json", "")
    assert found["valid/pseudo_nats_per_cell"] == pytest.approx(result["valid/pseudo_nats_per_cell"], rel=1e-5)
    assert not any("nats_per_note" in name for name in result)


def test_the_floor_s_shares_are_those_of_witten_bell() -> None:
    floor = Neighbours(FIRST + 2, 4, NAMES)
    floor.count([piece((FIRST, REST), (HOLD, REST), (FIRST + 1, REST))])
    costs, best = floor.nats(*batches([piece((FIRST, REST), (HOLD, REST), (FIRST + 1, REST))], 2)[0])
    share = (3 + 1 / 4) / 4  # of voice B: three rests, over 1 / 4, the uniform share
    share = (2 + share) / 3  # after a rest: two
    share = (1 + share) / 2  # between two rests: one
    share = (1 + share) / 2  # at step 1: one
    assert costs[0, 2, 1].item() == pytest.approx(-math.log(share))
    assert best[0, 1:4, 1].tolist() == [REST] * 3 and best[0, 1:4, 0].tolist() == [FIRST, HOLD, FIRST + 1]


def test_the_floor_gives_shares_and_never_looks_at_the_cell() -> None:
    random = np.random.default_rng(0)
    pieces = [piece(*[tuple(cell) for cell in random.integers(HOLD, FIRST + 2, (12, 2))]) for _ in range(4)]
    floor = Neighbours(FIRST + 2, 4, NAMES)
    floor.count(pieces)
    for time, voice in ((0, 0), (5, 1), (11, 0)):
        total = 0.0
        for token in range(HOLD, FIRST + 2):
            other = pieces[0].copy()
            other[time, voice] = token
            costs, _ = floor.nats(*batches([other], 2)[0])
            total += math.exp(-costs[0, time + 1, voice])
        assert total == pytest.approx(1)


def test_the_floor_of_a_store_is_measured_as_a_model_is(trained: Session) -> None:
    store = Store(trained.root / "data/tokenize/chorale")
    ((name, found),) = measure(store, representations.load(store))
    assert "neighbours" in name and set(found) == set(likelihood(tiny(), trained, "deepbach"))
    uniform = math.log(representations.load(store).vocabulary - HOLD)
    assert 0 < found["valid/pseudo_nats_per_cell"] < uniform
