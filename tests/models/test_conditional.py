"""A transformer with or without control tokens that describe the piece."""

import pytest
import torch

from etude.models.conditional import Conditional
from etude.representations.base.vocabulary import ItemSpec

CONTROLS = [[10, 11, 12], [13, 14]]  # of two attributes, the neutral one first


def build() -> Conditional:
    torch.manual_seed(0)
    return Conditional(ItemSpec(15), CONTROLS, 16, 2, 2, 8, 0.0).eval()


def rows(first: int, second: int) -> torch.Tensor:
    return torch.tensor([[1, 3, first, second, 5, 6, 3, first, second, 7, 2, 0]])


@torch.no_grad()
def test_control_tokens_cost_nothing() -> None:
    model = build()
    costs = model.loss(rows(11, 14), 0.0)[0]
    assert (costs == 0).nonzero()[:, 0].tolist() == [1, 2, 6, 7, 10]  # controls and padding as targets
    assert (costs[[0, 3, 4, 5, 8, 9]] > 0).all()
    assert model.real(rows(11, 14))[0].tolist() == [True, True, False, False, True] + [True, True] + [False] * 2 + [
        True, True, False,
    ]  # fmt: skip


@torch.no_grad()
def test_nats_know_nothing_of_the_attributes_and_nats_given_do() -> None:
    model = build()
    assert torch.equal(model.nats(rows(11, 14)), model.nats(rows(12, 13)))
    assert torch.equal(model.nats(rows(12, 14)), model.nats_given(rows(10, 13)))
    assert not torch.allclose(model.nats_given(rows(11, 14)), model.nats_given(rows(12, 14)))


@torch.no_grad()
def test_predictions_know_nothing_of_the_attributes_and_cost_the_nats() -> None:
    model, items = build(), rows(11, 14)
    found = model.predict(items)
    assert torch.equal(found, model.predict(rows(12, 13))) and torch.allclose(found.sum(-1), torch.ones(1, 11))
    counted = model.real(items)[0, 1:]
    costs = -found[0].gather(1, items[0, 1:, None])[:, 0].log()
    assert torch.allclose(costs[counted], model.nats(items)[0][counted], atol=1e-5)


def test_what_is_not_shown_is_neutral_in_all_places() -> None:
    model, items = build(), torch.cat([rows(11, 14), rows(12, 14)])
    shown = model.hide_controls(items, torch.tensor([[True, False], [False, True]]))
    assert torch.equal(shown, torch.cat([rows(11, 13), rows(10, 14)]))


def test_a_window_within_a_piece_starts_with_its_attributes() -> None:
    model = build()
    complete = rows(11, 14)
    within = torch.tensor([[4, 5, 6, 7, 3, 12, 14, 5, 6]])
    early = torch.tensor([[4, 12, 14, 5, 6, 3, 12, 14, 5]])
    without = torch.tensor([[4, 5, 6, 7, 8, 9, 5, 6, 7]])
    truncated = torch.tensor([[4, 5, 6, 7, 8, 9, 5, 3, 12]])
    assert model.copy_controls_to_start(within).tolist() == [[12, 14, 6, 7, 3, 12, 14, 5, 6]]
    for items in (complete, early, without, truncated):
        assert torch.equal(model.copy_controls_to_start(items), items)


def test_training_shows_every_choice_of_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = build().train(), []

    def record(self: Conditional, items: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        seen.append(shown)
        return items

    monkeypatch.setattr(Conditional, "hide_controls", record)
    torch.manual_seed(1)
    model.loss(rows(11, 14).repeat(4000, 1), 0.0)
    (shown,) = seen
    count = shown.sum(1).bincount(minlength=3) / len(shown)
    assert count.tolist() == pytest.approx([1 / 3] * 3, abs=0.03), "each number of attributes is as frequent"
    assert shown.float().mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.03)


def test_training_is_drawn_from_the_seed() -> None:
    model, items = build().train(), rows(11, 14).repeat(8, 1)
    torch.manual_seed(3)
    first, second = model.loss(items, 0.0), model.loss(items, 0.0)
    torch.manual_seed(3)
    assert torch.equal(model.loss(items, 0.0), first) and not torch.equal(first, second)


def test_it_learns_to_follow_its_controls() -> None:
    """After attribute 11 comes 5, after 12 comes 6; without attributes either."""
    model = build().train()
    items = torch.cat([rows(11, 14)[:, :5], rows(12, 14)[:, :5]])
    items[1, 4] = 6
    torch.manual_seed(2)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(200):
        optimizer.zero_grad()
        model.loss(items.repeat(64, 1), 0.0).mean().backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        given, none = model.nats_given(items)[:, 3], model.nats(items)[:, 3]
    assert (given < 0.1).all() and torch.allclose(none, torch.full((2,), 0.693), atol=0.2)
