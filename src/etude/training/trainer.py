"""The Lightning trainer of all neural schemes: resume to the same weights, best checkpoint, early stopping, history.

What makes a resumed training equal to an uninterrupted one: batches and dropout are drawn from (seed, step) alone, the
learning rate is a function of the step, and everything else that has a state keeps it in the checkpoint, written at the
end of each epoch.
"""

import math
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, Dataset, IterableDataset

from etude.config.sections import Optim, Trainer
from etude.core.errors import EtudeError
from etude.core.progress import bar
from etude.core.seeds import seed_of
from etude.training import Learned, Task
from etude.training.callbacks import Averaging, History, Patience, Progress, WholeCheckpoints
from etude.training.processes import from_processes, sentence, strategy


def learning_rate(step: int, optim: Optim, max_steps: int) -> float:
    """Learning rate at a step: linear warm-up to lr, then cosine decay to final_lr * lr at the last step."""
    if step < optim.warmup_steps:
        return optim.lr * (step + 1) / optim.warmup_steps
    done = (step - optim.warmup_steps) / max(1, max_steps - optim.warmup_steps)
    return optim.lr * (optim.final_lr + (1 - optim.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


class Batches(IterableDataset[Any]):
    """The batches of one epoch, each a function of (seed, step) alone; of several processes each takes its rows."""

    def __init__(
        self, draw: Callable[[np.random.Generator], Any], seed: int, steps: range, rank: int = 0, ranks: int = 1
    ) -> None:
        """Args: what makes a batch from a generator, the seed, the steps of the epoch, which process of how many."""
        self.draw, self.seed, self.steps, self.rank, self.ranks = draw, seed, steps, rank, ranks

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches in order."""
        for step in self.steps:
            batch = self.draw(np.random.default_rng((self.seed, step)))
            yield tree_map(lambda rows: rows[self.rank :: self.ranks], batch)

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
    unit = 0  # the step, from 0
    rate = 0.0  # the learning rate at it

    def __init__(self, model: torch.nn.Module, task: Task) -> None:
        """Args: the model to train and what it learns from."""
        super().__init__()
        self.model, self.task = model, task
        self.lr_scale: float = getattr(model, "lr_scale", 1.0)
        self.optim, self.config = task.settings.optim, task.settings.config

    def draw(self, generator: np.random.Generator) -> Any:
        """One training batch."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(generator).")

    def steps(self, epoch: int) -> range:
        """The steps of an epoch."""
        start = epoch * self.config.steps_per_epoch
        return range(start, min(start + self.config.steps_per_epoch, self.config.max_steps))

    def train_dataloader(self) -> DataLoader[Any]:
        """The current epoch's batches."""
        place = (self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(Batches(self.draw, self.config.seed, self.steps(self.current_epoch), *place), batch_size=None)

    def on_train_start(self) -> None:
        """Let SIGTERM end the process with a failure: Lightning would end it with success, half trained."""
        signal.signal(signal.SIGTERM, _stop)

    @property
    def kept(self) -> str:
        """Where the last good weights are, as a sentence."""
        file = self.task.checkpoints / "last.ckpt"
        return f"The last good checkpoint is {file}." if file.is_file() else "There is no checkpoint yet."

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw dropout from (seed, step), and set the learning rate of the step."""
        self.unit = self.steps(self.current_epoch)[batch_idx]
        rank = self.trainer.global_rank
        torch.manual_seed(seed_of("step", self.config.seed, self.unit, *([rank] if rank else [])))
        optimizers = self.optimizers()
        self.rate = learning_rate(self.unit, self.optim, self.config.max_steps) * self.lr_scale
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            for group in optimizer.param_groups:
                group["lr"] = self.rate

    def adamw(self, parameters: Any, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Optimizer:
        """AdamW with the decay of weights, not of biases and gains."""
        named = list(parameters)
        decayed = [p for _, p in named if p.dim() > 1]
        plain = [p for _, p in named if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": self.optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.optim.lr, betas=betas)


def fit(scheme: Scheme, task: Task, name: str) -> Learned:
    """Train to the end, from the last checkpoint if there is one; the model then holds the best weights."""
    config, own = scheme.config, task.settings.trainer
    accelerator, precision = resolved(own, scheme.model)
    if config.batch_size % own.devices:
        raise EtudeError(
            f"train.batch_size = {config.batch_size} cannot be dealt to trainer.devices = {own.devices} processes: set a "
            "multiple of that number."
        )
    torch.set_num_threads(own.threads)
    if own.compile:
        scheme.model.compile()
    best = ModelCheckpoint(task.checkpoints, "best", scheme.monitor, **_CHECKPOINT)
    last = ModelCheckpoint(task.checkpoints, "last", **_CHECKPOINT)
    with (
        bar(f"train {name}", config.max_steps, task.session.progress) as show,
        from_processes(own.devices, task.report, show) as (report, tell),
        _quiet(),
    ):
        history = History(scheme, report)
        callbacks = [history, Progress(scheme, tell), Patience(scheme.monitor, patience=config.patience), best, last]
        if scheme.optim.averaging is not None:
            callbacks.insert(0, Averaging(scheme.optim.averaging))
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=own.devices,
            strategy=strategy(own.devices, accelerator, scheme.automatic_optimization),
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            use_distributed_sampler=False,
            max_epochs=math.ceil(config.max_steps / config.steps_per_epoch),
            reload_dataloaders_every_n_epochs=1,
            gradient_clip_val=scheme.optim.clip if scheme.automatic_optimization else None,
            callbacks=callbacks,
            plugins=[WholeCheckpoints()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic=True if accelerator == "cpu" else "warn",
            default_root_dir=task.checkpoints,
        )
        found = task.checkpoints / "last.ckpt"
        try:
            with _memory(scheme):
                trainer.fit(scheme, ckpt_path=str(found) if found.is_file() else None, weights_only=True)
        except SystemExit as stopped:
            if not isinstance(stopped.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, signal.default_int_handler)  # Lightning ignores it from here on
            raise KeyboardInterrupt from None
    state = torch.load(task.checkpoints / "best.ckpt", weights_only=True, map_location="cpu")
    scheme.cpu().load_state_dict(state["state_dict"])
    kept = torch.load(found, weights_only=True, map_location="cpu")["callbacks"][history.state_key]["rows"]
    rows = [row for row in kept if scheme.monitor in row]
    top = min(rows, key=lambda row: (row[scheme.monitor], row["step"]))
    result = {scheme.monitor: top[scheme.monitor], "best_step": top["step"], "steps": rows[-1]["step"]}
    return Learned(kept, result, {"accelerator": accelerator, "devices": own.devices, "precision": precision})


def resolved(own: Trainer, model: torch.nn.Module) -> tuple[str, str]:
    """The accelerator, cpu or gpu, and the precision, float32 or bf16, that ``auto`` stands for here.

    bf16 is taken where the processor multiplies in it (AMX or AVX-512) and the variant gains by it (``gains_by_bf16``).
    """
    there = torch.cuda.is_available()
    if own.accelerator == "gpu" and not there:
        raise EtudeError("trainer.accelerator = gpu, but torch finds none here. Use trainer=cpu.")
    accelerator = "gpu" if there and own.accelerator != "cpu" else "cpu"
    if own.precision != "auto":
        return accelerator, own.precision
    able = torch.cuda.is_bf16_supported() if accelerator == "gpu" else torch.cpu._is_amx_tile_supported()
    return accelerator, "bf16" if able and getattr(model, "gains_by_bf16", False) else "float32"


_CHECKPOINT: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}


def _stop(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _memory(scheme: Scheme) -> Iterator[None]:
    """Say what to set where memory runs out, and what another process said of its end."""
    try:
        yield
    except (RuntimeError, MemoryError, ProcessRaisedException) as error:
        said = str(error)
        if not isinstance(error, MemoryError) and not any(
            words in said for words in ("out of memory", "can't allocate memory", "MemoryError")
        ):
            raise sentence(error) from None
        batch, window = scheme.config.batch_size, scheme.config.window
        less = f"train.batch_size={batch // 2}" if batch > 1 else f"train.window={max(2, window // 2)}"
        raise EtudeError(
            f"Memory ran out at step {scheme.unit + 1}: train.batch_size = {batch} with train.window = {window} do not "
            f"fit. Set {less}, or a smaller model. {scheme.kept}"
        ) from None


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
