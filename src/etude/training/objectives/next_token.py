"""Learning to predict the next item, a token or a frame: its cost on windows of the train pieces."""

import numpy as np
import torch

from etude.metrics.likelihood import batches, per_unit
from etude.models.sequence import SequenceModel
from etude.training.data import Pieces
from etude.training.task import Learned, Task
from etude.training.trainer import Objective, Scheduled, fit


class Windows(Pieces[torch.Tensor]):
    """Windows of train pieces, and the complete valid pieces: their places, and items (B, T) or (B, T, keys)."""

    def __init__(self, model: SequenceModel, task: Task) -> None:
        """Args: the model that reads them, and what it learns from."""
        valid = batches(list(task.store.pieces("valid")), model.item_spec)
        super().__init__(task, [(torch.tensor(places), items) for places, items in valid])
        self.item_spec, self.stride = model.item_spec, model.stride

    def draw(self, rng: np.random.Generator) -> torch.Tensor:
        """Draw tokens (batch_size, window), or frames (batch_size, window, keys).

        A piece that fits is one window. In a longer one, half a window of the start positions count as the piece's
        start. The end of a piece may stand anywhere in the second half of a window: were windows pushed back into the
        piece, all ends would come last, and a model would learn to expect them only there.
        """
        window, stride = self.config.window, self.stride
        batch = self.item_spec.padded(self.config.batch_size, window)
        for row in batch:
            piece = self.draw_piece(rng)
            start = int(rng.integers(-window // 2, max(1, len(piece) - window // 2)))
            start = max(0, start) if len(piece) > window else 0
            start = min(-(-start // stride), max(0, len(piece) - 2) // stride) * stride
            part = self.item_spec.items(piece[start : start + window])
            row[: len(part)] = part
        return torch.from_numpy(batch)


class NextToken(Objective):
    """The mean cost of the next item; validation measures complete pieces."""

    model: SequenceModel

    def __init__(self, model: SequenceModel, task: Task) -> None:
        """See Objective."""
        super().__init__(model, task)
        self.monitor = f"valid/nats_per_{model.item_spec.unit}"
        self.facts = task.store.manifest["pieces"]["valid"]
        self.nats, self.measured = np.zeros(0), np.zeros(0, dtype=bool)

    def training_step(self, items: torch.Tensor, index: int) -> torch.Tensor:
        """Mean cost an item."""
        costs = self.model.loss(items, self.optim.label_smoothing)
        loss = costs.sum() / self.model.real(items[:, 1:]).sum()
        self.log(f"train/nats_per_{'frame' if self.model.item_spec.keys else 'token'}", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start a new sum."""
        self.nats, self.measured = np.zeros(len(self.facts)), np.zeros(len(self.facts), dtype=bool)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> None:
        """Cost of each piece."""
        places = batch[0].cpu().numpy()
        self.measured[places] = True
        self.nats[places] = self.model.nats(batch[1]).double().sum(dim=1).cpu().numpy()

    def on_validation_epoch_end(self) -> None:
        """Nats per note, or per frame, on those valid pieces that were measured: all, or ``limit_val_batches``."""
        facts = [entry for entry, measured in zip(self.facts, self.measured, strict=True) if measured]
        self.log(self.monitor, per_unit(self.nats[self.measured], facts, "valid")[self.monitor], prog_bar=False)

    def configure_optimizers(self) -> Scheduled:
        """AdamW and its learning rate."""
        return self.adamw(self.model.named_parameters())


def learn(model: SequenceModel, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(NextToken(model, task), Windows(model, task))
