"""The Lightning trainer of all neural objectives: resume to the same weights, best checkpoint, early stopping, history.

A resumed training equals an uninterrupted one for three reasons. Batches and dropout are drawn from (seed, step) alone.
The learning rate is a function of the step. Everything else that has a state keeps it in the checkpoint, written at the
end of each epoch.
"""

import math
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.nn import Parameter
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, Dataset, IterableDataset

from etude.config.schedule import Optim
from etude.config.sections import Trainer
from etude.core.errors import EtudeError
from etude.core.progress import bar
from etude.core.seeds import seed_of
from etude.training.callbacks import Averaging, History, Patience, Progress, WholeCheckpoints
from etude.training.processes import find_cause, from_processes, strategy
from etude.training.task import Learned, Task

T = TypeVar("T")


def learning_rate(step: int, optim: Optim, max_steps: int) -> float:
    """Learning rate at a step: linear warm-up to lr, then cosine decay to final_lr * lr at the last step."""
    if step < optim.warmup_steps:
        return optim.lr * (step + 1) / optim.warmup_steps
    done = (step - optim.warmup_steps) / max(1, max_steps - optim.warmup_steps)
    return optim.lr * (optim.final_lr + (1 - optim.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


class Batches(IterableDataset[T]):
    """The batches of one epoch, each a function of (seed, step) alone; each of several processes takes its rows."""

    def __init__(
        self, draw: Callable[[np.random.Generator], T], seed: int, steps: range, rank: int = 0, ranks: int = 1
    ) -> None:
        """Args: what draws a batch, the seed, the steps of the epoch, number of this process, number of processes."""
        self.draw, self.seed, self.steps, self.rank, self.ranks = draw, seed, steps, rank, ranks

    def __iter__(self) -> Iterator[T]:
        """Yield the batches in order."""
        for step in self.steps:
            batch = self.draw(np.random.default_rng((self.seed, step)))
            yield cast(T, tree_map(lambda rows: rows[self.rank :: self.ranks], batch))

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.steps)


class ReadyBatches(Dataset[T]):
    """Batches in memory."""

    def __init__(self, batches: list[T]) -> None:
        """Args: the batches, in order."""
        self.batches = batches

    def __getitem__(self, place: int) -> T:
        """The batch at a place."""
        return self.batches[place]

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.batches)


