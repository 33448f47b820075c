"""Generative adversarial network on piano rolls: dense generator and discriminator (Goodfellow et al., 2014)."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.check import Count, Range
from etude.models.finite import require_finite


class GAN(nn.Module):
    """A dense generator of piano-roll windows and a dense discriminator.

    For each voice and step the generator gives logits over the pitches and a rest; the highest sounds. The gradient
    passes straight through that choice (Bengio et al., 2013), so that the discriminator sees only binary rolls.
    """

    reads: ClassVar[tuple[str, ...]] = ("rolls",)
    takes: ClassVar[tuple[str, ...]] = ("shape",)
    sampler: ClassVar[str] = "windows"

    def __init__(
        self,
        shape: tuple[int, int, int],
        latent: Count,
        hidden: Count,
        dropout: Annotated[float, Range(0, 0.95)],
        rounds: Count,
    ) -> None:
        """Set up both networks.

        Args:
            shape: (voices, steps, pitches) of a window.
            latent: size of the noise.
            hidden: width of the layers.
            dropout: rate in the discriminator.
            rounds: updates of both networks in one training step.
        """
        super().__init__()
        self.shape, self.latent, self.rounds = shape, latent, rounds
        voices, steps, pitches = shape
        self.generator = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 2 * hidden),
            nn.LayerNorm(2 * hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(2 * hidden, voices * steps * (pitches + 1)),
        )
        self.discriminator = nn.Sequential(
            nn.Flatten(),
            nn.Linear(voices * steps * pitches, hidden),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden // 2),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(hidden // 2, 1),
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Binary rolls, with gradients, for noise (B, latent): (B, voices, steps, pitches)."""
        voices, steps, pitches = self.shape
        logits = self.generator(noise).view(-1, voices, steps, pitches + 1)  # (B, voices, steps, pitches + rest)
        probabilities = logits.softmax(-1)
        choice = F.one_hot(logits.argmax(-1), pitches + 1)
        return (choice + (probabilities - probabilities.detach()))[..., :pitches]

    @torch.no_grad()
    def draw(self, count: int, rng: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Draw ``count`` windows of 0 and 1: (count, voices, steps, pitches).

        ``temperature`` multiplies the noise (the truncation of Brock et al., 2019, without a hard limit).
        """
        rolls = self(temperature * torch.randn(count, self.latent, generator=rng))
        require_finite(rolls)
        return rolls.to(torch.uint8)
