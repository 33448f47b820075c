"""Learning by contest: a generator against a critic that measures a Wasserstein distance (Arjovsky et al., 2017).

The critic is held to a gradient of norm 1 by a penalty (Gulrajani et al., 2017).
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from etude.models.wgan import PLACES, WGAN
from etude.training import Learned, Task
from etude.training.adversarial import Contest
from etude.training.trainer import fit

Rows = tuple[Tensor, Tensor]  # rolls (B, T, V, P) and the places of their windows (B, W, PLACES)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean of (norm of the critic's gradient - 1)^2 between real and fake, one place a row (Gulrajani et al., 2017).

    Args:
        critic: (B, ...) -> (B,).
        real: (B, ...).
        fake: the same shape; no gradient flows into it.
        mix: (B,) in [0, 1], the share of real.
    """
    share = mix.view(-1, *[1] * (real.dim() - 1))
    between = (share * real + (1 - share) * fake.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


class Wasserstein(Contest):
    """Some moves of the critic, each on rows of its own, then one of the generator."""

    networks = ("critic", "generator")
    betas = (0.0, 0.9)  # Gulrajani et al., 2017
    model: WGAN

    def __init__(self, model: WGAN, task: Task) -> None:
        """See Scheme. A row is ``model.row`` windows in a row of one piece, or as many as the longest piece has."""
        super().__init__(model, task)
        offsets = np.asarray(task.store.offsets("train"))
        self.row = int(min(model.row, np.diff(offsets).max()))
        fits = [np.arange(start, end - self.row + 1) for start, end in pairwise(offsets.tolist())]
        self.rows = max(1, self.config.batch_size // self.row)
        self.starts = np.concatenate(fits)
        self.places = np.zeros((offsets[-1], PLACES), dtype=np.float32)
        self.places[offsets[:-1][np.diff(offsets) > 0], 0] = 1
        self.places[offsets[1:][np.diff(offsets) > 0] - 1, 1] = 1

    def draw(self, generator: np.random.Generator) -> Rows:
        """Rows of 0 and 1, for each move of the critic as many as have batch_size windows together."""
        count = self.model.rounds * self.model.critic_steps * self.rows
        windows = generator.choice(self.starts, count)[:, None] + np.arange(self.row)  # (B, W)
        rolls = self.task.representation.unpack(self.task.store.take("train", windows.ravel()))  # (B W, V, S, P)
        _, voices, _, pitches = rolls.shape
        rows = rolls.transpose(0, 2, 1, 3).reshape(count, -1, voices, pitches)
        return torch.from_numpy(rows).float(), torch.from_numpy(self.places[windows])

    def sample_pieces(self, generator: torch.Generator) -> Tensor:
        """See Contest; pieces of as many windows as the valid pieces have."""
        return torch.cat([self.model.draw(windows, generator) for windows in self.counts])

    def training_step(self, rows: Rows, index: int) -> None:
        """The critic moves critic_steps times, then the generator once, each round."""
        count = self.model.rounds * self.model.critic_steps
        moves = list(zip(*(part.chunk(count) for part in rows), strict=True))
        for start in range(0, len(moves), self.model.critic_steps):
            self._contest(moves[start : start + self.model.critic_steps])

    def _contest(self, moves: list[Rows]) -> None:
        both: Any = self.optimizers()  # a list, as configure_optimizers gives two
        judge, forger = both
        for real, places in moves:
            with torch.no_grad():
                fake = self._forged(places)
            worth, price = self.model.critic(torch.cat([real, fake]), torch.cat([places, places])).chunk(2)
            apart = worth.mean() - price.mean()
            mix = torch.rand(len(real), device=self.device)
            penalty = gradient_penalty(partial(self.model.critic, places=places), real, fake, mix)
            self.move(judge, self.model.penalty * penalty - apart)
        self.toggle_optimizer(forger)
        loss = -self.model.critic(self._forged(places), places).mean()
        self.move(forger, loss)
        self.untoggle_optimizer(forger)
        told = {"train/wasserstein": apart, "train/gradient_penalty": penalty, "train/generator_loss": loss}
        self.log_dict(told, batch_size=len(real))

    def _forged(self, places: Tensor) -> Tensor:
        forged: Tensor = self.model(self.model.noise(*places.shape[:2]), places)
        return forged


def learn(model: WGAN, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(Wasserstein(model, task), task, type(model).__name__)
