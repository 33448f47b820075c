import torch

from etude.models.gan import GAN


def made() -> GAN:
    torch.manual_seed(0)
    return GAN((4, 8, 10), latent=6, hidden=16, dropout=0.3, rounds=2)


def test_rolls_are_binary_with_one_pitch_a_voice_and_carry_gradients() -> None:
    gan = made()
    rolls = gan(torch.randn(5, 6))
    assert rolls.shape == (5, 4, 8, 10)
    assert torch.allclose(rolls, rolls.round(), atol=1e-6) and rolls.sum(-1).max() <= 1 + 1e-6
    gan.discriminator(rolls).sum().backward()
    gradient = next(gan.generator.parameters()).grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_the_same_generator_draws_the_same_rolls() -> None:
    gan = made().eval()
    first, same, other = (gan.draw(3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_without_temperature_every_window_is_the_same() -> None:
    gan = made().eval()
    assert len(gan.draw(5, torch.Generator().manual_seed(1), 0.0).unique(dim=0)) == 1
    assert len(gan.draw(5, torch.Generator().manual_seed(1)).unique(dim=0)) > 1
