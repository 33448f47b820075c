"""Learning each cell given all others: cross entropy of all cells of windows of the train pieces (Besag, 1975)."""

import numpy as np
import torch
from torch.utils.data import DataLoader

from etude.models.deepbach import DeepBach, add_bounds, batches, pad_pieces
from etude.representations.base.grid import HOLD
from etude.training.task import Learned, Task
from etude.training.trainer import Objective, ReadyBatches, fit

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # as pad_pieces gives them


class PseudoLikelihood(Objective):
    """Windows are drawn evenly over the original pieces, each from one of the piece's copies."""

    monitor = "valid/pseudo_nats_per_cell"
    model: DeepBach

    def __init__(self, model: DeepBach, task: Task) -> None:
        """See Objective."""
        super().__init__(model, task)
        origins = np.load(task.store.folder / "train.origins.npy", allow_pickle=False)
        self.starts = np.append(np.flatnonzero(np.diff(origins, prepend=-1)), len(origins))  # copies stand by origin
        self.store = task.store
        self.voices = len(model.names)
        self.valid = batches(list(task.store.pieces("valid")), self.voices)
        self.cost, self.cells = 0.0, 0

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of windows.

        Half a window of the start positions count as the piece's start, and half as its end.
        """
        window = self.model.window
        rows = []
        for _ in range(self.config.batch_size):
            origin = int(rng.integers(len(self.starts) - 1))
            copy = int(rng.integers(self.starts[origin], self.starts[origin + 1]))
            piece = add_bounds(torch.from_numpy(self.store.piece("train", copy).astype(np.int64)), self.voices)
            start = int(rng.integers(-window // 2, max(1, len(piece) - window // 2)))
            start = min(max(start, 0), max(0, len(piece) - window))
            rows.append(piece[start : start + window])
        return pad_pieces(rows, self.voices)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The complete valid pieces."""
        return DataLoader(ReadyBatches(self.valid), batch_size=None)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Mean cost of a cell."""
        cells, known, lengths = batch
        if most := self.model.transpose:
            cells, known = self.model.move_pitches(cells, known, torch.randint(-most, most + 1, (len(cells), 1, 1)))
        costs, _ = self.model.nats(cells, known, lengths)
        loss = costs.sum() / (batch[0] >= HOLD).sum()
        self.log("train/pseudo_nats_per_cell", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start a new sum."""
        self.cost, self.cells = 0.0, 0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add the cost of some pieces."""
        costs, _ = self.model.nats(*batch)
        self.cost += float(costs.double().sum())
        self.cells += int((batch[0] >= HOLD).sum())

    def on_validation_epoch_end(self) -> None:
        """Nats per cell on valid."""
        self.log(self.monitor, self.cost / max(1, self.cells), prog_bar=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        return self.adamw(self.model.named_parameters())


def learn(model: DeepBach, task: Task) -> Learned:
    """Train, leave the best weights in ``model``, and count in it how often train has each token."""
    for piece in task.store.pieces("train"):
        for voice, counts in enumerate(model.counts):
            counts += torch.bincount(torch.from_numpy(piece[:, voice].astype(np.int64)) - HOLD, minlength=len(counts))
    return fit(PseudoLikelihood(model, task), task)
