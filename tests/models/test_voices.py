"""Voices: its features compared with a plain loop over the past, its cache in any portions, transposed pieces."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from etude.models.sequence import rotary
from etude.models.voices import Block, FeatureEmbedding, Member, Voices
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.base.vocabulary import ItemSpec

VOCABULARY, FRAME = 30, 3


def build(seed: int = 0, **changes: Any) -> Voices:
    torch.manual_seed(seed)
    sizes = {
        "hidden": 16,
        "layers": 2,
        "cell_layers": 2,
        "heads": 2,
        "attention_window": 100,
        "previous_pitches": 2,
        "members": 2,
        "dropout": 0.3,
        "feature_dropout": 0.2,
        "temperature": 1.2,
        "transpose": 0,
        "hinted": 0.0,
        **changes,
    }
    return Voices(ItemSpec(VOCABULARY), FRAME, 2, **sizes).eval()


def piece(frames: int, seed: int, low: int = FIRST, high: int = VOCABULARY) -> torch.Tensor:
    """(1, 1 + frames * voices): start, then pitches, holds and rests."""
    random = np.random.default_rng(seed)
    cells = random.integers(low, high, (frames, FRAME))
    cells[random.random(cells.shape) < 0.5] = HOLD
    cells[random.random(cells.shape) < 0.1] = REST
    return torch.from_numpy(np.concatenate([[1], cells.flatten()]))[None]


@torch.no_grad()
def test_a_cell_changes_predictions_after_it_and_none_before() -> None:
    model, tokens = build(), piece(8, 1)
    logits, _ = model(tokens)
    for place in range(1, tokens.shape[1]):
        other = tokens.clone()
        other[0, place] = FIRST + (other[0, place] - FIRST + 1) % (VOCABULARY - FIRST)
        changed, _ = model(other)
        assert torch.allclose(logits[:, :place], changed[:, :place], atol=1e-5)
        assert not torch.allclose(logits[:, place], changed[:, place], atol=1e-4)


@pytest.mark.parametrize("window", [1, 2, 3, 100])
@pytest.mark.parametrize("cuts", [[1, 2, 3, 20], [4, 5], [1, 4, 7, 10, 13], [6, 24]])
@torch.no_grad()
def test_portions_of_any_size_give_the_complete_logits(cuts: list[int], window: int) -> None:
    model, tokens = build(attention_window=window), torch.cat([piece(8, 2), piece(8, 3)])
    whole, _ = model(tokens)
    state, parts = None, []
    for start, end in pairwise([0, *cuts, tokens.shape[1]]):
        logits, state = model(tokens[:, start:end], state)
        parts.append(logits)
    assert [part.shape[1] for part in parts] == [end - start for start, end in pairwise([0, *cuts, 25])]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


@torch.no_grad()
def test_a_block_sees_its_attention_window_and_no_further() -> None:
    block, turn = Block(16, 2, 3, 0.0).eval(), rotary(0, 12, 8, 1000.0, torch.device("cpu"))
    frames = torch.randn(1, 12, 16, generator=torch.Generator().manual_seed(5))
    other = frames.clone()
    other[:, 5] += 1 + frames[:, 5] ** 2
    moved = (block(frames, turn, None)[0] - block(other, turn, None)[0]).abs() > 1e-6
    assert moved.any(-1)[0].nonzero()[:, 0].tolist() == [5, 6, 7]


@torch.no_grad()
def test_without_absolute_pitch_a_transposed_piece_costs_the_same() -> None:
    model = build(members=1)
    [member] = model.members
    assert isinstance(member, Member)
    for start in [member.frames.starts[5 * voice] for voice in range(FRAME)]:
        member.frames.table.weight[start + FIRST : start + VOCABULARY] = 0
    member.cells.table.weight[: VOCABULARY * FRAME] = 0
    member.absolute.weight[FIRST:], member.absolute.bias[FIRST:] = 0, 0
    low = piece(10, 4, FIRST + 4, VOCABULARY - 8)
    high = torch.where(low >= FIRST, low + 5, low)
    costs = []
    for tokens in (low, high):
        logits = model(tokens)[0].double()
        assert torch.isfinite(logits).all()
        logits = (
            logits - logits[..., HOLD:REST]
        )  # probabilities depend on the pitches at the ends of the range too, ratios do not
        kinds = logits[..., :FIRST]
        pitches = logits[..., FIRST + 4 + (5 if tokens is high else 0) :][..., : VOCABULARY - FIRST - 12]
        costs.append((kinds, pitches))
    assert torch.allclose(costs[0][0], costs[1][0], atol=1e-5)
    assert torch.allclose(costs[0][1], costs[1][1], atol=1e-5)


@torch.no_grad()
def test_hints_change_predictions_in_portions_of_any_size_and_as_far_as_they_reach() -> None:
    model, tokens = build(hinted=0.5), torch.cat([piece(8, 2), piece(8, 3)])
    melody = tokens[:, 1::FRAME]
    opening = model.start(torch.tensor([5, 0]), melody)
    whole, _ = model(tokens, opening)
    without, _ = model(tokens)
    assert not torch.allclose(whole, without, atol=1e-3)
    state, parts = opening, []
    for start, end in pairwise([0, 2, 3, 9, tokens.shape[1]]):
        logits, state = model(tokens[:, start:end], state)
        parts.append(logits)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
    known, _ = model(tokens, model.start(torch.tensor([5, 0]), torch.where(torch.tensor([[True], [False]]), melody, 0)))
    assert torch.allclose(known[0], whole[0], atol=1e-5) and torch.allclose(known[1], without[1], atol=1e-5)


@torch.no_grad()
def test_forgotten_frames_take_their_hints_along() -> None:
    model, tokens = build(), piece(20, 4)
    keys, melody = torch.tensor([3]), tokens[:, 1::FRAME]
    tokens[0, 1 + 12 * FRAME] = FIRST  # a note starts
    _, state = model(tokens, model.start(keys, melody))
    rest, _ = model(tokens[:, 12 * FRAME :], model.restart(state, 12 * FRAME))
    own, _ = model(tokens[:, 12 * FRAME :], model.start(keys, melody[:, 12:]))
    assert torch.allclose(rest[:, FRAME:], own[:, FRAME:], atol=1e-5)  # in the first frame it is known what came before


def test_training_gives_hints_to_its_share_of_the_rows() -> None:
    tokens = piece(8, 5).expand(400, -1)
    hints = build(hinted=0.5)._hints(tokens)
    told, with_melody = hints.keys > 0, hints.melody.flatten(1).any(1)
    assert 150 < told.sum() < 250 and 60 < with_melody.sum() < 140 and not (with_melody & ~told).any()
    assert not build(hinted=0.0)._hints(tokens).keys.any()


@torch.no_grad()
def test_members_predict_the_mean_of_their_probabilities() -> None:
    model, tokens = build(), piece(8, 7)
    probabilities = []
    for member in model.members:
        alone = build(members=1)
        alone.members[0].load_state_dict(member.state_dict())
        probabilities.append(alone(tokens)[0].exp())
    assert not torch.allclose(probabilities[0], probabilities[1], atol=1e-3)
    assert torch.allclose(model(tokens)[0].exp(), sum(probabilities) / 2, atol=1e-6)


def test_each_row_of_a_batch_teaches_one_member() -> None:
    model = build(dropout=0.0, feature_dropout=0.0).train()
    model.loss(torch.cat([piece(8, 8), piece(8, 9)])[:1], 0.0).sum().backward()
    taught = [any(weight.grad is not None for weight in member.parameters()) for member in model.members]
    assert taught == [True, False]
    model.zero_grad(set_to_none=True)
    costs = model.loss(torch.cat([piece(8, 8), piece(8, 9), piece(8, 8)]), 0.0).sum(dim=1)
    assert torch.allclose(costs[0], costs[2])  # the first and the third row are the first member's
    costs[1].backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in model.members[0].parameters())
    assert any(weight.grad is not None and weight.grad.any() for weight in model.members[1].parameters())


@torch.no_grad()
def test_the_temperature_divides_the_logits() -> None:
    warm, cold, tokens = build(members=1, temperature=2.0), build(members=1, temperature=1.0), piece(8, 10)
    assert torch.allclose((cold(tokens)[0] / 2).log_softmax(-1), warm(tokens)[0], atol=1e-5)


@torch.no_grad()
def test_training_drops_a_share_of_the_features_and_keeps_their_mean() -> None:
    torch.manual_seed(0)
    features = FeatureEmbedding({"a": 4, "b": 3, "c": 5}, 8, 0.4)
    values = {name: torch.full((4000,), value) for name, value in (("a", 1), ("b", 2), ("c", 3))}
    whole = features.eval()(values)
    rows = features.table.weight[[1, 4 + 2, 4 + 3 + 3]]
    assert torch.allclose(whole[0], rows.sum(0), atol=1e-6)
    thinned = features.train()(values)
    assert torch.allclose(thinned.mean(0), whole[0], atol=0.1)
    subsets = {tuple((row * 0.6).round(decimals=4).tolist()) for row in thinned}
    sums = {
        tuple((torch.tensor(chosen, dtype=torch.float) @ rows).round(decimals=4).tolist())
        for chosen in np.ndindex(2, 2, 2)
    }
    assert len(subsets) == len(sums) == 8


def test_heads_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"hidden = 16 must be a multiple of twice heads = 3"):
        build(heads=3)


def test_training_moves_pitches_as_far_as_the_vocabulary_goes() -> None:
    model = build(transpose=4)
    rows = torch.tensor([[1, HOLD, REST, FIRST, 20], [1, REST, 12, 13, 14], [1, REST, HOLD, REST, 0]])
    moved = model.move_pitches(rows, torch.tensor([[-3], [4], [2]]))
    assert moved.tolist() == [rows[0].tolist(), [1, REST, 16, 17, 18], rows[2].tolist()]
    assert model.move_pitches(rows[:1], torch.tensor([[40]])).tolist() == [[1, HOLD, REST, FIRST + 9, VOCABULARY - 1]]
    whole = torch.cat([piece(8, 1, low=14, high=20), piece(8, 1, low=14, high=20)])
    plain = build()
    assert torch.equal(model.nats(whole), plain.nats(whole)), "only in training"
    model.train(), plain.train()
    torch.manual_seed(0)
    costs = model.loss(whole, 0.0)
    torch.manual_seed(0)
    assert not torch.equal(costs, plain.loss(whole, 0.0))
