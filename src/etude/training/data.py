"""The data of a training, as Lightning takes it: train batches drawn by (seed, number), valid batches in memory."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, cast

import numpy as np
import pytorch_lightning as pl
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, Dataset, IterableDataset

from etude.training.task import Task

T = TypeVar("T")


class Batches(IterableDataset[T]):
    """The batches of one epoch, each a function of (seed, number) alone; each of several processes takes its rows."""

    def __init__(
        self, draw: Callable[[np.random.Generator], T], seed: int, numbers: range, rank: int = 0, ranks: int = 1
    ) -> None:
        """Args: what draws a batch, the seed, the batches' numbers, number of this process, number of processes."""
        self.draw, self.seed, self.numbers, self.rank, self.ranks = draw, seed, numbers, rank, ranks

    def __iter__(self) -> Iterator[T]:
        """Yield the batches in order."""
        for number in self.numbers:
            batch = self.draw(np.random.default_rng((self.seed, number)))
            yield cast(T, tree_map(lambda rows: rows[self.rank :: self.ranks], batch))

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.numbers)


class TrainingData(pl.LightningDataModule, Generic[T]):
    """The batches of a training: subclasses define how one is drawn."""

    def __init__(self, task: Task, valid: list[Any]) -> None:
        """Args: what is learned from, and the batches of a validation."""
        super().__init__()
        self.config, _ = task.settings.schedule(task.model_name)
        self.store, self.valid = task.store, valid

    def draw(self, rng: np.random.Generator) -> T:
        """Draw one train batch."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(rng).")

    def train_dataloader(self) -> DataLoader[T]:
        """The batches of the current epoch: those that follow the ones drawn so far, or the same again to overfit."""
        trainer = cast(pl.Trainer, self.trainer)
        a_step = trainer.accumulate_grad_batches
        start = 0 if trainer.overfit_batches else trainer.fit_loop.total_batch_idx + 1
        numbers = range(start, min(start + self.config.steps_per_epoch * a_step, self.config.max_steps * a_step))
        place = (trainer.global_rank, trainer.world_size)
        return DataLoader(Batches(self.draw, self.config.seed, numbers, *place), batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """The batches of a validation."""
        return DataLoader(cast("Dataset[Any]", self.valid), batch_size=None)


class Pieces(TrainingData[T]):
    """Batches from pieces that are drawn evenly over the original pieces, each as one of its copies."""

    def __init__(self, task: Task, valid: list[Any]) -> None:
        """See TrainingData."""
        super().__init__(task, valid)
        origins = np.load(task.store.folder / "train.origins.npy", allow_pickle=False)
        self.starts = np.append(np.flatnonzero(np.diff(origins, prepend=-1)), len(origins))  # copies stand by origin

    def draw_piece(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a train piece."""
        origin = int(rng.integers(len(self.starts) - 1))
        return self.store.piece("train", int(rng.integers(self.starts[origin], self.starts[origin + 1])))
