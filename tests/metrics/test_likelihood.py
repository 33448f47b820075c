"""Likelihood: units worked out manually, and costs that do not depend on the rest of the batch."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from numpy.typing import NDArray

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.core.files import read_json
from etude.metrics import likelihood as room
from etude.metrics.likelihood import batches, per_unit, piece_costs, piece_nats
from etude.models.lstm import LSTM
from etude.models.lstm_attention import LSTMAttention
from etude.models.ngram import NGram
from etude.models.sequence import SequenceModel
from etude.models.voices import Voices
from etude.representations.base.grammar import PAD
from etude.representations.base.vocabulary import ItemSpec
from etude.tasks.likelihood import likelihood

VOCABULARY = 13
KINDS = pytest.mark.parametrize("kind", ["lstm", "lstm_attention", "voices", "ngram"])
PIECES = st.lists(
    st.lists(st.integers(3, VOCABULARY - 1), max_size=20).map(lambda ids: np.array([1, *ids, 2], dtype=np.uint16)),
    min_size=1,
    max_size=20,
)


def made(kind: str) -> SequenceModel:
    torch.manual_seed(0)
    if kind == "lstm":
        return LSTM(ItemSpec(VOCABULARY), 8, 2, 0.5, 0.0).eval()
    if kind == "voices":
        return Voices(ItemSpec(VOCABULARY), 2, 2, 8, 1, 1, 2, 4, 1, 2, 0.5, 0.5, 1.2, 0, 0.5).eval()
    if kind == "lstm_attention":
        return LSTMAttention(ItemSpec(VOCABULARY), 8, 1, 0.5, 0.0, 2, 4, False, 0).eval()
    model = NGram(VOCABULARY, 3, 10**6)
    model.count([np.random.default_rng(seed).integers(1, VOCABULARY, 40) for seed in range(3)])
    return model


# --- units


def test_costs_are_summed_before_they_are_divided() -> None:
    facts = [{"notes": 4, "cells": 30}, {"notes": 6, "cells": 20}]
    assert per_unit(np.array([10.0, 20.0]), facts, "test") == {
        "test/nats_per_note": 3.0,
        "test/nats_per_note_by_piece": pytest.approx((10 / 4 + 20 / 6) / 2),
        "test/nats_per_piece": 15.0,
        "test/nats_per_cell": 0.6,
        "test/nats_per_cell_by_piece": pytest.approx((10 / 30 + 1) / 2),
    }


def test_frames_are_counted_instead_of_notes_where_they_are_predicted() -> None:
    facts = [{"notes": 4, "cells": 30, "frames": 5}, {"notes": 6, "cells": 20, "frames": 20}, {"frames": 0}]
    assert per_unit(np.array([10.0, 20.0, 0.0]), facts, "valid") == {
        "valid/nats_per_frame": 30 / 25,
        "valid/nats_per_frame_by_piece": (10 / 5 + 20 / 20) / 2,  # a piece of one frame has nothing to predict
        "valid/nats_per_piece": 10.0,
    }


def test_the_end_is_no_cell() -> None:
    facts = [{"notes": 4, "cells": 30}, {"notes": 6, "cells": 20}]
    found = per_unit(np.array([10.0, 20.0]), facts, "test", np.array([1.0, 4.0]))
    assert found["test/nats_per_cell"] == 25 / 50
    assert found["test/nats_per_cell_by_piece"] == pytest.approx((9 / 30 + 16 / 20) / 2)
    assert (found["test/nats_per_note"], found["test/nats_per_piece"]) == (3.0, 15.0)


def test_without_notes_there_is_no_cost_a_note() -> None:
    found = per_unit(np.array([2.0]), [{"notes": 0, "cells": 4}], "valid")
    assert math.isnan(found["valid/nats_per_note"]) and found["valid/nats_per_cell"] == 0.5
    assert all(math.isnan(value) for value in per_unit(np.zeros(0), [], "valid").values())


@hypothesis(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1e4), st.integers(1, 500), st.integers(1, 5000)), min_size=1, max_size=10))
def test_the_order_of_pieces_does_not_count_and_the_units_agree(rows: list[tuple[float, int, int]]) -> None:
    def measured(rows: list[tuple[float, int, int]]) -> dict[str, float]:
        facts = [{"notes": notes, "cells": cells} for _, notes, cells in rows]
        return per_unit(np.array([cost for cost, _, _ in rows]), facts, "valid")

    found = measured(rows)
    assert found == pytest.approx(measured(rows[::-1]))
    notes, cells = sum(row[1] for row in rows), sum(row[2] for row in rows)
    total = found["valid/nats_per_piece"] * len(rows)
    assert found["valid/nats_per_note"] * notes == pytest.approx(total)
    assert found["valid/nats_per_cell"] * cells == pytest.approx(total)


# --- costs


def test_a_uniform_model_costs_the_logarithm_of_the_vocabulary_per_token_after_the_first() -> None:
    blank = NGram(VOCABULARY, 3, 10**6)  # nothing counted: all tokens have one probability
    pieces = [np.array([1, 5, 6, 2], dtype=np.uint16), np.array([1, 2], dtype=np.uint16)]
    assert piece_nats(blank, pieces) == pytest.approx([3 * math.log(VOCABULARY), math.log(VOCABULARY)])


@KINDS
def test_the_cost_of_the_end_is_the_difference_it_makes(kind: str) -> None:
    model = made(kind)
    random = np.random.default_rng(2)
    pieces = [np.array([1, *random.integers(3, VOCABULARY, length), 2], dtype=np.uint16) for length in (0, 7, 3, 12)]
    costs, ends = piece_costs(model, pieces)
    assert costs - ends == pytest.approx(piece_nats(model, [piece[:-1] for piece in pieces]), rel=1e-4)


def test_no_pieces_give_no_costs() -> None:
    assert piece_nats(made("ngram"), []).shape == (0,) and batches([], ItemSpec(VOCABULARY)) == []


@KINDS
@hypothesis(deadline=None, max_examples=10)
@given(pieces=PIECES)
def test_a_piece_costs_the_same_alone_and_in_a_batch(kind: str, pieces: list[NDArray[Any]]) -> None:
    model = made(kind)
    together = piece_nats(model, pieces)
    alone = [float(piece_nats(model, [piece])[0]) for piece in pieces]
    assert together == pytest.approx(alone, rel=1e-4)
    assert piece_nats(model, pieces[::-1])[::-1] == pytest.approx(together, rel=1e-4)


@KINDS
def test_costs_do_not_depend_on_the_size_of_the_batch(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    pieces = [np.array([1, *random.integers(3, VOCABULARY, length), 2], dtype=np.uint16) for length in range(17)]
    found = []
    for size in (1, 3, 8, 100):
        monkeypatch.setattr(room, "BATCH", size)
        found.append(piece_nats(made(kind), pieces))
    for costs in found[1:]:
        assert costs == pytest.approx(found[0], rel=1e-4)


@KINDS
def test_a_cost_equals_the_sum_over_steps(kind: str) -> None:
    model = made(kind)
    piece = np.array([1, 4, 4, 9, 3, 12, 2], dtype=np.uint16)
    state, cost = None, 0.0
    for token, after in zip(piece[:-1].tolist(), piece[1:].tolist(), strict=True):
        logits, state = model.step(torch.tensor([token]), state)
        cost -= float(logits.double().log_softmax(-1)[0, after])
    assert piece_nats(model, [piece])[0] == pytest.approx(cost, rel=1e-4)


@hypothesis(deadline=None, max_examples=25)
@given(pieces=PIECES)
def test_each_piece_is_in_one_batch_complete_and_padded(pieces: list[NDArray[Any]]) -> None:
    found = batches(pieces, ItemSpec(VOCABULARY))
    assert sorted(place for places, _ in found for place in places) == list(range(len(pieces)))
    for places, tokens in found:
        assert 1 <= len(places) <= room.BATCH and tokens.shape == (len(places), max(len(pieces[p]) for p in places))
        for place, row in zip(places, tokens, strict=True):
            length = len(pieces[place])
            assert row[:length].tolist() == pieces[place].tolist() and (row[length:] == PAD).all()
    lengths = [tokens.shape[1] for _, tokens in found]
    assert lengths == sorted(lengths)


# --- of a trained model


@pytest.mark.parametrize("model_name", ["ngram", "lstm"])
def test_valid_equals_the_training_s_value(model_name: str, trained: Session) -> None:
    found = likelihood(tiny(), trained, model_name)
    units = ("note", "note_by_piece", "piece", "cell", "cell_by_piece")
    ends = {"test/nats_per_note_low", "test/nats_per_note_high"}
    assert set(found) == {f"{split}/nats_per_{unit}" for split in ("valid", "test") for unit in units} | ends
    assert found["test/nats_per_note_low"] <= found["test/nats_per_note"] <= found["test/nats_per_note_high"]
    result = read_json(trained.root / f"models/{model_name}/result.json", "")
    assert found["valid/nats_per_note"] == pytest.approx(result["valid/nats_per_note"], rel=1e-5)
    pieces = Store(trained.root / "data/tokenize/remi").manifest["pieces"]["test"]
    notes = sum(piece["notes"] for piece in pieces)
    assert found["test/nats_per_piece"] * len(pieces) == pytest.approx(found["test/nats_per_note"] * notes)


def test_a_gan_has_no_likelihood(trained: Session) -> None:
    assert likelihood(tiny(), trained, "gan") == {}
