"""Learning each cell given all others: cross entropy of all cells of windows of the train pieces (Besag, 1975)."""

import numpy as np
import torch

from etude.models.deepbach import DeepBach, add_bounds, batches, pad_pieces
from etude.representations.base.grid import HOLD
from etude.training.data import Pieces
from etude.training.task import Learned, Task
from etude.training.trainer import Objective, Scheduled, fit

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # as pad_pieces gives them


class Windows(Pieces[Batch]):
    """Windows of train pieces, and the complete valid pieces."""

    def __init__(self, model: DeepBach, task: Task) -> None:
        """Args: the model that reads them, and what it learns from."""
        self.window, self.voices = model.window, len(model.names)
        super().__init__(task, batches(list(task.store.pieces("valid")), self.voices))

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of windows.

        Half a window of the start positions count as the piece's start, and half as its end.
        """
        window = self.window
        rows = []
        for _ in range(self.config.batch_size):
            piece = add_bounds(torch.from_numpy(self.draw_piece(rng).astype(np.int64)), self.voices)
            start = int(rng.integers(-window // 2, max(1, len(piece) - window // 2)))
            start = min(max(start, 0), max(0, len(piece) - window))
            rows.append(piece[start : start + window])
        return pad_pieces(rows, self.voices)


class PseudoLikelihood(Objective):
    """The mean cost of a cell given all others; validation measures complete pieces."""

    monitor = "valid/pseudo_nats_per_cell"
    model: DeepBach

    def __init__(self, model: DeepBach, task: Task) -> None:
        """See Objective."""
        super().__init__(model, task)
        self.cost, self.cells = 0.0, 0

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

    def configure_optimizers(self) -> Scheduled:
        """AdamW and its learning rate."""
        return self.adamw(self.model.named_parameters())


def learn(model: DeepBach, task: Task) -> Learned:
    """Train, leave the best weights in ``model``, and count in it how often train has each token."""
    for piece in task.store.pieces("train"):
        for voice, counts in enumerate(model.counts):
            counts += torch.bincount(torch.from_numpy(piece[:, voice].astype(np.int64)) - HOLD, minlength=len(counts))
    return fit(PseudoLikelihood(model, task), Windows(model, task))
