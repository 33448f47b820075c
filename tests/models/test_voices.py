"""Voices: its features beside a plain loop over the past, its cache in any portions, and transposed pieces."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.core.errors import EtudeError
from etude.models.sequence import rotary
from etude.models.voices import (
    AGES,
    INTERVALS,
    LONGEST,
    SPAN,
    Block,
    Features,
    Member,
    Voices,
    echoes,
    interval,
    observed,
)
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.base.vocabulary import ItemSpec

VOCABULARY, FRAME = 30, 3
GRIDS = st.integers(1, 12).flatmap(
    lambda frames: st.lists(
        st.lists(st.sampled_from([HOLD, HOLD, REST, FIRST, 9, 17, 29]), min_size=FRAME, max_size=FRAME),
        min_size=frames,
        max_size=frames,
    )
)


def made(seed: int = 0, **changes: Any) -> Voices:
    torch.manual_seed(seed)
    sizes = {
        "hidden": 16,
        "layers": 2,
        "cell_layers": 2,
        "heads": 2,
        "span": 100,
        "former": 2,
        "members": 2,
        "dropout": 0.3,
        "feature_dropout": 0.2,
        "temperature": 1.2,
        **changes,
    }
    return Voices(ItemSpec(VOCABULARY), FRAME, 2, **sizes).eval()


def piece(frames: int, seed: int, low: int = FIRST, high: int = VOCABULARY) -> torch.Tensor:
    """(1, 1 + frames * voices): begin, then pitches, holds and rests."""
    random = np.random.default_rng(seed)
    cells = random.integers(low, high, (frames, FRAME))
    cells[random.random(cells.shape) < 0.5] = HOLD
    cells[random.random(cells.shape) < 0.1] = REST
    return torch.from_numpy(np.concatenate([[1], cells.flatten()]))[None]


@hypothesis(deadline=None, max_examples=60)
@given(GRIDS)
def test_what_is_heard_is_what_a_walk_through_the_past_finds(grid: list[list[int]]) -> None:
    known = observed(torch.tensor([grid]), 2)
    home, pitch = 0, [0] * FRAME
    age: list[int | None] = [None] * FRAME
    former: list[list[int]] = [[0, 0] for _ in range(FRAME)]
    for frame, cells in enumerate(grid):
        assert known.home[0, frame] == home
        for voice, token in enumerate(cells):
            if token != HOLD:
                former[voice] = [pitch[voice], former[voice][0]] if age[voice] is not None else former[voice]
                pitch[voice], age[voice] = token, 0
            elif age[voice] is not None:
                age[voice] = age[voice] + 1  # type: ignore[operator]
        home = home or (cells[-1] if cells[-1] >= FIRST else 0)
        assert known.token[0, frame + 1].tolist() == cells
        assert known.pitch[0, frame + 1].tolist() == pitch
        assert known.age[0, frame + 1].tolist() == [AGES - 2 if a is None else min(a, AGES - 2) for a in age]
        assert [[past[0, frame + 1, v].item() for past in known.former] for v in range(FRAME)] == former


@hypothesis(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from([HOLD, FIRST, 9]), min_size=2, max_size=2), min_size=1, max_size=50), st.data()
)
def test_echoes_are_what_a_search_through_the_past_finds(grid: list[list[int]], data: Any) -> None:
    known = observed(torch.tensor([grid]), 1)
    start = data.draw(st.integers(0, len(grid) - 1))
    found = echoes(known, 2, start)
    after = [
        tuple(zip(*rows, strict=True)) for rows in zip(known.token[0].tolist(), known.pitch[0].tolist(), strict=True)
    ]

    def search(frame: int, voices: list[int]) -> tuple[int, int]:
        best = (0, 0)
        for lag in range(4, frame, 2):
            length = 0
            while (
                length < LONGEST
                and frame - lag - length > 0
                and all(after[frame - length][v] == after[frame - lag - length][v] for v in voices)
            ):
                length += 1
            best = max(best, (length, -lag))
        return best[0], frame + 1 + best[1]

    for frame in range(start, len(grid)):
        for voice in range(2):
            for echo, voices in zip(found, ([0, 1], [voice]), strict=True):
                length, next_to = search(frame, voices)
                assert echo.frames[0, frame - start, voice] == length
                assert echo.token[0, frame - start, voice] == (after[next_to][voice][0] if length else 0)


@torch.no_grad()
def test_a_repeat_is_told_until_a_voice_goes_astray() -> None:
    torch.manual_seed(0)
    model, first = made(), piece(24, 6)
    tokens = torch.cat([first, first[:, 1:]], dim=1)  # the same 24 frames again
    known = observed(tokens[:, 1:].unflatten(1, (48, FRAME)), 2)
    echo = echoes(known, 2, 0)[0]
    assert torch.equal(echo.token[:, 36:], known.token[:, 37:])
    tokens[:, -FRAME] = FIRST + (tokens[:, -FRAME] - FIRST + 1) % 7  # the first voice of the last frame
    told = model._of_cells(observed(tokens[:, 1:].unflatten(1, (48, FRAME)), 2), 47)[0]
    astray = told[-4] // FRAME % 2
    assert astray.tolist() == [[[0, 1, 1]]]


def test_intervals_are_counted_from_one_and_clipped() -> None:
    found = interval(torch.tensor([9, 8, 5, 200, 5, HOLD, 9]), torch.tensor([9, 9, 9, 5, 200, 9, REST])).tolist()
    assert found == [SPAN + 1, SPAN, SPAN - 3, INTERVALS - 1, 1, 0, 0]


@torch.no_grad()
def test_a_cell_changes_what_is_foretold_after_it_and_nothing_before() -> None:
    model, tokens = made(), piece(8, 1)
    logits, _ = model(tokens)
    for place in range(1, tokens.shape[1]):
        other = tokens.clone()
        other[0, place] = FIRST + (other[0, place] - FIRST + 1) % (VOCABULARY - FIRST)
        changed, _ = model(other)
        assert torch.allclose(logits[:, :place], changed[:, :place], atol=1e-5)
        assert not torch.allclose(logits[:, place], changed[:, place], atol=1e-4)


@pytest.mark.parametrize("span", [1, 2, 3, 100])
@pytest.mark.parametrize("cuts", [[1, 2, 3, 20], [4, 5], [1, 4, 7, 10, 13], [6, 24]])
@torch.no_grad()
def test_portions_of_any_size_give_the_whole(cuts: list[int], span: int) -> None:
    model, tokens = made(span=span), torch.cat([piece(8, 2), piece(8, 3)])
    whole, _ = model(tokens)
    state, parts = None, []
    for start, end in pairwise([0, *cuts, tokens.shape[1]]):
        logits, state = model(tokens[:, start:end], state)
        parts.append(logits)
    assert [part.shape[1] for part in parts] == [end - start for start, end in pairwise([0, *cuts, 25])]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


@torch.no_grad()
def test_a_block_sees_its_span_and_no_further() -> None:
    block, turn = Block(16, 2, 3, 0.0).eval(), rotary(0, 12, 8, 1000.0, torch.device("cpu"))
    frames = torch.randn(1, 12, 16, generator=torch.Generator().manual_seed(5))
    other = frames.clone()
    other[:, 5] += 1 + frames[:, 5] ** 2
    moved = (block(frames, turn, None)[0] - block(other, turn, None)[0]).abs() > 1e-6
    assert moved.any(-1)[0].nonzero()[:, 0].tolist() == [5, 6, 7]


@torch.no_grad()
def test_without_absolute_pitch_a_transposed_piece_costs_the_same() -> None:
    model = made(members=1)
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
        )  # shares depend on the pitches at the ends of the range too, ratios do not
        kinds = logits[..., :FIRST]
        pitches = logits[..., FIRST + 4 + (5 if tokens is high else 0) :][..., : VOCABULARY - FIRST - 12]
        costs.append((kinds, pitches))
    assert torch.allclose(costs[0][0], costs[1][0], atol=1e-5)
    assert torch.allclose(costs[0][1], costs[1][1], atol=1e-5)


@torch.no_grad()
def test_members_foretell_the_mean_of_their_shares() -> None:
    model, tokens = made(), piece(8, 7)
    shares = []
    for member in model.members:
        alone = made(members=1)
        alone.members[0].load_state_dict(member.state_dict())
        shares.append(alone(tokens)[0].exp())
    assert not torch.allclose(shares[0], shares[1], atol=1e-3)
    assert torch.allclose(model(tokens)[0].exp(), (shares[0] + shares[1]) / 2, atol=1e-6)


def test_each_row_of_a_batch_teaches_one_member() -> None:
    model = made(dropout=0.0, feature_dropout=0.0).train()
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
def test_the_temperature_divides_what_a_trained_network_foretells() -> None:
    warm, cold, tokens = made(members=1, temperature=2.0), made(members=1, temperature=1.0), piece(8, 10)
    assert torch.allclose((cold(tokens)[0] / 2).log_softmax(-1), warm(tokens)[0], atol=1e-5)


@torch.no_grad()
def test_training_forgets_a_share_of_the_features_and_keeps_their_mean() -> None:
    torch.manual_seed(0)
    features = Features([4, 3, 5], 8, 0.4)
    values = [torch.full((4000,), value) for value in (1, 2, 3)]
    whole = features.eval()(values)
    rows = features.table.weight[[1, 4 + 2, 4 + 3 + 3]]
    assert torch.allclose(whole[0], rows.sum(0), atol=1e-6)
    sample_pieces = features.train()(values)
    assert torch.allclose(sample_pieces.mean(0), whole[0], atol=0.1)
    subsets = {tuple((row * 0.6).round(decimals=4).tolist()) for row in sample_pieces}
    sums = {
        tuple((torch.tensor(chosen, dtype=torch.float) @ rows).round(decimals=4).tolist())
        for chosen in np.ndindex(2, 2, 2)
    }
    assert len(subsets) == len(sums) == 8


def test_the_place_in_the_bar_is_told() -> None:
    model = made()
    tokens = torch.tensor([[1, *[HOLD] * 60]])
    told = model._of_cells(observed(tokens[:, 1:].unflatten(1, (20, FRAME)), 2), 0)[0]
    four, three = (values[0, :, 0] // FRAME for values in told[-2:])
    assert four.tolist() == [place % 8 for place in range(20)]
    assert three.tolist() == [place % 6 for place in range(20)]
    assert model.stride == 24 * FRAME


def test_heads_that_do_not_fit_are_refused() -> None:
    with pytest.raises(EtudeError, match=r"voices\.hidden = 16 must be a multiple of twice models\.voices\.heads = 3"):
        made(heads=3)
