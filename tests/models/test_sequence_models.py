"""What holds for every model of sequences, of tokens and of frames."""

import numpy as np
import pytest
import torch
from models.small_models import VOCABULARY, build

from etude.models.gru import GRU
from etude.models.lstm import LSTM
from etude.models.lstm_attention import LSTMAttention
from etude.models.sequence import Dropout, SequenceModel, rotary, rotate
from etude.models.transformer import Transformer, smallest_exact_batch
from etude.representations.base.vocabulary import ItemSpec

KINDS = pytest.mark.parametrize(
    "kind", ["lstm", "lstm_widths", "gru", "lstm_attention", "following", "transformer", "voices", "ngram"]
)


@KINDS
def test_steps_with_a_state_give_the_costs_of_the_complete_sequence(kind: str) -> None:
    model = build(kind)
    tokens = torch.randint(1, VOCABULARY, (3, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = model.nats(tokens)
    state, costs = None, []
    for place in range(11):
        logits, state = model.step(tokens[:, place], state)
        log_probabilities = logits.double().log_softmax(-1)
        costs.append(-log_probabilities.gather(1, tokens[:, place + 1, None])[:, 0])
    assert torch.allclose(torch.stack(costs, 1), whole.double(), atol=1e-4)


@KINDS
def test_the_past_alone_decides(kind: str) -> None:
    model = build(kind)
    tokens = torch.randint(1, VOCABULARY, (1, 12), generator=torch.Generator().manual_seed(2))
    other = tokens.clone()
    other[0, 8:] = other[0, 8:] % (VOCABULARY - 1) + 1
    with torch.no_grad():
        assert torch.allclose(model.nats(tokens)[:, :7], model.nats(other)[:, :7])


@KINDS
def test_the_probabilities_of_all_next_tokens_add_up_to_one(kind: str) -> None:
    model = build(kind)
    state = None
    for token in (1, 4, 9, 16):
        logits, state = model.step(torch.tensor([token]), state)
        assert logits.double().softmax(-1).sum().item() == pytest.approx(1)
        if kind == "ngram":
            assert logits.exp().sum().item() == pytest.approx(1)


@KINDS
def test_predictions_are_the_distributions_behind_the_costs(kind: str) -> None:
    model = build(kind)
    tokens = torch.randint(1, VOCABULARY, (3, 12), generator=torch.Generator().manual_seed(5))
    tokens[1, 7:] = 0
    found = model.predict(tokens)
    assert found.shape == (3, 11, VOCABULARY)
    costs = -found.double().clamp(min=1e-38).gather(-1, tokens[:, 1:, None])[..., 0].log()
    with torch.no_grad():
        nats = model.nats(tokens).double()
    real = model.real(tokens)[:, 1:]
    assert torch.allclose(costs[real], nats[real], atol=1e-4)
    assert torch.allclose(found.sum(-1)[real], torch.ones(int(real.sum())), atol=1e-5)


@KINDS
def test_padding_costs_nothing(kind: str) -> None:
    model = build(kind)
    tokens = torch.randint(1, VOCABULARY, (1, 9), generator=torch.Generator().manual_seed(3))
    padded = torch.cat([tokens, torch.zeros(1, 5, dtype=torch.long)], 1)
    with torch.no_grad():
        assert model.nats(padded).sum().item() == pytest.approx(model.nats(tokens).sum().item(), rel=1e-5)


def test_attention_sees_its_window_and_no_further() -> None:
    model = build("lstm_attention")
    assert isinstance(model, LSTMAttention)
    tokens = torch.randint(1, VOCABULARY, (1, 20))
    _, (_, keys, *_) = model(tokens)
    assert keys.shape[2] == 4
    without = LSTMAttention(ItemSpec(VOCABULARY), 16, 2, 0.3, 0.0, 2, 1, False, 0).eval()
    without.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert not torch.allclose(model.nats(tokens), without.nats(tokens))


def test_a_block_sees_its_attention_window_and_no_further() -> None:
    model = Transformer(ItemSpec(VOCABULARY), 16, 1, 2, 5, 0.0).eval()
    tokens = torch.randint(1, VOCABULARY, (1, 20), generator=torch.Generator().manual_seed(4))
    other = tokens.clone()
    other[0, 9] = other[0, 9] % (VOCABULARY - 1) + 1
    with torch.no_grad():
        changed = (model(tokens)[0] - model(other)[0]).abs().sum(-1)[0] > 0
    assert changed.nonzero()[:, 0].tolist() == [9, 10, 11, 12, 13]


@torch.no_grad()
def test_steps_of_a_transformer_are_the_same_in_every_batch_however_long_the_piece() -> None:
    torch.manual_seed(0)
    vocabulary = 60  # of real music; products with fewer than 24 columns sum otherwise in two threads
    model = Transformer(ItemSpec(vocabulary), 96, 2, 3, 16, 0.0).eval()
    tokens = torch.randint(1, vocabulary, (40, 80), generator=torch.Generator().manual_seed(6))
    whole, _ = model(tokens[:2])
    found = []
    for rows in (max(2, model.min_batch), max(2, model.min_batch) + 1, 16, 40):
        state, logits = None, []
        for place in range(80):
            one, state = model.step(tokens[:rows, place], state)
            logits.append(one[:2])
        found.append(torch.stack(logits, 1))
        assert state is not None and state.past.blocks[0].shape[3] == 32, (
            "keys and values of two attention windows, and no more"
        )
    assert all(torch.equal(one, found[0]) for one in found)
    assert torch.allclose(found[0], whole, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_products_are_the_same_from_the_smallest_exact_batch(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        fewest = smallest_exact_batch(((192, 192), (192, 768), (768, 192), (192, 300)), threads)
        left, right = torch.randn(40, 192), torch.randn(192, 768)
        whole = left @ right
        assert fewest <= 4, "up to three rows run another routine, more rows do not, on any known CPU"
        assert all(torch.equal(left[:rows] @ right, whole[:rows]) for rows in range(fewest, 40))
    finally:
        torch.set_num_threads(before)


def test_two_pieces_continue_from_one_state_of_a_transformer() -> None:
    model = build("transformer")
    tokens = torch.randint(1, VOCABULARY, (2, 4), generator=torch.Generator().manual_seed(7))
    state = None
    for place in range(3):
        _, state = model.step(tokens[:, place], state)

    def proceed(token: int) -> torch.Tensor:
        _, after = model.step(torch.tensor([token, token]), state)
        return model.step(tokens[:, 3], after)[0]

    first, other, again = proceed(4), proceed(9), proceed(4)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_rotated_products_depend_only_on_the_distance() -> None:
    a, b = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(5))

    def product(here: int, there: int) -> float:
        turns = [rotary(place, 1, 8, 10000.0, torch.device("cpu")) for place in (here, there)]
        return float((rotate(a, *turns[0]) * rotate(b, *turns[1])).sum())

    assert product(3, 7) == pytest.approx(product(103, 107), rel=1e-4)
    assert product(3, 7) != pytest.approx(product(3, 8), rel=1e-2)
    assert product(5, 5) == pytest.approx(float((a * b).sum()), rel=1e-5)


def test_with_follow_items_are_retrieved_by_the_states_before_them() -> None:
    torch.manual_seed(0)
    model = LSTMAttention(ItemSpec(VOCABULARY), 16, 1, 0.0, 0.0, 1, 64, True, 0).eval()
    with torch.no_grad():  # keys and queries are the plain states, values the items; nothing else reaches the head
        model.query_key.weight.copy_(torch.cat([torch.eye(16) * 8, torch.eye(16) * 8]))
        model.query_key.bias.zero_()
        model.value.load_state_dict(model.embed.state_dict())
        model.out_proj.weight.copy_(torch.eye(16))
        model.out_proj.bias.zero_()
        model.lm_head.weight.copy_(dict(model.named_parameters())["embed.weight"])
        phrase = torch.tensor([1, 5, 9, 3, 12, 7, 4])
        tokens = torch.cat([phrase, phrase[:-1]])[None]
        states, _ = model.lstm(model.embed(tokens))
        logits, _ = model(tokens)
        without = model.lm_head(states + model.embed(tokens))
    added = (logits - without)[0, 9:]  # by attention, once the states are again what they were
    assert added.argmax(-1).tolist() == [3, 12, 7, 4]


# --- of frames

FRAME_KINDS = pytest.mark.parametrize(
    "kind", ["lstm", "lstm_widths", "gru", "lstm_attention", "following", "transformer"]
)


def build_of_frames(kind: str) -> SequenceModel:
    torch.manual_seed(0)
    keys = ItemSpec(9, keys=True)
    if kind == "transformer":
        return Transformer(keys, 16, 2, 2, 5, 0.3).eval()
    if kind in ("lstm_attention", "following"):
        return LSTMAttention(keys, [12, 16], 2, 0.3, 0.0, 2, 5, kind == "following", 3 * (kind == "following")).eval()
    if kind == "gru":
        return GRU(keys, 16, 2, 0.3, 0.0).eval()
    return LSTM(keys, [16, 24, 8] if kind == "lstm_widths" else 16, 3, 0.3, 0.0).eval()


def random_frames(rows: int, length: int, seed: int = 1) -> torch.Tensor:
    return (torch.rand(rows, length, 9, generator=torch.Generator().manual_seed(seed)) < 0.3).float()


@FRAME_KINDS
@torch.no_grad()
def test_a_frame_costs_what_its_keys_cost_one_by_one(kind: str) -> None:
    model, frames = build_of_frames(kind), random_frames(3, 12)
    whole = model.nats(frames)
    assert whole.shape == (3, 11)
    state = None
    for place in range(11):
        logits, state = model.step(frames[:, place], state)
        probabilities = logits.double().sigmoid()
        after = frames[:, place + 1] > 0
        assert torch.allclose(
            -torch.where(after, probabilities, 1 - probabilities).log().sum(1), whole[:, place].double(), atol=1e-4
        )


@FRAME_KINDS
@torch.no_grad()
def test_no_key_of_a_frame_sees_the_frame_itself(kind: str) -> None:
    model, frames = build_of_frames(kind), random_frames(1, 12)
    logits, _ = model(frames)
    other = frames.clone()
    other[:, 7:] = 1 - other[:, 7:]
    changed, _ = model(other)
    assert torch.allclose(logits[:, :7], changed[:, :7], atol=1e-6) and not torch.allclose(logits[:, 7], changed[:, 7])


@FRAME_KINDS
@torch.no_grad()
def test_padding_of_frames_costs_nothing_and_silence_does(kind: str) -> None:
    model, frames = build_of_frames(kind), random_frames(1, 12)
    alone = model.nats(frames).sum().item()
    padded = torch.cat([frames, torch.from_numpy(model.item_spec.padded(1, 4))], 1)
    assert model.nats(padded).sum().item() == pytest.approx(alone, rel=1e-5)
    assert model.nats(torch.cat([frames, torch.zeros(1, 4, 9)], 1)).sum().item() > alone + 1


def test_packed_frames_come_out_as_they_went_in() -> None:
    frames = random_frames(1, 20)[0].numpy()
    keys = ItemSpec(9, keys=True)
    packed = np.packbits(frames.astype(np.uint8), axis=1)
    assert (keys.items(packed) == frames).all() and keys.items(packed[3:5]).dtype == np.float32
    assert (keys.unit, ItemSpec(9).unit) == ("frame", "note")


def test_one_width_in_a_list_is_the_same_model_and_a_list_of_another_length_is_refused() -> None:
    torch.manual_seed(3)
    one = LSTM(ItemSpec(9), 16, 2, 0.1, 0.0).state_dict()
    torch.manual_seed(3)
    other = LSTM(ItemSpec(9), [16, 16], 2, 0.1, 0.0).state_dict()
    assert list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(ValueError, match=r"hidden = \[16, 8\] names 2 widths, but layers = 3"):
        GRU(ItemSpec(9), [16, 8], 3, 0.1, 0.0)
    with pytest.raises(ValueError, match=r"heads = 3 must divide hidden = \[8, 16\], the last"):
        LSTMAttention(ItemSpec(9), [8, 16], 2, 0.1, 0.0, 3, 5, False, 0)


def test_forget_gates_start_open_and_recurrent_weights_orthogonal() -> None:
    for hidden in (16, [8, 16]):
        weights = LSTM(ItemSpec(9), hidden, 2, 0.1, 0.0).state_dict()
        biases = [tensor for name, tensor in weights.items() if "bias_ih" in name]
        assert len(biases) == 2
        for bias in biases:
            width = len(bias) // 4
            assert bias.nonzero()[:, 0].tolist() == list(range(width, 2 * width))
    for name, tensor in GRU(ItemSpec(9), 16, 2, 0.1, 0.0).state_dict().items():
        if "weight_hh" in name:
            for gate in tensor.chunk(3):
                assert torch.allclose(gate @ gate.T, torch.eye(16), atol=1e-5)
        elif "recurrent.bias" in name:
            assert not tensor.any()


@pytest.mark.parametrize("hidden", [16, [24, 16]])
def test_recurrent_dropout_takes_recurrent_weights_away_in_training_alone(hidden: int | list[int]) -> None:
    torch.manual_seed(0)
    plain = GRU(ItemSpec(9), hidden, 2, 0.0, 0.0)
    dropped = GRU(ItemSpec(9), hidden, 2, 0.0, 0.5)
    dropped.load_state_dict(plain.state_dict())
    tokens = torch.randint(1, 9, (2, 8), generator=torch.Generator().manual_seed(1))
    kept = {name: weight.clone() for name, weight in dropped.state_dict().items()}
    first, again = dropped.nats(tokens), dropped.nats(tokens)
    assert torch.equal(first[:, 0], again[:, 0])  # no recurrent weight has a part in the first cost of zero states
    assert not torch.allclose(first[:, 2:], again[:, 2:])
    first.sum().backward()
    for name, weight in dropped.named_parameters():
        share = (weight.grad == 0).float().mean() if weight.grad is not None else None
        assert share is not None and ("weight_hh" not in name or 0.35 < share < 0.65)
    assert all(torch.equal(kept[name], weight) for name, weight in dropped.state_dict().items())
    assert torch.equal(dropped.eval().nats(tokens), plain.eval().nats(tokens))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.95])
def test_dropout_leaves_out_its_share_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    layer = Dropout(rate)
    features = torch.ones(1000, 101, requires_grad=True)
    found = layer(features)
    found.sum().backward()
    left_out = (found == 0).float().mean().item()
    assert left_out == pytest.approx(rate, abs=0.005)
    assert found.mean().item() == pytest.approx(1, abs=0.02)
    assert features.grad is not None and torch.equal(features.grad, found.detach())
    assert torch.equal(layer.eval()(features), features)


def test_dropout_is_drawn_from_the_seed_and_again_each_time() -> None:
    layer, features = Dropout(0.3), torch.ones(7, 5)
    torch.manual_seed(1)
    first, second = layer(features), layer(features)
    torch.manual_seed(1)
    assert torch.equal(layer(features), first) and not torch.equal(first, second)
    assert layer(features.bfloat16()).dtype == torch.bfloat16
