"""Learning each cell given all others: cross entropy of all cells of windows of the train pieces (Besag, 1975)."""

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from etude.models.deepbach import DeepBach, batches, bounded, framed
from etude.representations.base.grid import HOLD
from etude.training import Learned, Task
from etude.training.trainer import Listed, Scheme, fit


class PseudoLikelihood(Scheme):
    """Windows drawn evenly over the original pieces, one of each piece's copies at a time."""

    monitor = "valid/pseudo_nats_per_cell"
    model: DeepBach

    def __init__(self, model: DeepBach, task: Task) -> None:
        """See Scheme."""
        super().__init__(model, task)
        origins = np.load(task.store.folder / "train.origins.npy", allow_pickle=False)
        self.starts = np.append(np.flatnonzero(np.diff(origins, prepend=-1)), len(origins))  # copies stand by origin
        self.store = task.store
        self.voices = len(model.names)
        self.valid = batches(list(task.store.pieces("valid")), self.voices)
        self.cost, self.cells = 0.0, 0

    def draw(self, generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch of windows as ``framed`` gives them.

        A window lies over a piece's begin or end as often as half its length says.
        """
        window = self.model.window
        rows = []
        for _ in range(self.config.batch_size):
            origin = int(generator.integers(len(self.starts) - 1))
            copy = int(generator.integers(self.starts[origin], self.starts[origin + 1]))
            piece = bounded(torch.from_numpy(self.store.piece("train", copy).astype(np.int64)), self.voices)
            start = int(generator.integers(-window // 2, max(1, len(piece) - window // 2)))
            start = min(max(start, 0), max(0, len(piece) - window))
            rows.append(piece[start : start + window])
        return framed(rows, self.voices)

    def val_dataloader(self) -> DataLoader[Any]:
        """The whole valid pieces."""
        return DataLoader(Listed(self.valid), batch_size=None)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        """Mean cost of a cell."""
        costs, _ = self.model.nats(*batch)
        loss = costs.sum() / (batch[0] >= HOLD).sum()
        self.log("train/pseudo_nats_per_cell", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin a new sum."""
        self.cost, self.cells = 0.0, 0

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor], index: int) -> None:
        """Cost of some pieces."""
        costs, _ = self.model.nats(*batch)
        self.cost += float(costs.double().sum())
        self.cells += int((batch[0] >= HOLD).sum())

    def on_validation_epoch_end(self) -> None:
        """Nats per cell on valid."""
        self.log(self.monitor, self.cost / max(1, self.cells), prog_bar=False)

    def configure_optimizers(self) -> Any:
        """AdamW."""
        return self.adamw(self.model.named_parameters())


def learn(model: DeepBach, task: Task) -> Learned:
    """Train and leave the best weights in ``model``, and with them how often train has each token."""
    for piece in task.store.pieces("train"):
        for voice, counts in enumerate(model.counts):
            counts += torch.bincount(torch.from_numpy(piece[:, voice].astype(np.int64)) - HOLD, minlength=len(counts))
    return fit(PseudoLikelihood(model, task), task, type(model).__name__)