class Objective(pl.LightningModule):
    """What a model is trained for: subclasses define batches, a training step and a validation."""

    monitor: str  # the metric that decides; lower is better
    unit = 0  # the step, from 0
    rate = 0.0  # the learning rate at it

    def __init__(self, model: torch.nn.Module, task: Task) -> None:
        """Args: the model to train and what it learns from."""
        super().__init__()
        self.model, self.task = model, task
        self.lr_scale: float = getattr(model, "lr_scale", 1.0)
        self.config, self.optim = task.settings.schedule(task.model_name)

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one training batch."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(rng).")

    def steps(self, epoch: int) -> range:
        """The steps of an epoch."""
        start = epoch * self.config.steps_per_epoch
        return range(start, min(start + self.config.steps_per_epoch, self.config.max_steps))

    def train_dataloader(self) -> DataLoader[Any]:
        """The current epoch's batches."""
        place = (self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(Batches(self.draw, self.config.seed, self.steps(self.current_epoch), *place), batch_size=None)

    def on_train_start(self) -> None:
        """Make SIGTERM end the process with a failure: Lightning would end it with success, half trained."""
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

    def adamw(
        self, parameters: Iterable[tuple[str, Parameter]], betas: tuple[float, float] = (0.9, 0.999)
    ) -> torch.optim.Optimizer:
        """AdamW with decay of weights, not of biases and gains."""
        named = list(parameters)
        decayed = [p for _, p in named if p.dim() > 1]
        plain = [p for _, p in named if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": self.optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.optim.lr, betas=betas)


def fit(objective: Objective, task: Task) -> Learned:
    """Train to the end, from the last checkpoint if there is one, and leave the best weights in the model."""
    config, own = objective.config, task.settings.trainer
    accelerator, precision = choose_hardware(own, objective.model)
    if config.batch_size % own.devices:
        raise EtudeError(
            f"train.batch_size = {config.batch_size} cannot be split among trainer.devices = {own.devices} processes: "
            "set a multiple of that number."
        )
    torch.set_num_threads(own.threads)
    if own.compile:
        objective.model.compile()
    best = ModelCheckpoint(task.checkpoints, "best", objective.monitor, **_CHECKPOINT)
    last = ModelCheckpoint(task.checkpoints, "last", **_CHECKPOINT)
    with (
        bar(f"train {task.model_name}", config.max_steps, task.session.progress) as progress,
        from_processes(own.devices, task.report, progress) as (report, show),
        _quiet(),
    ):
        history = History(objective, report)
        patience = Patience(objective.monitor, patience=config.patience)
        callbacks = [history, Progress(objective, show), patience, best, last]
        if objective.optim.averaging is not None:
            callbacks.insert(0, Averaging(objective.optim.averaging))
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=own.devices,
            strategy=strategy(own.devices, accelerator, objective.automatic_optimization),
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            use_distributed_sampler=False,
            max_epochs=math.ceil(config.max_steps / config.steps_per_epoch),
            reload_dataloaders_every_n_epochs=1,
            gradient_clip_val=objective.optim.clip if objective.automatic_optimization else None,
            callbacks=callbacks,
            plugins=[WholeCheckpoints()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic=True if accelerator == "cpu" else "warn",
            default_root_dir=task.checkpoints,
        )
        checkpoint = task.checkpoints / "last.ckpt"
        try:
            with _explain_errors(objective):
                trainer.fit(objective, ckpt_path=str(checkpoint) if checkpoint.is_file() else None, weights_only=True)
        except SystemExit as exit_:
            if not isinstance(exit_.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, signal.default_int_handler)  # Lightning ignores it from here on
            raise KeyboardInterrupt from None
    state = torch.load(task.checkpoints / "best.ckpt", weights_only=True, map_location="cpu")
    objective.cpu().load_state_dict(state["state_dict"])
    rows = torch.load(checkpoint, weights_only=True, map_location="cpu")["callbacks"][history.state_key]["rows"]
    measured = [row for row in rows if objective.monitor in row]
    top = min(measured, key=lambda row: (row[objective.monitor], row["step"]))
    result = {objective.monitor: top[objective.monitor], "best_step": top["step"], "steps": measured[-1]["step"]}
    return Learned(rows, result, {"accelerator": accelerator, "devices": own.devices, "precision": precision})


def choose_hardware(own: Trainer, model: torch.nn.Module) -> tuple[str, str]:
    """The accelerator, cpu or gpu, and the precision, float32 or bf16; ``auto`` is resolved on this machine.

    bf16 is chosen where the CPU multiplies in it (AMX or AVX-512) and the model benefits (``gains_by_bf16``).
    """
    gpu = torch.cuda.is_available()
    if own.accelerator == "gpu" and not gpu:
        raise EtudeError("trainer.accelerator = gpu, but torch finds none here. Use trainer=cpu.")
    accelerator = "gpu" if gpu and own.accelerator != "cpu" else "cpu"
    if own.precision != "auto":
        return accelerator, own.precision
    supported = torch.cuda.is_bf16_supported() if accelerator == "gpu" else torch.cpu._is_amx_tile_supported()
    return accelerator, "bf16" if supported and getattr(model, "gains_by_bf16", False) else "float32"


_CHECKPOINT: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _explain_errors(objective: Objective) -> Iterator[None]:
    """Say what to set where memory runs out, and why another process ended."""
    try:
        yield
    except (RuntimeError, MemoryError, ProcessRaisedException) as error:
        message = str(error)
        if not isinstance(error, MemoryError) and not any(
            words in message for words in ("out of memory", "can't allocate memory", "MemoryError")
        ):
            raise find_cause(error) from None
        batch, window = objective.config.batch_size, objective.config.window
        less = f"train.batch_size={batch // 2}" if batch > 1 else f"train.window={max(2, window // 2)}"
        raise EtudeError(
            f"Memory ran out at step {objective.unit + 1}: train.batch_size = {batch} with train.window = {window} "
            f"do not fit. Set {less}, or a smaller model. {objective.kept}"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Lightning's remarks on deliberate choices."""
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
