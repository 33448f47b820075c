"""The gradient penalty compared with known values, and the rows that a training draws."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.models.building import build_model
from etude.representations.base.loading import load_representation
from etude.training.objectives.wasserstein import RowsOfWindows, gradient_penalty
from etude.training.task import Task


def test_the_penalty_of_a_plane_is_known() -> None:
    weight = torch.tensor([3.0, 4.0], requires_grad=True)  # a slope of norm 5 everywhere
    real, fake = torch.randn(6, 2), torch.randn(6, 2)
    penalty = gradient_penalty(lambda rows: rows @ weight, real, fake, torch.rand(6))
    assert penalty.item() == pytest.approx(16)
    penalty.backward()
    assert weight.grad is not None and weight.grad.tolist() == pytest.approx([2 * 4 * 3 / 5, 2 * 4 * 4 / 5])


def test_the_penalty_is_taken_between_real_and_fake() -> None:
    real, fake = torch.full((2, 3), 2.0), torch.zeros(2, 3)
    # the gradient of half the squared norm is the place itself: 2 * share in each of three coordinates
    penalty = gradient_penalty(lambda rows: 0.5 * rows.square().sum(1), real, fake, torch.tensor([0.25, 1.0]))
    expected = [(0.5 * 3**0.5 - 1) ** 2, (2 * 3**0.5 - 1) ** 2]
    assert penalty.item() == pytest.approx(sum(expected) / 2)


def test_the_penalty_sends_no_gradient_to_the_generator() -> None:
    fake = torch.randn(2, 3, requires_grad=True)
    weight = torch.ones(3, requires_grad=True)
    gradient_penalty(lambda rows: rows.square() @ weight, torch.randn(2, 3), fake, torch.rand(2)).backward()
    assert fake.grad is None and weight.grad is not None


class Bars:
    """Stands in for a store: windows of bits that say to which piece and place they belong."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def offsets(self, split: str) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def take(self, split: str, places: np.ndarray) -> np.ndarray:
        return np.broadcast_to(places[:, None, None, None], (len(places), 2, 32, 5)).astype(np.float32)

    def pieces(self, split: str) -> list[np.ndarray]:
        return [np.zeros((2, 2, 32, 5), dtype=np.uint8)]


class Plain:
    """Stands in for a representation: nothing is packed."""

    def unpack(self, rolls: np.ndarray) -> np.ndarray:
        return rolls


def build_data(session: Session, lengths: list[int], folder: Path) -> RowsOfWindows:
    settings = tiny()
    store: object = Bars(lengths)
    from etude.models.wgan import WGAN

    model = WGAN((2, 32, 5), 4, latent=4, hidden=8, row=2, critic_steps=3, penalty=10.0, rounds=2)
    return RowsOfWindows(model, Task(settings, "wgan", session, store, Plain(), folder, lambda row, step: None))  # type: ignore[arg-type]


def test_rows_stay_within_a_piece_and_have_their_places(encoded: Session, tmp_path: Path) -> None:
    rolls, places = build_data(encoded, [3, 1, 2], tmp_path).draw(np.random.default_rng(0))
    config, _ = tiny().schedule("wgan")
    size = 2 * 3 * config.batch_size // 2  # two rounds of three updates, each on rows of two windows
    assert rolls.shape == (size, 64, 2, 5) and places.shape == (size, 2, 2)
    found = {tuple(row[[0, 32], 0, 0].int().tolist()): at.int().tolist() for row, at in zip(rolls, places, strict=True)}
    assert found == {
        (0, 1): [[1, 0], [0, 0]],
        (1, 2): [[0, 0], [0, 1]],
        (4, 5): [[1, 0], [0, 1]],
    }


def test_pieces_of_one_window_make_rows_of_one(encoded: Session, tmp_path: Path) -> None:
    rolls, places = build_data(encoded, [1, 1], tmp_path).draw(np.random.default_rng(0))
    assert rolls.shape[1] == 32 and places[:, 0].eq(1).all()


def test_a_step_updates_both_networks(encoded: Session, tmp_path: Path) -> None:
    store = Store(encoded.root / "data/tokenize/pianoroll")
    representation = load_representation(store)
    torch.manual_seed(0)
    model = build_model(tiny().model("wgan"), "wgan", representation)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    from etude.training.objectives import learn

    learned = learn(model, Task(tiny(), "wgan", encoded, store, representation, tmp_path, lambda row, step: None))
    moved = {
        name.partition(".")[0] for name, weight in model.named_parameters() if not torch.equal(weight, before[name])
    }
    assert moved == {"generator", "critic"}
    assert all(np.isfinite(value) for row in learned.history for value in row.values())
    assert 0 <= learned.result["valid/roll_distance"] <= 1
