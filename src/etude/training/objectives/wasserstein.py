"""Adversarial learning: a generator against a critic that measures a Wasserstein distance (Arjovsky et al., 2017).

A penalty keeps the norm of the critic's gradient near 1 (Gulrajani et al., 2017).
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from etude.models.wgan import PLACES, WGAN
from etude.training.data import TrainingData
from etude.training.objectives.adversarial import SAMPLES_ALONE, TwoNetworks
from etude.training.task import Learned, Task
from etude.training.trainer import fit

Rows = tuple[Tensor, Tensor]  # rolls (B, T, V, P) and the places of their windows (B, W, PLACES)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean of (norm of the critic's gradient - 1)^2 between real and fake, one place a row (Gulrajani et al., 2017).

    Args:
        critic: (B, ...) -> (B,).
        real: (B, ...).
        fake: the same shape; no gradient flows into it.
        mix: (B,) in [0, 1], share of real.
    """
    share = mix.view(-1, *[1] * (real.dim() - 1))
    between = (share * real + (1 - share) * fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


class RowsOfWindows(TrainingData[Rows]):
    """Rows of successive windows of a train piece: ``model.row`` of them, or as many as the longest piece has."""

    def __init__(self, model: WGAN, task: Task) -> None:
        """Args: the model that reads them, and what it learns from."""
        super().__init__(task, SAMPLES_ALONE)
        offsets = np.asarray(self.store.offsets("train"))
        self.row = int(min(model.row, np.diff(offsets).max()))
        fits = [np.arange(start, end - self.row + 1) for start, end in pairwise(offsets.tolist())]
        self.starts = np.concatenate(fits)
        self.count = model.rounds * model.critic_steps * max(1, self.config.batch_size // self.row)
        self.unpack = task.representation.unpack
        self.places = np.zeros((offsets[-1], PLACES), dtype=np.float32)
        self.places[offsets[:-1][np.diff(offsets) > 0], 0] = 1
        self.places[offsets[1:][np.diff(offsets) > 0] - 1, 1] = 1

    def draw(self, rng: np.random.Generator) -> Rows:
        """Draw rows of 0 and 1: for each update of the critic as many as have batch_size windows together."""
        windows = rng.choice(self.starts, self.count)[:, None] + np.arange(self.row)  # (B, W)
        rolls = self.unpack(self.store.take("train", windows.ravel()))  # (B W, V, S, P)
        _, voices, _, pitches = rolls.shape
        rows = rolls.transpose(0, 2, 1, 3).reshape(self.count, -1, voices, pitches)
        return torch.from_numpy(rows).float(), torch.from_numpy(self.places[windows])


class Wasserstein(TwoNetworks):
    """Some updates of the critic, each on its own rows, then one of the generator."""

    networks = ("critic", "generator")
    betas = (0.0, 0.9)  # Gulrajani et al., 2017
    model: WGAN

    def sample_windows(self, rng: torch.Generator) -> Tensor:
        """See TwoNetworks; the pieces have as many windows as those of valid."""
        return torch.cat([self.model.draw(windows, rng) for windows in self.counts])

    def training_step(self, rows: Rows, index: int) -> None:
        """Update the critic critic_steps times, then the generator once, each round."""
        count = self.model.rounds * self.model.critic_steps
        batches = list(zip(*(part.chunk(count) for part in rows), strict=True))
        for start in range(0, len(batches), self.model.critic_steps):
            self._run_round(batches[start : start + self.model.critic_steps])

    def _run_round(self, batches: list[Rows]) -> None:
        critic, generator = self.both_optimizers()
        for real, places in batches:
            with torch.no_grad():
                fake = self._generate(places)
            of_real, of_fake = self.model.critic(torch.cat([real, fake]), torch.cat([places, places])).chunk(2)
            distance = of_real.mean() - of_fake.mean()
            mix = torch.rand(len(real), device=self.device)
            penalty = gradient_penalty(partial(self.model.critic, places=places), real, fake, mix)
            self.update(critic, self.model.penalty * penalty - distance)
        self.toggle_optimizer(generator)
        loss = -self.model.critic(self._generate(places), places).mean()
        self.update(generator, loss)
        self.untoggle_optimizer(generator)
        row = {"train/wasserstein": distance, "train/gradient_penalty": penalty, "train/generator_loss": loss}
        self.log_dict(row, batch_size=len(real))

    def _generate(self, places: Tensor) -> Tensor:
        fake: Tensor = self.model(self.model.noise(*places.shape[:2]), places)
        return fake


def learn(model: WGAN, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(Wasserstein(model, task), RowsOfWindows(model, task))
