import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from etude.models.ngram import NGram, match_repeats
from etude.models.weights import save_weights


def test_bigram_computed_manually() -> None:
    model = NGram(4, 2, 10**6)
    model.count([np.array([1, 3, 3, 2])])
    # unigrams: 3 twice, 2 once: (count + kinds / V) / (3 + 2); bigrams after 3: 3 once, 2 once
    uni = {3: (2 + 2 / 4) / 5, 2: (1 + 2 / 4) / 5}
    after_1, after_3 = (1 + uni[3]) / 2, {3: (1 + 2 * uni[3]) / 4, 2: (1 + 2 * uni[2]) / 4}
    costs = model.nats(torch.tensor([[1, 3, 3, 2]]))[0].numpy()
    assert np.exp(-costs) == pytest.approx([after_1, after_3[3], after_3[2]])


def test_an_unseen_context_backs_off_to_the_shorter_one() -> None:
    model = NGram(6, 3, 10**6)
    model.count([np.array([1, 3, 4, 3, 4, 2])])
    logits, _ = model.step(torch.tensor([5]))
    p = logits.exp()[0]
    assert p.sum().item() == pytest.approx(1) and p[3] == p[4] > p[2] > p[5] > 0


def test_longer_contexts_help_where_there_is_a_pattern() -> None:
    pattern = [np.tile([3, 4, 3, 5], 30) for _ in range(3)]
    model = NGram(6, 3, 10**6)
    model.count(pattern)
    tokens = torch.from_numpy(pattern[0][None].astype(np.int64))
    costs = []
    for use in (1, 2, 3):
        model.use = use
        costs.append(model.nats(tokens).sum().item())
    assert costs[0] > costs[1] > 3 * costs[2]


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = NGram(6, 3, 10**6)
    model.count([np.array([1, 3, 4, 3, 4, 2]), np.array([1, 5, 4, 2])])
    model.use = 2
    first = save_weights(model, tmp_path / "a.safetensors")
    again = NGram(6, 3, 10**6)
    again.load_state_dict(load_file(tmp_path / "a.safetensors"))
    tokens = torch.tensor([[1, 3, 4, 2]])
    assert again.use == 2 and torch.equal(again.nats(tokens), model.nats(tokens))
    assert save_weights(again, tmp_path / "b.safetensors") == first


def test_a_repeat_match_is_what_followed_the_last_time() -> None:
    assert match_repeats(np.array([1, 5, 7, 5, 8, 5, 3])).tolist() == [-1, -1, -1, -1, 7, -1, 8]


def test_a_repeat_match_reaches_past_what_lies_between() -> None:
    """Two voices, 3 and 4, keep a pitch each (5 or higher), with noise (20 or higher) between their notes."""
    draw = np.random.default_rng(0)

    def piece() -> np.ndarray:
        high, low = draw.integers(5, 12, size=2)
        noise = draw.integers(20, 30, size=(40, 5))
        return np.array([token for row in noise for token in (*row, 3, high, *row[::-1], 4, low)])

    bigram, matching = NGram(30, 2, 10**6), NGram(30, 3, 10**6)
    for model in (bigram, matching):
        model.count([piece() for _ in range(30)])
    tokens = piece()
    pitches = np.flatnonzero(np.isin(tokens[:-1], (3, 4)))[4:]
    costs = [model.nats(torch.from_numpy(tokens[None]))[0].numpy()[pitches].mean() for model in (bigram, matching)]
    assert costs[0] > 1.5 > 0.3 > costs[1]


def test_a_step_gives_what_the_whole_piece_gives() -> None:
    draw = np.random.default_rng(1)
    model = NGram(9, 4, 10**6)
    model.count([draw.integers(3, 9, size=80) for _ in range(5)])
    tokens, state, costs = draw.integers(3, 9, size=60), None, []
    for now, following in itertools.pairwise(tokens):
        logits, state = model.step(torch.tensor([now]), state)
        costs.append(-logits[0, following].item())
    assert costs == pytest.approx(model.nats(torch.from_numpy(tokens[None]))[0].tolist())


@pytest.mark.parametrize("use", [1, 2, 4])
def test_predictions_of_a_piece_are_those_of_its_steps(use: int) -> None:
    draw = np.random.default_rng(2)
    model = NGram(9, 4, 10**6)
    model.count([draw.integers(3, 8, size=60) for _ in range(4)])
    model.use = use
    tokens = draw.integers(3, 9, size=(2, 30))  # 8 was never observed
    tokens[1, 20:] = 0
    found, state = model.predict(torch.from_numpy(tokens)), None
    assert found.shape == (2, 29, 9) and not found[1, 19:].any()
    for place in range(29):
        logits, state = model.step(torch.from_numpy(tokens[:, place]), state)
        rows = 2 if place < 19 else 1
        assert torch.allclose(found[:rows, place], logits[:rows].exp().float(), atol=1e-6)
