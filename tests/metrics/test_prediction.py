"""Predictions: their costs are those of the likelihood, sklearn is the referee, and every model kind predicts."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from models.small_models import VOCABULARY, build
from numpy.typing import NDArray
from representations.bands import learned, make_band
from sklearn.metrics import precision_score, recall_score

from etude.metrics.likelihood import piece_nats
from etude.metrics.prediction import BINS, Predictions, by_place, calibration, flat, measure, next_note, predict
from etude.models.conditional import Conditional
from etude.models.gru import GRU
from etude.models.ngram import NGram
from etude.models.sequence import SequenceModel
from etude.representations.base.vocabulary import ItemSpec

KINDS = ["lstm", "lstm_widths", "gru", "lstm_attention", "following", "transformer", "voices", "ngram"]
PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
few = hypothesis(deadline=None, max_examples=60)


def tokens(seed: int, length: int) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(1, VOCABULARY, length).astype(np.uint16)


def made(real: list[int], predicted: list[int], **columns: Any) -> Predictions:
    """Predictions of some pitches; all else is 0 unless it is given."""
    nothing = np.zeros(len(real))
    values: dict[str, Any] = {"confidence": nothing, "nats": nothing, "voice": nothing, "position": nothing, **columns}
    ours, theirs = np.array(real, dtype=np.int64), np.array(predicted, dtype=np.int64)
    right = np.array(values.pop("right", ours == theirs), dtype=bool)
    return Predictions(
        right=right,
        real=ours,
        predicted=theirs,
        confidence=np.array(values["confidence"], dtype=float),
        nats=np.array(values["nats"], dtype=float),
        voice=np.array(values["voice"], dtype=np.int64),
        position=np.array(values["position"], dtype=np.int64),
    )


# --- costs and distributions


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_costs_are_those_of_the_likelihood_and_the_best_is_the_best(kind: str) -> None:
    model = build(kind)
    pieces = [tokens(seed, length) for seed, length in enumerate((12, 3, 9, 12, 2, 20, 7, 7, 15, 4))]
    found = predict(model, pieces, None, [1] * len(pieces))
    assert len(found.nats) == sum(len(piece) - 1 for piece in pieces)
    assert found.nats.sum() == pytest.approx(piece_nats(model, pieces).sum(), rel=1e-5)
    assert (found.real == -1).all() and (found.predicted == -1).all() and (found.voice == -1).all()
    alone = predict(model, pieces[:1], None, [1])
    logits, state, best = None, None, []
    for token in pieces[0][:-1].tolist():
        logits, state = model.step(torch.tensor([token]), state)
        best.append(logits.double().softmax(-1)[0])
    steps = torch.stack(best).numpy()
    assert alone.confidence == pytest.approx(steps.max(axis=1), rel=1e-4)
    assert alone.right.tolist() == (steps.argmax(axis=1) == pieces[0][1:]).tolist()
    assert ((found.confidence >= np.exp(-found.nats) - 1e-6) | found.right).all()


@torch.no_grad()
def test_control_tokens_are_not_predicted() -> None:
    torch.manual_seed(0)
    model = Conditional(ItemSpec(15), [[10, 11, 12], [13, 14]], 16, 2, 2, 8, 0.0).eval()
    pieces = [np.array([1, 3, 11, 14, 5, 6, 3, 11, 14, 7, 2])]
    found = predict(model, pieces, None, [1])
    assert len(found.nats) == 6 and found.nats.sum() == pytest.approx(piece_nats(model, pieces).sum(), rel=1e-5)


@torch.no_grad()
def test_frames_have_a_row_a_key() -> None:
    torch.manual_seed(0)
    model = GRU(ItemSpec(9, keys=True), 16, 1, 0.0, 0.0).eval()
    pieces = [
        np.packbits(np.random.default_rng(n).integers(0, 2, (length, 9)), axis=1) for n, length in enumerate((5, 8))
    ]
    found = predict(model, pieces, None, [1, 1])
    assert len(found.nats) == (4 + 7) * 9
    assert found.nats.sum() == pytest.approx(piece_nats(model, pieces).sum(), rel=1e-5)
    keys = np.concatenate([np.unpackbits(piece, axis=1, count=9)[1:] for piece in pieces])
    assert (found.real >= 0).sum() == keys.sum() and found.real.max() == 8
    expected = found.predicted >= 0
    assert (found.right == (expected == (found.real >= 0))).all() and (found.confidence >= 0.5).all()
    assert set(measure(model, pieces, None, [1, 1])["voices"]) == set()


def test_no_pieces_predict_nothing() -> None:
    model = build("gru")
    found = predict(model, [], None, [])
    assert len(found.nats) == 0 and found.real.dtype == np.int64
    measured = measure(model, [], None, [])
    assert measured["calibration"]["bins"] == [] and math.isnan(measured["calibration"]["error"])
    assert all(math.isnan(value) for value in measured["next_note"].values())
    assert measured["voices"] == measured["positions"] == {}


class Certain(SequenceModel):
    """Expects one distribution everywhere."""

    def __init__(self, probabilities: dict[int, float], size: int) -> None:
        super().__init__(ItemSpec(size))
        table = torch.full((size,), 1e-9)
        for token, probability in probabilities.items():
            table[token] = probability
        self.logits = table.log()

    def forward(self, items: torch.Tensor, state: Any = None) -> Any:
        return self.logits.expand(*items.shape, -1), None


def test_the_predicted_pitch_is_that_of_all_its_tokens_together() -> None:
    """In a vocabulary of whole notes a pitch has several tokens; the most probable token need not have it."""
    representation = learned(
        "remi", *(make_piece(seed) for seed in range(4)), voices=PROGRAMS, merges="notes", vocabulary=2000
    )
    pitches = representation.pitches
    kinds, counts = np.unique(pitches[pitches >= 0], return_counts=True)
    often = int(kinds[counts >= 3][0])
    alone = int(kinds[kinds != often][0])
    first, second, third = np.flatnonzero(pitches == often)[:3].tolist()
    other = int(np.flatnonzero(pitches == alone)[0])
    model = Certain({other: 0.4, first: 0.25, second: 0.2, third: 0.1, 2: 0.05}, representation.vocabulary)
    found = predict(model, [np.array([1, other, first, 2])], representation, [16])
    assert found.predicted.tolist() == [often] * 3 and found.real.tolist() == [alone, often, -1]
    assert found.right.tolist() == [True, False, False]
    assert found.confidence == pytest.approx([0.4] * 3, rel=1e-4) and np.exp(-found.nats) == pytest.approx(
        [0.4, 0.25, 0.05], rel=1e-4
    )
    quiet = Certain({2: 0.5, other: 0.3, first: 0.2}, representation.vocabulary)
    assert predict(quiet, [np.array([1, 2])], representation, [16]).predicted.tolist() == [-1]


@pytest.mark.parametrize(
    ("name", "changes"), [("remi", {}), ("voicegrid", {}), ("remi", {"merges": "notes", "vocabulary": 2000})]
)
def test_notes_of_a_piece_are_found_with_their_voice_and_place(name: str, changes: dict[str, Any]) -> None:
    train = [make_piece(seed) for seed in range(4)]
    representation = learned(name, *train, voices=PROGRAMS, **changes)
    model = NGram(representation.vocabulary, 3, 10**6)
    pieces = [representation.encode(score) for score in train]
    model.count(pieces)
    found = predict(model, pieces[:2], representation, [16, 16])
    seen = sorted(
        (list(PROGRAMS)[voice], position, pitch)
        for voice, position, pitch in zip(found.voice, found.position, found.real, strict=True)
        if pitch >= 0
    )
    assert seen == sorted(
        (track.name, note.time % 96 // 6, note.pitch)
        for score in train[:2]
        for track in score.tracks
        for note in track.notes
    )
    measured = measure(model, pieces[:2], representation, [16, 16])
    assert list(measured["voices"]) == list(PROGRAMS)
    assert sum(entry["notes"] for entry in measured["voices"].values()) == len(seen)
    assert sum(entry["notes"] for entry in measured["positions"].values()) == len(seen)
    total = sum(entry["notes"] * entry["nats"] for entry in measured["voices"].values())
    assert total == pytest.approx(found.nats[found.real >= 0].sum())
    assert 0.2 < measured["next_note"]["accuracy"] <= 1, "it has seen these pieces"


def test_the_bars_of_each_piece_give_the_positions() -> None:
    score = make_piece(1, beats=6)
    representation = learned("voicegrid", score, voices=PROGRAMS)
    model = NGram(representation.vocabulary, 2, 10**6)
    piece = representation.encode(score)
    model.count([piece])
    for bar in (12, 16):
        found = predict(model, [piece, piece[: 1 + 4 * 8]], representation, [bar, 8])
        assert found.position.max() == bar - 1
        assert sorted(set(found.position[found.position >= 0].tolist())) == list(range(bar))


def test_drums_have_a_voice_of_their_own() -> None:
    representation = learned("remi")
    model = NGram(representation.vocabulary, 2, 10**6)
    piece = representation.encode(make_band(2))
    model.count([piece])
    measured = measure(model, [piece], representation, [16])
    counts = {track.name: len(track.notes) for track in representation.decode(piece).tracks}
    assert {name: entry["notes"] for name, entry in measured["voices"].items()} == counts


# --- calibration


def test_calibration_known_from_paper() -> None:
    found = calibration(
        made([60, 60, 60, 60], [60, 60, 60, 60], confidence=[0.95, 0.91, 0.31, 0.35], right=[True, False, True, False])
    )
    assert [entry["items"] for entry in found["bins"]] == [2, 2]
    assert [entry["confidence"] for entry in found["bins"]] == pytest.approx([0.33, 0.93])
    assert [entry["accuracy"] for entry in found["bins"]] == [0.5, 0.5]
    assert found["error"] == pytest.approx((0.17 + 0.43) / 2) and found["overconfidence"] == pytest.approx(
        (0.43 - 0.17) / 2
    )


@few
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_calibration_is_its_definition(items: list[tuple[float, bool]]) -> None:
    found = calibration(
        made([1] * len(items), [1] * len(items), confidence=[c for c, _ in items], right=[r for _, r in items])
    )
    error = 0.0
    for place in range(BINS):
        own = [(c, r) for c, r in items if min(int(c * BINS), BINS - 1) == place]
        if own:
            error += abs(sum(c for c, _ in own) - sum(r for _, r in own)) / len(items)
    assert found["error"] == pytest.approx(error) and 0 <= found["error"] <= 1 + 1e-12
    assert abs(found["overconfidence"]) <= found["error"] + 1e-12
    assert sum(entry["items"] for entry in found["bins"]) == len(items)


def test_a_model_that_is_right_as_often_as_it_expects_is_calibrated() -> None:
    draw = np.random.default_rng(0)
    confidence = draw.random(20000)
    right = draw.random(20000) < confidence
    good, boastful = (made([1] * 20000, [1] * 20000, confidence=c, right=right) for c in (confidence, confidence**0.5))
    assert calibration(good)["error"] < 0.02 < 0.1 < calibration(boastful)["overconfidence"]


# --- precision and recall


@few
@given(st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 5)), min_size=1, max_size=30))
def test_precision_and_recall_are_those_of_sklearn(pairs: list[tuple[int, int]]) -> None:
    real, predicted = (list(column) for column in zip(*pairs, strict=True))
    found = next_note(made(real, predicted))
    labels = sorted({*real, *predicted} - {-1})
    for name, score in (("precision", precision_score), ("recall", recall_score)):
        for average in ("micro", "macro"):
            ours = found[f"{name}_{average}"]
            if math.isnan(ours):
                some = predicted if name == "precision" else real
                assert not labels or (average == "micro" and set(some) == {-1}), "sklearn has 0 for nothing of nothing"
            else:
                assert ours == pytest.approx(score(real, predicted, labels=labels, average=average, zero_division=0))
    assert found["accuracy"] == pytest.approx(np.mean([a == b for a, b in pairs]))


def test_precision_and_recall_known_from_paper() -> None:
    found = next_note(made([60, 60, 62, -1, 64, -1], [60, 62, 62, 60, -1, -1]))
    assert found["precision_micro"] == 2 / 4 and found["recall_micro"] == 2 / 4
    assert found["precision_macro"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert found["recall_macro"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["accuracy"] == 3 / 6


# --- voices and positions, and the main numbers


def test_notes_by_voice() -> None:
    predictions = made([60, 62, -1, 64], [60, 60, -1, 64], voice=[0, 0, 0, 1], nats=[1.0, 3.0, 9.0, 0.5])
    found = by_place(predictions, predictions.voice, {0: "Soprano", 1: "Bass", 2: "none"})
    assert found == {
        "Soprano": {"notes": 2, "nats": 2.0, "accuracy": 0.5},
        "Bass": {"notes": 1, "nats": 0.5, "accuracy": 1.0},
    }


def test_the_main_numbers_are_metrics_of_test() -> None:
    measured = measure(build("gru"), [tokens(0, 9)], None, [16])
    found = flat(measured)
    assert found["test/calibration_error"] == measured["calibration"]["error"]
    assert set(found) == {"test/calibration_error", *(f"test/next_note_{name}" for name in measured["next_note"])}
    assert flat({}) == {}
