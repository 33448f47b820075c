"""Learning to predict the next item, a token or a frame: its cost on windows of the train pieces."""

import numpy as np
import torch
from torch.utils.data import DataLoader

from etude.metrics.likelihood import batches, per_unit
from etude.models.sequence import SequenceModel
from etude.training.task import Learned, Task
from etude.training.trainer import Objective, ReadyBatches, fit


class NextToken(Objective):
    """Windows are drawn evenly over the original pieces, each from one of the piece's copies."""

    model: SequenceModel

    def __init__(self, model: SequenceModel, task: Task) -> None:
        """See Objective."""
        super().__init__(model, task)
        self.monitor = f"valid/nats_per_{model.item_spec.unit}"
        origins = np.load(task.store.folder / "train.origins.npy", allow_pickle=False)
        self.starts = np.append(np.flatnonzero(np.diff(origins, prepend=-1)), len(origins))  # copies stand by origin
        self.store = task.store
        self.facts = task.store.manifest["pieces"]["valid"]
        self.valid = [
            (torch.tensor(places), items)
            for places, items in batches(list(task.store.pieces("valid")), model.item_spec)
        ]
        self.nats = np.zeros(0)

    def draw(self, rng: np.random.Generator) -> torch.Tensor:
        """Draw tokens (batch_size, window), or frames (batch_size, window, keys).

        A piece that fits is one window. In a longer one, half a window of the start positions count as the piece's
        start. The end of a piece may stand anywhere in the second half of a window: were windows pushed back into the
        piece, all ends would come last, and a model would learn to expect them only there.
        """
        window, item_spec, stride = self.config.window, self.model.item_spec, self.model.stride
        batch = item_spec.padded(self.config.batch_size, window)
        for row in batch:
            origin = int(rng.integers(len(self.starts) - 1))
            copy = int(rng.integers(self.starts[origin], self.starts[origin + 1]))
            piece = self.store.piece("train", copy)
            start = int(rng.integers(-window // 2, max(1, len(piece) - window // 2)))
            start = max(0, start) if len(piece) > window else 0
            start = min(-(-start // stride), max(0, len(piece) - 2) // stride) * stride
            part = item_spec.items(piece[start : start + window])
            row[: len(part)] = part
        return torch.from_numpy(batch)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
        """The complete valid pieces: their places, and items (B, T) or (B, T, keys)."""
        return DataLoader(ReadyBatches(self.valid), batch_size=None)

    def training_step(self, items: torch.Tensor, index: int) -> torch.Tensor:
        """Mean cost an item."""
        costs = self.model.loss(items, self.optim.label_smoothing)
        loss = costs.sum() / self.model.real(items[:, 1:]).sum()
        self.log(f"train/nats_per_{'frame' if self.model.item_spec.keys else 'token'}", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start a new sum."""
        self.nats = np.zeros(len(self.facts))

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> None:
        """Cost of each piece."""
        places, items = batch
        self.nats[places.cpu().numpy()] = self.model.nats(items).double().sum(dim=1).cpu().numpy()

    def on_validation_epoch_end(self) -> None:
        """Nats per note, or per frame, on valid."""
        self.log(self.monitor, per_unit(self.nats, self.facts, "valid")[self.monitor], prog_bar=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        return self.adamw(self.model.named_parameters())


def learn(model: SequenceModel, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(NextToken(model, task), task)
