"""The Wasserstein GAN: binary rows with gradients, holding and repeating notes, keys, and what the critic sees."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.models.wgan import (
    OCTAVE,
    PLACES,
    WGAN,
    Convolve,
    Downsample,
    Upsample,
    count_onsets,
    hold_picks,
    prime_factors,
    separate_repeats,
    straight_through,
)

SHAPE = (3, 32, 20)  # two bars of sixteenths


def made(shape: tuple[int, int, int] = SHAPE, steps: int = 4) -> WGAN:
    torch.manual_seed(0)
    return WGAN(shape, steps, latent=6, hidden=8, row=2, critic_steps=2, penalty=10.0, rounds=1)


def one_hot(pitches: list[int], size: int = 4) -> torch.Tensor:
    """One voice: (1, T, 1, size)."""
    return torch.nn.functional.one_hot(torch.tensor(pitches), size).float()[None, :, None]


def gate(starts: list[int]) -> torch.Tensor:
    return torch.tensor(starts).float()[None, :, None]


def test_rows_are_binary_with_one_pitch_a_voice_and_every_weight_gets_a_gradient() -> None:
    wgan = made()
    places = torch.zeros(5, 2, PLACES)
    rows = wgan(wgan.noise(5, 2), places)
    assert rows.shape == (5, 64, 3, 20)
    assert torch.allclose(rows, rows.round(), atol=1e-6) and 0 < rows.sum(-1).max() <= 1 + 1e-6
    wgan.critic(rows, places).sum().backward()
    for name, weight in wgan.generator.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


def test_straight_through_has_the_values_of_one_and_the_gradient_of_the_other() -> None:
    weight = torch.tensor([0.3, -2.0], requires_grad=True)
    soft = weight.sigmoid()
    found = straight_through(soft > 0.5, soft)
    assert found.tolist() == pytest.approx([1, 0])
    found.sum().backward()
    assert weight.grad is not None
    assert torch.allclose(weight.grad, (soft * (1 - soft)).detach())


def test_a_pick_is_held_until_the_next_start() -> None:
    found = hold_picks(gate([1, 0, 0, 1, 1, 0]), one_hot([2, 0, 1, 3, 3, 0]))
    assert found.argmax(-1).flatten().tolist() == [2, 2, 2, 3, 3, 3]
    assert found.sum(-1).eq(1).all()


def test_a_note_ends_a_step_before_its_pitch_starts_again() -> None:
    held = one_hot([1, 1, 1, 1, 2, 2])
    assert separate_repeats(gate([1, 0, 1, 0, 1, 0]), held).sum(-1).flatten().tolist() == [1, 0, 1, 1, 1, 1]
    assert torch.equal(separate_repeats(gate([1, 0, 0, 0, 1, 0]), held), held), "its pitch did not start again"
    short = separate_repeats(gate([1, 1, 1, 0, 1, 0]), held)
    assert torch.equal(short, held), "notes of one step merge with the next, as in the representation"


@hypothesis(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=2, max_size=24))
def test_a_roll_s_onsets_are_the_starts_of_its_notes(steps: list[tuple[bool, int]]) -> None:
    starts = gate([1, *(int(start) for start, _ in steps[1:])])
    picks = one_hot([pitch for _, pitch in steps])
    roll = separate_repeats(starts, hold_picks(starts, picks)[..., :3])  # pitch 3 is the rest
    assert set(roll.flatten().tolist()) <= {0.0, 1.0}
    sounding = roll[0, :, 0].bool()
    expected = [
        float(sum(now and not before for now, before in zip(row, past, strict=True)))
        for row, past in zip(sounding.tolist(), [[False] * 3, *sounding.tolist()[:-1]], strict=True)
    ]
    assert count_onsets(roll).flatten().tolist() == expected
    assert all(starts[0, step, 0] for step, count in enumerate(expected) if count)


def test_another_key_is_the_same_piece_transposed() -> None:
    wgan = made((3, 32, 40)).eval()
    noise, places = wgan.noise(1, 2, torch.Generator().manual_seed(3)), torch.zeros(1, 2, PLACES)
    with torch.no_grad():
        scores = torch.randn(1, 8, 3, 40 + OCTAVE)
        low, high = (wgan.generator._shift_to_key(scores, torch.tensor([key])) for key in (2, 7))
        assert torch.equal(high[..., 5:-1], low[..., :-6]) and torch.equal(high[..., -1], low[..., -1])
        rows = [wgan(noise._replace(key=torch.tensor([key])), places) for key in range(OCTAVE)]
    assert len({row.numpy().tobytes() for row in rows}) == OCTAVE


def test_the_same_generator_draws_the_same_piece_whose_windows_differ() -> None:
    wgan = made().eval()
    first, same, other = (wgan.draw(3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == (3, 3, 32, 20) and set(first.unique().tolist()) <= {0, 1}
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_a_piece_s_windows_share_the_noise_of_the_piece_and_nothing_else() -> None:
    noise = made().noise(4, 3)
    assert noise.piece.shape == (4, 4, 6) and noise.window.shape == (4, 3, 6)
    assert noise.bar.shape == (4, 3, 2, 4, 6) and noise.key.shape == (4,)
    assert noise.pick.shape == (4, 96, 3, 21) and noise.start.shape == (4, 96, 3)
    assert noise.pick.min() > 0 and noise.pick.max() < 1


def test_the_neurons_follow_their_probabilities() -> None:
    wgan = made()
    noise, places = wgan.noise(2000, 1), torch.zeros(2000, 1, PLACES)
    still = noise._replace(**{name: getattr(noise, name)[:1].expand_as(getattr(noise, name)) for name in noise._fields})
    varied = still._replace(pick=noise.pick)
    with torch.no_grad():
        wgan.generator.meter.fill_(20.0)  # every step starts
        wgan.generator.range.zero_()
        for weights in wgan.generator.scores:
            weights.zero_()
        wgan.generator.range[0, 3] = 2.0
        rows = wgan(varied, places)
    share = rows[:, 0, 0, 3].mean().item()
    e = 2.718281828**2
    assert share == pytest.approx(e / (e + 20), abs=0.04)
    with torch.no_grad():
        assert wgan(still, places).unique(dim=0).shape[0] == 1


def test_a_temperature_divides_the_logits_of_both_neurons() -> None:
    wgan, temperature = made(), 0.4
    cold = copy.deepcopy(wgan)
    with torch.no_grad():
        for weight in [*cold.generator.scores, cold.generator.range, cold.generator.meter]:
            weight.div_(temperature)
        cold.generator.starts.linear.weight.div_(temperature)
        cold.generator.starts.linear.bias.div_(temperature)
    rng = torch.Generator().manual_seed
    assert torch.equal(wgan.draw(4, rng(1), temperature), cold.draw(4, rng(1)))
    assert not torch.equal(wgan.draw(4, rng(1), temperature), wgan.draw(4, rng(1)))


def test_the_layers_are_convolutions() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 4)  # (B, T, channels)
    channels = x.transpose(1, 2)
    downsample, upsample, convolve = Downsample(4, 5, 3), Upsample(4, 5, 3), Convolve(4, 5)
    weight = downsample.linear.weight.view(5, 3, 4).transpose(1, 2)
    expected = torch.nn.functional.conv1d(channels, weight, downsample.linear.bias, stride=3)
    assert torch.allclose(downsample(x), expected.transpose(1, 2), atol=1e-6)
    weight = convolve.linear.weight.view(5, 3, 4).transpose(1, 2)
    expected = torch.nn.functional.conv1d(channels, weight, convolve.linear.bias, padding=1)
    assert torch.allclose(convolve(x), expected.transpose(1, 2), atol=1e-6)
    weight = upsample.linear.weight.view(3, 5, 4).permute(2, 1, 0)
    expected = torch.nn.functional.conv_transpose1d(channels, weight, stride=3).transpose(1, 2)
    assert torch.allclose(upsample(x), expected + upsample.linear.bias.view(3, 5).repeat(6, 1), atol=1e-6)


def test_the_critic_distinguishes_repeated_from_held_notes_and_knows_the_place() -> None:
    wgan = made()
    torch.manual_seed(1)
    held = torch.zeros(1, 64, 3, 20)
    held[..., 7] = 1
    places = torch.zeros(1, 2, PLACES)
    started = places.clone()
    started[0, 0, 0] = 1
    assert count_onsets(held).sum() == 3
    apart = held.clone()
    apart[:, 7] = 0
    assert count_onsets(apart).sum() == 6
    assert wgan.critic(held, places).shape == (1,)
    assert wgan.critic(held, places) != wgan.critic(held, started)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6, 12])
def test_any_grid_and_any_number_of_windows_works(steps: int) -> None:
    wgan = made((2, 8 * steps, 13), steps)
    for windows in (1, 3):
        places = torch.zeros(2, windows, PLACES)
        rows = wgan(wgan.noise(2, windows), places)
        assert rows.shape == (2, 8 * steps * windows, 2, 13)
        assert wgan.critic(rows, places).shape == (2,)


def test_windows_that_are_no_whole_bars_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bars have 4 quarter notes, .* have 6\. Set beats of the representation"):
        made((3, 24, 20))


def test_prime_factors() -> None:
    assert [prime_factors(number) for number in (1, 2, 4, 6, 12, 7)] == [[], [2], [2, 2], [2, 3], [2, 2, 3], [7]]
