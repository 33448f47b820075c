"""Learning by contest: a generator against a discriminator, non-saturating loss (Goodfellow et al., 2014)."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from etude.core.seeds import seed_of
from etude.models.gan import GAN
from etude.training import Learned, Task
from etude.training.trainer import Listed, Scheme, fit

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


class Contest(Scheme):
    """Two networks of a model that learn against each other on windows of rolls; what they draw is what is measured."""

    monitor = "valid/roll_distance"
    networks: ClassVar[tuple[str, str]]  # of the model: the one that judges, then the generator
    betas: ClassVar[tuple[float, float]]

    def __init__(self, model: Any, task: Task) -> None:
        """See Scheme."""
        super().__init__(model, task)
        self.automatic_optimization = False
        valid = [task.representation.unpack(windows) for windows in task.store.pieces("valid")]
        self.real = roll_features(torch.from_numpy(np.concatenate(valid)))
        self.counts = [len(windows) for windows in valid]

    def val_dataloader(self) -> DataLoader[Any]:
        """One step; what is measured is drawn, not loaded."""
        return DataLoader(Listed([torch.zeros(1)]), batch_size=None)

    def sample_pieces(self, generator: torch.Generator) -> torch.Tensor:
        """As many windows as valid has, 0 and 1: (windows, voices, steps, pitches)."""
        raise NotImplementedError(f"{type(self).__name__} must define drawn(generator).")

    def validation_step(self, batch: torch.Tensor, index: int) -> None:
        """Distance of as many drawn windows as valid has from those of valid."""
        self.model.cpu()
        fake = self.sample_pieces(torch.Generator().manual_seed(seed_of("validation", self.config.seed)))
        self.model.to(self.device)
        self.log(self.monitor, roll_distance(roll_features(fake), self.real), batch_size=1)

    def move(self, optimizer: Any, loss: torch.Tensor) -> None:
        """One step of one network."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=self.optim.clip, gradient_clip_algorithm="norm")
        optimizer.step()

    def configure_optimizers(self) -> Any:
        """AdamW for each network."""
        return [self.adamw(getattr(self.model, name).named_parameters(), self.betas) for name in self.networks]


class Adversarial(Contest):
    """One move of the discriminator and one of the generator a round, several rounds a step."""

    networks = ("discriminator", "generator")
    betas = (0.5, 0.999)  # Radford et al., 2016
    model: GAN

    def __init__(self, model: GAN, task: Task) -> None:
        """See Scheme."""
        super().__init__(model, task)
        self.windows = task.store.count("train")

    def draw(self, generator: np.random.Generator) -> torch.Tensor:
        """(rounds * batch_size, voices, steps, pitches) of 0 and 1."""
        places = generator.integers(self.windows, size=self.model.rounds * self.config.batch_size)
        return torch.from_numpy(self.task.representation.unpack(self.task.store.take("train", places))).float()

    def sample_pieces(self, generator: torch.Generator) -> torch.Tensor:
        """See Contest."""
        return self.model.draw(sum(self.counts), generator)

    def training_step(self, real: torch.Tensor, index: int) -> None:
        """Both networks move, once a round."""
        for batch in real.chunk(self.model.rounds):
            self._contest(batch)

    def _contest(self, real: torch.Tensor) -> None:
        both: Any = self.optimizers()  # a list, as configure_optimizers gives two
        judge, forger = both
        noise = torch.randn(len(real), self.model.latent, device=self.device)
        fake = self.model(noise)
        verdict = self.model.discriminator(torch.cat([real, fake.detach()]))[:, 0]
        truth = torch.cat([torch.full((len(real),), REAL), torch.zeros(len(real))]).to(self.device)
        judged = F.binary_cross_entropy_with_logits(verdict, truth)
        self.move(judge, judged)
        forged = F.softplus(-self.model.discriminator(fake)[:, 0]).mean()
        self.move(forger, forged)
        self.log_dict({"train/discriminator_loss": judged, "train/generator_loss": forged})


def learn(model: GAN, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(Adversarial(model, task), task, type(model).__name__)
