"""The Lightning trainer of all neural schemes: resume to the same weights, best checkpoint, early stopping, history.

What makes a resumed training equal to an uninterrupted one: batches and dropout are drawn from (seed, step) alone, the
learning rate is a function of the step, and everything else that has a state keeps it in the checkpoint, written at the
end of each epoch.
"""

import math
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader, Dataset, IterableDataset

from etude.errors import EtudeError
from etude.outputs import whole
from etude.progress import Bar, bar
from etude.seeds import seed_of
from etude.settings import Optim, Train
from etude.training import Learned, Task

LOG_EVERY = 10  # steps between two rows of the training loss


def learning_rate(step: int, optim: Optim, max_steps: int) -> float:
    """Learning rate at a step: linear warm-up to lr, then cosine decay to final_lr * lr at the last step."""
    if step < optim.warmup_steps:
        return optim.lr * (step + 1) / optim.warmup_steps
    done = (step - optim.warmup_steps) / max(1, max_steps - optim.warmup_steps)
    return optim.lr * (optim.final_lr + (1 - optim.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


class Batches(IterableDataset[Any]):
    """The batches of one epoch, each a function of (seed, step) alone."""

    def __init__(self, draw: Callable[[np.random.Generator], Any], seed: int, steps: range) -> None:
        """Args: what makes a batch from a generator, the seed, the steps of the epoch."""
        self.draw, self.seed, self.steps = draw, seed, steps

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches in order."""
        for step in self.steps:
            yield self.draw(np.random.default_rng((self.seed, step)))

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.steps)


class Listed(Dataset[Any]):
    """Ready batches."""

    def __init__(self, batches: list[Any]) -> None:
        """Args: the batches, in order."""
        self.batches = batches

    def __getitem__(self, place: int) -> Any:
        """The batch at a place."""
        return self.batches[place]

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.batches)


class Scheme(pl.LightningModule):
    """One way to learn: subclasses give batches, a training step and a validation."""

    monitor: str  # the metric that decides, lower is better
    unit = 0  # steps done

    def __init__(self, model: torch.nn.Module, task: Task) -> None:
        """Args: the model to train and what it learns from."""
        super().__init__()
        self.model, self.task = model, task
        self.lr_scale: float = getattr(model, "lr_scale", 1.0)
        self.optim, self.plan = task.settings.optim, task.settings.train

    def draw(self, generator: np.random.Generator) -> Any:
        """One training batch."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(generator).")

    def steps(self, epoch: int) -> range:
        """The steps of an epoch."""
        begin = epoch * self.plan.steps_per_epoch
        return range(begin, min(begin + self.plan.steps_per_epoch, self.plan.max_steps))

    def train_dataloader(self) -> DataLoader[Any]:
        """The current epoch's batches."""
        return DataLoader(Batches(self.draw, self.plan.seed, self.steps(self.current_epoch)), batch_size=None)

    def on_train_start(self) -> None:
        """Let SIGTERM end the process with a failure: Lightning would end it with success, half trained."""

        def stop(number: int, frame: Any) -> None:
            raise SystemExit(128 + number)

        signal.signal(signal.SIGTERM, stop)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw dropout from (seed, step), and set the learning rate of the step."""
        self.unit = self.steps(self.current_epoch)[batch_idx]
        torch.manual_seed(seed_of("step", self.plan.seed, self.unit))
        optimizers = self.optimizers()
        rate = learning_rate(self.unit, self.optim, self.plan.max_steps) * self.lr_scale
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def adamw(self, parameters: Any, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Optimizer:
        """AdamW with the decay of weights, not of biases and gains."""
        named = list(parameters)
        decayed = [p for _, p in named if p.dim() > 1]
        plain = [p for _, p in named if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": self.optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.optim.lr, betas=betas)


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints written beside their place and renamed: a kill leaves the old one."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any | None = None) -> None:
        """See CheckpointIO."""
        with whole(Path(path)) as part, part.open("wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())


class Patience(EarlyStopping):
    """Early stopping that also holds for a training that is resumed after its last epoch."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop at once where patience had run out before the kill."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class History(Callback):
    """Rows of metrics by step; kept in the checkpoint, told as they come."""

    def __init__(self, scheme: Scheme) -> None:
        """Args: the scheme whose steps count."""
        self.scheme, self.rows = scheme, list[dict[str, float]]()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of the checkpoint."""
        self.rows = state_dict["rows"]

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """Keep and tell one row."""
        row = {name: float(value) for name, value in values.items()}
        self.rows.append({"step": step, **row})
        self.scheme.task.report(row, step)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """A row of losses every few steps; a loss that is no number ends the training."""
        done = self.scheme.unit + 1
        losses = {name: value for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        for name, value in losses.items():
            if not torch.isfinite(value):
                rate = learning_rate(done, self.scheme.optim, done)
                raise EtudeError(
                    f"{name} is {float(value)} at step {done}, learning rate {rate:.3g}. "
                    f"The last good checkpoint is in {self.scheme.task.checkpoints}. Lower optim.lr or optim.clip."
                )
        if done % LOG_EVERY == 0 or done == 1:
            self.add(done, losses)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """A row of what was measured on valid."""
        done = self.scheme.unit + 1
        self.add(done, {name: v for name, v in trainer.callback_metrics.items() if name.startswith("valid/")})


class Progress(Callback):
    """The progress bar of a training."""

    def __init__(self, scheme: Scheme, tell: Bar) -> None:
        """Args: the scheme whose steps count, and the bar."""
        self.scheme, self.tell = scheme, tell

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Move on."""
        names = sorted(name for name in trainer.callback_metrics if name.startswith(("train/", "valid/")))
        note = " ".join(f"{name} {float(trainer.callback_metrics[name]):.3f}" for name in names)
        self.tell(self.scheme.unit + 1, note)


def fit(scheme: Scheme, task: Task, name: str) -> Learned:
    """Train to the end, from the last checkpoint if there is one; the model then holds the best weights."""
    plan: Train = task.settings.train
    if task.session.device == "cuda" and not torch.cuda.is_available():
        raise EtudeError("session.device = cuda, but torch finds no such device here. Use session.device=cpu.")
    torch.set_num_threads(plan.threads)
    best = ModelCheckpoint(task.checkpoints, "best", scheme.monitor, **_CHECKPOINT)
    last = ModelCheckpoint(task.checkpoints, "last", **_CHECKPOINT)
    history = History(scheme)
    with bar(f"train {name}", plan.max_steps, task.session.progress) as tell, _quiet():
        trainer = pl.Trainer(
            accelerator={"cuda": "gpu"}.get(task.session.device, task.session.device),
            devices=1,
            max_epochs=math.ceil(plan.max_steps / plan.steps_per_epoch),
            reload_dataloaders_every_n_epochs=1,
            gradient_clip_val=task.settings.optim.clip if scheme.automatic_optimization else None,
            callbacks=[history, Progress(scheme, tell), Patience(scheme.monitor, patience=plan.patience), best, last],
            plugins=[WholeCheckpoints()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic="warn" if task.session.device != "cpu" else True,
            default_root_dir=task.checkpoints,
        )
        found = task.checkpoints / "last.ckpt"
        try:
            trainer.fit(scheme, ckpt_path=str(found) if found.is_file() else None, weights_only=True)
        except SystemExit as stopped:
            if not isinstance(stopped.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, signal.default_int_handler)  # Lightning ignores it from here on
            raise KeyboardInterrupt from None
    state = torch.load(task.checkpoints / "best.ckpt", weights_only=True, map_location="cpu")
    scheme.cpu().load_state_dict(state["state_dict"])
    rows = [row for row in history.rows if scheme.monitor in row]
    top = min(rows, key=lambda row: (row[scheme.monitor], row["step"]))
    result = {scheme.monitor: top[scheme.monitor], "best_step": top["step"], "steps": rows[-1]["step"]}
    return Learned(history.rows, result)


_CHECKPOINT: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back Lightning's remarks on choices that are meant."""
    import logging

    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for remark in (
            ".*does not have many workers.*",
            ".*Checkpoint directory .* exists.*",
            ".*LeafSpec.*",
            ".*`__len__` defined.*",
        ):
            warnings.filterwarnings("ignore", remark)
        yield
    logger.setLevel(level)
