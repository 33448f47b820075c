"""The counting baseline of models that predict cell by cell."""

import math

import numpy as np
import pytest
from conftest import tiny

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.baselines.neighbours import Neighbours, measure
from etude.models.deepbach import batches
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.base.loading import load_representation
from etude.tasks.likelihood import likelihood

NAMES = ["A", "B"]


def piece(*cells: tuple[int, int]) -> np.ndarray:
    known = np.zeros((len(cells), 6), dtype=int)
    known[:, 0] = np.arange(len(cells)) % 4
    return np.concatenate([np.array(cells).reshape(-1, 2), known], axis=1).astype(np.uint16)


def test_the_probabilities_are_those_of_witten_bell() -> None:
    baseline = Neighbours(FIRST + 2, 4, NAMES)
    baseline.count([piece((FIRST, REST), (HOLD, REST), (FIRST + 1, REST))])
    costs, best = baseline.nats(*batches([piece((FIRST, REST), (HOLD, REST), (FIRST + 1, REST))], 2)[0])
    probability = (3 + 1 / 4) / 4  # of voice B: three rests, over 1 / 4, the uniform probability
    probability = (2 + probability) / 3  # after a rest: two
    probability = (1 + probability) / 2  # between two rests: one
    probability = (1 + probability) / 2  # at step 1: one
    assert costs[0, 2, 1].item() == pytest.approx(-math.log(probability))
    assert best[0, 1:4, 1].tolist() == [REST] * 3 and best[0, 1:4, 0].tolist() == [FIRST, HOLD, FIRST + 1]


def test_probabilities_add_up_to_one_and_never_depend_on_the_cell() -> None:
    random = np.random.default_rng(0)
    pieces = [piece(*[tuple(cell) for cell in random.integers(HOLD, FIRST + 2, (12, 2))]) for _ in range(4)]
    baseline = Neighbours(FIRST + 2, 4, NAMES)
    baseline.count(pieces)
    for time, voice in ((0, 0), (5, 1), (11, 0)):
        total = 0.0
        for token in range(HOLD, FIRST + 2):
            other = pieces[0].copy()
            other[time, voice] = token
            costs, _ = baseline.nats(*batches([other], 2)[0])
            total += math.exp(-costs[0, time + 1, voice])
        assert total == pytest.approx(1)


def test_the_baseline_of_a_store_is_measured_like_a_model(trained: Session) -> None:
    store = Store(trained.root / "data/tokenize/chorale")
    ((name, found),) = measure(store, load_representation(store))
    assert "neighbours" in name and set(found) == set(likelihood(tiny(), trained, "deepbach"))
    uniform = math.log(load_representation(store).vocabulary - HOLD)
    assert 0 < found["valid/pseudo_nats_per_cell"] < uniform
