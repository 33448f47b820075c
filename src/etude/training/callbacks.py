"""What Lightning calls during a training: early stopping, weight averaging, history, progress."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging

from etude.core.errors import EtudeError
from etude.core.progress import Bar
from etude.training.task import Report

LOG_EVERY = 10  # steps between two rows of the training loss


class Progressing(Protocol):
    """What callbacks ask of an objective."""

    unit: int  # the step, from 0
    rate: float  # the learning rate at it

    @property
    def kept(self) -> str:
        """Where the last good weights are, as a sentence."""

    @property
    def stepped(self) -> bool:
        """Whether the batch has ended its step."""


class Patience(EarlyStopping):
    """Early stopping that also works in a training that is resumed after its last epoch."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop at once where patience ran out before the kill."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class History(Callback):
    """Rows of metrics by step, kept in the checkpoint and reported as they come.

    The speed, in steps a second without validation, is reported but not kept: outputs depend on no clock.
    """

    def __init__(self, objective: Progressing, report: Report) -> None:
        """Args: the objective whose steps count, and what receives every row and its step."""
        self.objective, self.report, self.rows = objective, report, list[dict[str, float]]()
        self.since: tuple[int, float] | None = None  # a step of this epoch, and the time at its end

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the rows of the checkpoint."""
        self.rows = state_dict["rows"]

    def add(self, step: int, values: Mapping[str, torch.Tensor | float], report: bool, speed: float | None) -> None:
        """Keep one row, and report it; a value that is no number ends the training."""
        row = {name: float(value) for name, value in values.items()}
        for name, value in row.items():
            if not math.isfinite(value):
                raise EtudeError(
                    f"{name} is {value} at step {step}, learning rate {self.objective.rate:.3g}. {self.objective.kept} "
                    "Lower optim.lr or optim.clip, or set trainer.precision=float32 where it is bf16."
                )
        self.rows.append({"step": step, **row})
        if report:
            self.report(row if speed is None else {**row, "train/steps_per_second": speed}, step)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure the speed from here on."""
        self.since = None

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """A row of losses and the learning rate every few steps, and at once where a loss is no number."""
        if not self.objective.stepped:
            return
        done = self.objective.unit + 1
        losses = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        if done % LOG_EVERY == 0 or done == 1 or not all(torch.isfinite(value) for value in losses.values()):
            values = {**losses, "train/learning_rate": self.objective.rate}
            self.add(done, values, trainer.is_global_zero, self._speed(done))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """A row of the metrics on valid."""
        values = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("valid/")}
        self.add(self.objective.unit + 1, values, trainer.is_global_zero, None)

    def _speed(self, done: int) -> float | None:
        before, self.since = self.since, (done, time.monotonic())
        return None if before is None else (done - before[0]) / (self.since[1] - before[1])


class Progress(Callback):
    """The progress bar of a training."""

    def __init__(self, objective: Progressing, show: Bar) -> None:
        """Args: the objective whose steps count, and the bar."""
        self.objective, self.show = objective, show

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Show the step and its metrics."""
        if not trainer.is_global_zero or not self.objective.stepped:
            return
        names = sorted(name for name in trainer.callback_metrics if name.startswith(("train/", "valid/")))
        note = " ".join(f"{name} {float(trainer.callback_metrics[name]):.3f}" for name in names)
        self.show(self.objective.unit + 1, note)


class Snapshots(ModelCheckpoint):
    """Checkpoints of every so many epochs, all of which stay. Lightning keeps the state of one callback a class."""


class Averaging(WeightAveraging):
    """The weights' exponential moving average, which is validated and kept in place of the weights themselves.

    The decay grows with the steps up to ``decay``, so that the average follows the fast steps at the start:
    min(decay, (1 + steps) / (10 + steps)), as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, decay: float) -> None:
        """Args: the decay a step, in [0, 1)."""

        def average(mean: Sequence[torch.Tensor], now: Sequence[torch.Tensor], count: torch.Tensor | int) -> None:
            steps = int(count)
            torch._foreach_lerp_(list(mean), list(now), 1 - min(decay, (1 + steps) / (10 + steps)))

        super().__init__(use_buffers=False, multi_avg_fn=average)
