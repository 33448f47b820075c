"""Adversarial learning: a generator against a discriminator, non-saturating loss (Goodfellow et al., 2014)."""

from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler

from etude.core.seeds import seed_of
from etude.models.gan import GAN
from etude.training.data import TrainingData
from etude.training.task import Learned, Task
from etude.training.trainer import Objective, Scheduled, fit

REAL = 0.9  # one-sided label smoothing, Salimans et al., 2016
SAMPLES_ALONE = [torch.zeros(1)]  # the batches of a validation that draws samples and reads no data


def roll_features(rolls: Tensor) -> dict[str, Tensor]:
    """Distributions that describe binary rolls (N, voices, steps, pitches): each sums to 1 over its last axis.

    ``pitch`` (voices, pitches + rest); ``motion`` (voices, 25): intervals between successive sounding pitches of a
    voice, -12 to 12 semitones; ``sounding`` (voices + 1): number of voices that sound at once.
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


def roll_distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Mean total-variation distance of the features of two sets of rolls, in [0, 1]; 0 where they are equal."""
    return float(torch.stack([(0.5 * (a[name] - b[name]).abs().sum(-1)).mean() for name in a]).mean())


class TwoNetworks(Objective):
    """Two networks of a model learn against each other on windows of rolls; validation measures samples."""

    monitor = "valid/roll_distance"
    networks: ClassVar[tuple[str, str]]  # attributes of the model: discriminator or critic, then the generator
    betas: ClassVar[tuple[float, float]]

    def __init__(self, model: nn.Module, task: Task) -> None:
        """See Objective."""
        super().__init__(model, task)
        self.automatic_optimization = False
        valid = [task.representation.unpack(windows) for windows in task.store.pieces("valid")]
        self.real = roll_features(torch.from_numpy(np.concatenate(valid)))
        self.counts = [len(windows) for windows in valid]

    def sample_windows(self, rng: torch.Generator) -> Tensor:
        """Draw as many windows as valid has, 0 and 1: (windows, voices, steps, pitches)."""
        raise NotImplementedError(f"{type(self).__name__} must define sample_windows(rng).")

    def validation_step(self, batch: Tensor, index: int) -> None:
        """Distance between the windows of valid and as many samples."""
        self.model.cpu()
        fake = self.sample_windows(torch.Generator().manual_seed(seed_of("validation", self.config.seed)))
        self.model.to(self.device)
        self.log(self.monitor, roll_distance(roll_features(fake), self.real), batch_size=1)

    def both_optimizers(self) -> list[Any]:
        """The optimizers of both networks, in the order of ``networks``, as Lightning wraps them."""
        return cast("list[Any]", self.optimizers())

    def update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """Update one network."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=self.optim.clip, gradient_clip_algorithm="norm")
        optimizer.step()

    def on_train_batch_end(self, *_: Any) -> None:
        """Set the learning rates of the next step: Lightning does so where there is one optimizer."""
        for scheduler in cast("list[LRScheduler]", self.lr_schedulers()):
            scheduler.step()

    def configure_optimizers(self) -> list[Scheduled]:
        """AdamW and its learning rate for each network."""
        return [self.adamw(getattr(self.model, name).named_parameters(), self.betas) for name in self.networks]


class Windows(TrainingData[Tensor]):
    """Windows of the train pieces."""

    def __init__(self, model: GAN, task: Task) -> None:
        """Args: the model that reads them, and what it learns from."""
        super().__init__(task, SAMPLES_ALONE)
        self.rounds, self.unpack = model.rounds, task.representation.unpack

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Draw windows of 0 and 1: (rounds * batch_size, voices, steps, pitches)."""
        places = rng.integers(self.store.count("train"), size=self.rounds * self.config.batch_size)
        return torch.from_numpy(self.unpack(self.store.take("train", places))).float()


class Adversarial(TwoNetworks):
    """One update of the discriminator and one of the generator a round, several rounds a step."""

    networks = ("discriminator", "generator")
    betas = (0.5, 0.999)  # Radford et al., 2016
    model: GAN

    def sample_windows(self, rng: torch.Generator) -> Tensor:
        """See TwoNetworks."""
        return self.model.draw(sum(self.counts), rng)

    def training_step(self, real: Tensor, index: int) -> None:
        """Update both networks once a round."""
        for batch in real.chunk(self.model.rounds):
            self._run_round(batch)

    def _run_round(self, real: Tensor) -> None:
        discriminator, generator = self.both_optimizers()
        noise = torch.randn(len(real), self.model.latent, device=self.device)
        fake = self.model(noise)
        logits = self.model.discriminator(torch.cat([real, fake.detach()]))[:, 0]
        targets = torch.cat([torch.full((len(real),), REAL), torch.zeros(len(real))]).to(self.device)
        discriminator_loss = F.binary_cross_entropy_with_logits(logits, targets)
        self.update(discriminator, discriminator_loss)
        generator_loss = F.softplus(-self.model.discriminator(fake)[:, 0]).mean()
        self.update(generator, generator_loss)
        self.log_dict({"train/discriminator_loss": discriminator_loss, "train/generator_loss": generator_loss})


def learn(model: GAN, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(Adversarial(model, task), Windows(model, task))
