"""Ensembles of sequence models."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from etude.core.errors import EtudeError
from etude.models.building import build_model
from etude.models.ensemble import Ensemble
from etude.models.gru import GRU
from etude.representations.base.vocabulary import ItemSpec

SECTION = {
    "_target_": "etude.models.gru.GRU",
    "representation": "x",
    "objective": "next_token",
    "hidden": 8,
    "layers": 1,
}
SECTION |= {"dropout": 0.0, "recurrent_dropout": 0.0, "lr_scale": 2.0}


def make(kind: str = "tokens", **changes: Any) -> Any:
    torch.manual_seed(1)
    representation: Any = SimpleNamespace(kind=kind, item_spec=ItemSpec(12, keys=kind == "frames"))
    return build_model({**SECTION, **changes}, "gru", representation)


def test_networks_are_of_one_kind_and_have_weights_of_their_own() -> None:
    ensemble = make(networks=3)
    assert isinstance(ensemble, Ensemble) and ensemble.lr_scale == 2.0
    assert len(ensemble.networks) == 3 and all(isinstance(network, GRU) for network in ensemble.networks)
    first, second = (dict(network.named_parameters()) for network in list(ensemble.networks)[:2])
    assert not any(torch.equal(first[name], second[name]) for name in first if first[name].dim() > 1)
    assert isinstance(make(networks=1), GRU) and isinstance(make(), GRU)


def test_the_probability_of_a_token_is_the_mean_of_the_networks() -> None:
    ensemble = make(networks=3).eval()
    tokens = torch.randint(1, 12, (2, 9))
    with torch.no_grad():
        each = torch.stack([network.predict(tokens) for network in ensemble.networks])
        assert torch.allclose(ensemble.predict(tokens), each.mean(0), atol=1e-6)
        assert torch.allclose(
            ensemble.nats(tokens), -each.mean(0).gather(-1, tokens[:, 1:, None])[..., 0].log(), atol=1e-5
        )


def test_the_probability_of_a_key_is_the_mean_of_the_networks() -> None:
    ensemble = make("frames", networks=2).eval()
    frames = (torch.rand(2, 7, 12) < 0.3).float()
    with torch.no_grad():
        each = torch.stack([network.predict(frames) for network in ensemble.networks])
    assert torch.allclose(ensemble.predict(frames), each.mean(0), atol=1e-6)


def test_steps_with_a_state_give_the_costs_of_the_complete_sequence() -> None:
    ensemble = make(networks=2).eval()
    tokens = torch.randint(1, 12, (3, 9))
    state, costs = None, []
    with torch.no_grad():
        whole = ensemble.nats(tokens)
        for place in range(8):
            logits, state = ensemble.step(tokens[:, place], state)
            costs.append(-logits.log_softmax(-1).gather(1, tokens[:, place + 1, None])[:, 0])
    assert torch.allclose(torch.stack(costs, 1), whole, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_each_row_of_a_batch_teaches_one_network(rows: int) -> None:
    ensemble = make(networks=3).train()
    tokens = torch.randint(1, 12, (rows, 9))
    for row in range(rows):
        ensemble.zero_grad()
        ensemble.loss(tokens, 0.0)[row].sum().backward()
        taught = [
            any(part.grad is not None and part.grad.any() for part in one.parameters()) for one in ensemble.networks
        ]
        assert taught == [place == row % 3 for place in range(3)]


@pytest.mark.parametrize("kind", ["gan.GAN", "conditional.Conditional", "voices.Voices"])
def test_what_cannot_be_several_networks_is_refused(kind: str) -> None:
    with pytest.raises(EtudeError, match=r"models\.gru\.networks = 2 is for models that predict the next item alone"):
        make(networks=2, _target_=f"etude.models.{kind}")
    with pytest.raises(EtudeError, match=r"models\.gru\.networks = 0"):
        make(networks=0)
