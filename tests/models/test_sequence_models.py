"""What holds for every model of token sequences."""

import numpy as np
import pytest
import torch

from etude.models.lstm import LSTM
from etude.models.lstm_attention import LSTMAttention
from etude.models.ngram import NGram
from etude.models.sequence import SequenceModel
from etude.models.transformer import Transformer, rotary, rotated
from etude.models.voices import Voices

VOCABULARY = 17


def made(kind: str) -> SequenceModel:
    torch.manual_seed(0)
    if kind == "lstm":
        return LSTM(VOCABULARY, 16, 2, 0.3).eval()
    if kind == "lstm_attention":
        return LSTMAttention(VOCABULARY, 16, 2, 0.3, 2, 5).eval()
    if kind == "transformer":
        return Transformer(VOCABULARY, 16, 2, 2, 5, 0.3).eval()
    if kind == "voices":
        return Voices(VOCABULARY, 3, 2, 16, 2, 2, 2, 3, 2, 0.3).eval()
    model = NGram(VOCABULARY, 4, 10**6)
    model.count([np.random.default_rng(seed).integers(1, VOCABULARY, 50) for seed in range(4)])
    return model


KINDS = pytest.mark.parametrize("kind", ["lstm", "lstm_attention", "transformer", "voices", "ngram"])


@KINDS
def test_steps_with_a_state_give_the_costs_of_the_whole(kind: str) -> None:
    model = made(kind)
    tokens = torch.randint(1, VOCABULARY, (3, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = model.nats(tokens)
    state, costs = None, []
    for place in range(11):
        logits, state = model.step(tokens[:, place], state)
        shares = logits.double().log_softmax(-1)
        costs.append(-shares.gather(1, tokens[:, place + 1, None])[:, 0])
    assert torch.allclose(torch.stack(costs, 1), whole.double(), atol=1e-4)


@KINDS
def test_the_past_alone_decides(kind: str) -> None:
    model = made(kind)
    tokens = torch.randint(1, VOCABULARY, (1, 12), generator=torch.Generator().manual_seed(2))
    other = tokens.clone()
    other[0, 8:] = other[0, 8:] % (VOCABULARY - 1) + 1
    with torch.no_grad():
        assert torch.allclose(model.nats(tokens)[:, :7], model.nats(other)[:, :7])


@KINDS
def test_the_shares_of_all_next_tokens_add_up_to_one(kind: str) -> None:
    model = made(kind)
    state = None
    for token in (1, 4, 9, 16):
        logits, state = model.step(torch.tensor([token]), state)
        assert logits.double().softmax(-1).sum().item() == pytest.approx(1)
        if kind == "ngram":
            assert logits.exp().sum().item() == pytest.approx(1)


@KINDS
def test_padding_costs_nothing(kind: str) -> None:
    model = made(kind)
    tokens = torch.randint(1, VOCABULARY, (1, 9), generator=torch.Generator().manual_seed(3))
    padded = torch.cat([tokens, torch.zeros(1, 5, dtype=torch.long)], 1)
    with torch.no_grad():
        assert model.nats(padded).sum().item() == pytest.approx(model.nats(tokens).sum().item(), rel=1e-5)


def test_attention_looks_back_over_its_span_and_no_further() -> None:
    model = made("lstm_attention")
    assert isinstance(model, LSTMAttention)
    tokens = torch.randint(1, VOCABULARY, (1, 20))
    _, (_, keys, _) = model(tokens)
    assert keys.shape[2] == 4
    without = LSTMAttention(VOCABULARY, 16, 2, 0.3, 2, 1).eval()
    without.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert not torch.allclose(model.nats(tokens), without.nats(tokens))


def test_a_block_sees_its_span_and_no_further() -> None:
    model = Transformer(VOCABULARY, 16, 1, 2, 5, 0.0).eval()
    tokens = torch.randint(1, VOCABULARY, (1, 20), generator=torch.Generator().manual_seed(4))
    other = tokens.clone()
    other[0, 9] = other[0, 9] % (VOCABULARY - 1) + 1
    with torch.no_grad():
        changed = (model(tokens)[0] - model(other)[0]).abs().sum(-1)[0] > 0
    assert changed.nonzero()[:, 0].tolist() == [9, 10, 11, 12, 13]


def test_rotated_products_depend_on_the_distance_alone() -> None:
    a, b = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(5))

    def product(here: int, there: int) -> float:
        turns = [rotary(place, 1, 8, torch.device("cpu")) for place in (here, there)]
        return float((rotated(a, *turns[0]) * rotated(b, *turns[1])).sum())

    assert product(3, 7) == pytest.approx(product(103, 107), rel=1e-4)
    assert product(3, 7) != pytest.approx(product(3, 8), rel=1e-2)
    assert product(5, 5) == pytest.approx(float((a * b).sum()), rel=1e-5)
