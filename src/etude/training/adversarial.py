"""Learning by contest: a generator against a discriminator, non-saturating loss (Goodfellow et al., 2014)."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from etude.models.gan import GAN
from etude.seeds import seed_of
from etude.training import Learned, Task
from etude.training.trainer import Listed, Scheme, fit

BETAS = (0.5, 0.999)  # Radford et al., 2016
REAL = 0.9  # one-sided label smoothing, Salimans et al., 2016


def roll_features(rolls: torch.Tensor) -> dict[str, torch.Tensor]:
    """Shares that describe binary rolls (N, voices, steps, pitches): each sums to 1 over its last axis.

    ``pitch`` (voices, pitches + rest), ``motion`` (voices, 25): steps between successive sounding pitches of a voice,
    -12 to 12 semitones, and ``sounding`` (voices + 1): how many voices sound at once.
    """
    V = rolls.shape[1]
    rest = 1 - rolls.sum(-1, keepdim=True).clamp(max=1)
    pitch = torch.cat([rolls, rest], -1).float().mean(dim=(0, 2))  # (V, P + 1)
    place = rolls.argmax(-1)  # (N, V, S)
    on = rolls.bool().any(-1)
    both = on[..., 1:] & on[..., :-1]
    move = (place[..., 1:] - place[..., :-1]).clamp(-12, 12) + 12
    motion = torch.stack([torch.bincount(move[:, v][both[:, v]], minlength=25).float() for v in range(V)])
    sounding = torch.bincount(on.sum(1).flatten(), minlength=V + 1).float()
    return {
        "pitch": pitch / pitch.sum(-1, keepdim=True),
        "motion": motion / motion.sum(-1, keepdim=True).clamp(min=1),
        "sounding": sounding / sounding.sum(),
    }


def roll_distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Mean total-variation distance of the features of two sets of rolls, in [0, 1]; 0 for equal shares."""
    return float(torch.stack([(0.5 * (a[name] - b[name]).abs().sum(-1)).mean() for name in a]).mean())


class Adversarial(Scheme):
    """One move of the discriminator and one of the generator a round, several rounds a step."""

    monitor = "valid/roll_distance"
    model: GAN

    def __init__(self, model: GAN, task: Task) -> None:
        """See Scheme."""
        super().__init__(model, task)
        self.automatic_optimization = False
        self.windows = task.store.count("train")
        valid = task.representation.unpack(np.concatenate(list(task.store.pieces("valid"))))
        self.real = roll_features(torch.from_numpy(valid))
        self.count = len(valid)

    def draw(self, generator: np.random.Generator) -> torch.Tensor:
        """(rounds * batch_size, voices, steps, pitches) of 0 and 1."""
        places = generator.integers(self.windows, size=self.model.rounds * self.plan.batch_size)
        return torch.from_numpy(self.task.representation.unpack(self.task.store.take("train", places))).float()

    def val_dataloader(self) -> DataLoader[Any]:
        """One step; what is measured is drawn, not loaded."""
        return DataLoader(Listed([torch.zeros(1)]), batch_size=None)

    def training_step(self, real: torch.Tensor, index: int) -> None:
        """Both networks move, once a round."""
        for batch in real.split(self.plan.batch_size):
            self._contest(batch)

    def _contest(self, real: torch.Tensor) -> None:
        both: Any = self.optimizers()  # a list, as configure_optimizers gives two
        judge, forger = both
        noise = torch.randn(len(real), self.model.latent, device=self.device)
        fake = self.model(noise)
        verdict = self.model.discriminator(torch.cat([real, fake.detach()]))[:, 0]
        truth = torch.cat([torch.full((len(real),), REAL), torch.zeros(len(real))]).to(self.device)
        judged = F.binary_cross_entropy_with_logits(verdict, truth)
        self._move(judge, judged)
        forged = F.softplus(-self.model.discriminator(fake)[:, 0]).mean()
        self._move(forger, forged)
        self.log_dict({"train/discriminator_loss": judged, "train/generator_loss": forged})

    def _move(self, optimizer: Any, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=self.optim.clip, gradient_clip_algorithm="norm")
        optimizer.step()

    def validation_step(self, batch: torch.Tensor, index: int) -> None:
        """Distance of as many drawn windows as valid has from those of valid."""
        generator = torch.Generator().manual_seed(seed_of("validation", self.plan.seed))
        fake = self.model.cpu().draw(self.count, generator)
        self.model.to(self.device)
        self.log(self.monitor, roll_distance(roll_features(fake), self.real), batch_size=1)

    def configure_optimizers(self) -> Any:
        """AdamW for the discriminator, then for the generator."""
        networks = (self.model.discriminator, self.model.generator)
        return [self.adamw(network.named_parameters(), BETAS) for network in networks]


def learn(model: GAN, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(Adversarial(model, task), task, type(model).__name__)
