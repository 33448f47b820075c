"""Learning an accompaniment item by item: its cost on windows of bars of the train pieces."""

import numpy as np
import torch

from etude.models.accompaniment import Accompaniment
from etude.models.accompaniment_features import (
    NAMES,
    Batch,
    Sheet,
    collate,
    open_batches,
    read_sheet,
    transpose,
    window,
)
from etude.representations.leadsheet import HIGH, LOW
from etude.training.data import Pieces
from etude.training.task import Learned, Task
from etude.training.trainer import Objective, Scheduled, fit


class Windows(Pieces[Batch]):
    """Windows of train pieces, and the complete valid pieces."""

    def __init__(self, model: Accompaniment, task: Task) -> None:
        """Args: the model that reads them, and what it learns from."""
        self.model = model
        super().__init__(task, open_batches(list(task.store.pieces("valid")), model.density, model.steps))
        self.sheets: dict[int, Sheet] = {}

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of windows; half of them as if the piece started there."""
        rows: list[list[np.ndarray]] = []
        while len(rows) < self.config.batch_size:
            sheet = self.draw_sheet(rng)
            bars = min(self.model.window, len(sheet.bars))
            first = int(rng.integers(len(sheet.bars) - bars + 1))
            cold, most = bool(rng.random() < 0.5), self.model.transpose
            semitones, dropped = int(rng.integers(-most, most + 1)), rng.random(2) < self.model.open_controls
            inside = sheet.notes[np.isin(sheet.bar_of(sheet.notes[:, 0]), np.arange(first - 4, first + bars)), 1]
            if not len(inside):
                continue
            semitones = int(np.clip(semitones, LOW - inside.min(), HIGH - inside.max()))
            moved = transpose(sheet, semitones)
            for name, drop in zip(("density", "texture"), dropped, strict=True):
                if drop:
                    moved.integers[:, NAMES.index(name)] = 0
            rows.append(window(moved, first, first + bars, cold))
        return collate(rows)

    def draw_sheet(self, rng: np.random.Generator) -> Sheet:
        """Draw a train piece: its features, which are kept."""
        origin = int(rng.integers(len(self.starts) - 1))
        place = int(rng.integers(self.starts[origin], self.starts[origin + 1]))
        if place not in self.sheets:
            rows = self.store.piece("train", place)
            self.sheets[place] = read_sheet(rows, self.model.density, self.model.steps)
        return self.sheets[place]


class ItemByItem(Objective):
    """The mean cost of an item; validation measures complete pieces."""

    monitor = "valid/nats_per_note"
    model: Accompaniment

    def __init__(self, model: Accompaniment, task: Task) -> None:
        """See Objective."""
        super().__init__(model, task)
        self.cost, self.notes = 0.0, 0

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Mean cost of an item."""
        loss = self.model.nats(batch).sum() / (batch.choice >= 0).sum()
        self.log("train/nats_per_item", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Start a new sum."""
        self.cost, self.notes = 0.0, 0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add the cost of some pieces."""
        self.cost += float(self.model.nats(batch).double().sum())
        self.notes += int((batch.length >= 0).sum())

    def on_validation_epoch_end(self) -> None:
        """Nats per note on valid."""
        self.log(self.monitor, self.cost / max(1, self.notes), prog_bar=False)

    def configure_optimizers(self) -> Scheduled:
        """AdamW and its learning rate."""
        return self.adamw(self.model.named_parameters())


def learn(model: Accompaniment, task: Task) -> Learned:
    """Train and leave the best weights in ``model``."""
    return fit(ItemByItem(model, task), Windows(model, task))
