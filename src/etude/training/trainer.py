"""The Lightning trainer of all neural objectives: resume to the same weights, best checkpoint, early stopping, history.

A resumed training equals an uninterrupted one for three reasons. Batches and dropout are drawn from the seed and the
number of the batch alone. The learning rate is a function of the step. Everything else that has a state keeps it in the
checkpoint, written at the end of each epoch.
"""

import math
import os
import signal
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.nn import Parameter
from torch.optim.lr_scheduler import LambdaLR

from etude.config.schedule import Optim
from etude.config.sections import Trainer
from etude.core.errors import EtudeError
from etude.core.progress import bar
from etude.core.seeds import seed_of
from etude.core.signals import handle, handles
from etude.models.weights import round_weights, save_weights
from etude.training import checkpoints
from etude.training.callbacks import Averaging, History, Patience, Progress, Snapshots
from etude.training.data import TrainingData
from etude.training.processes import find_cause, forks, from_processes, gpu_has_bf16, strategy
from etude.training.task import Learned, Task, node_rank


def learning_rate(step: int, optim: Optim, max_steps: int) -> float:
    """Learning rate at a step: linear warm-up to lr, then cosine decay to final_lr * lr at the last step."""
    if step < optim.warmup_steps:
        return optim.lr * (step + 1) / optim.warmup_steps
    done = (step - optim.warmup_steps) / max(1, max_steps - optim.warmup_steps)
    return optim.lr * (optim.final_lr + (1 - optim.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


class Scheduled(TypedDict):
    """An optimizer and what sets its learning rate, as Lightning takes them."""

    optimizer: torch.optim.Optimizer
    lr_scheduler: dict[str, Any]


class Objective(pl.LightningModule):
    """What a model is trained for: subclasses define a training step and a validation."""

    monitor: str  # the metric that decides; lower is better
    unit = 0  # the step, from 0: an update of the weights, or with several optimizers one round of updates
    rate = 0.0  # the learning rate at it

    def __init__(self, model: torch.nn.Module, task: Task) -> None:
        """Args: the model to train and what it learns from."""
        super().__init__()
        self.model, self.task = model, task
        self.lr_scale: float = getattr(model, "lr_scale", 1.0)
        self.config, self.optim = task.settings.schedule(task.model_name)

    def on_train_start(self) -> None:
        """Make SIGTERM end the process with a failure: Lightning would end it with success, half trained."""
        signal.signal(signal.SIGTERM, handle if handles() or forks(self.task.settings.trainer) else _stop)

    @property
    def kept(self) -> str:
        """Where the last good weights are, as a sentence."""
        file = checkpoints.place(self.task.checkpoints, checkpoints.LAST)
        return f"The last good checkpoint is {file}." if file.is_file() else "There is no checkpoint yet."

    @property
    def stepped(self) -> bool:
        """Whether the batch has ended its step; else its gradients wait for more (``accumulate_grad_batches``)."""
        return not self.automatic_optimization or self.trainer.global_step > self.unit

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw dropout from (seed, number of the batch), and note step and learning rate."""
        number = self.trainer.fit_loop.total_batch_idx
        self.unit = self.trainer.global_step if self.automatic_optimization else number
        rank = self.trainer.global_rank
        torch.manual_seed(seed_of("step", self.config.seed, number, *([rank] if rank else [])))
        self.rate = self.trainer.optimizers[0].param_groups[0]["lr"]

    def adamw(
        self, parameters: Iterable[tuple[str, Parameter]], betas: tuple[float, float] = (0.9, 0.999)
    ) -> Scheduled:
        """AdamW with decay of weights, not of biases and gains, and ``learning_rate`` as its schedule."""
        named = list(parameters)
        decayed = [p for _, p in named if p.dim() > 1]
        plain = [p for _, p in named if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": self.optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=1.0, betas=betas)  # times the rate, which so stays as computed
        rate = LambdaLR(optimizer, lambda step: learning_rate(step, self.optim, self.config.max_steps) * self.lr_scale)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


def fit(objective: Objective, data: TrainingData[Any]) -> Learned:
    """Train to the end, from the last checkpoint if there is one, and leave the best weights in the model."""
    task, config = objective.task, objective.config
    own = task.settings.trainer
    accelerator, precision = choose_hardware(own, objective.model)
    _check(objective, own)
    torch.set_num_threads(own.threads)
    if own.compile:
        objective.model.compile()
    best = ModelCheckpoint(task.checkpoints, checkpoints.BEST, objective.monitor, **_CHECKPOINT)
    last = ModelCheckpoint(task.checkpoints, checkpoints.LAST, **_CHECKPOINT)
    every = {"save_top_k": -1, "every_n_epochs": config.keep, "auto_insert_metric_name": False}
    kept = (
        []
        if config.keep is None
        else [Snapshots(task.checkpoints, checkpoints.KEPT + "{epoch}", **every, **_CHECKPOINT)]
    )
    with (
        bar(f"train {task.model_name}", config.max_steps, task.session.progress and not node_rank(own)) as progress,
        from_processes(own, task.report, progress) as (report, show),
        _quiet(),
        _explain_errors(objective),
    ):
        history = History(objective, report)
        patience = Patience(objective.monitor, patience=config.patience)
        # what is kept comes before that from which a training goes on
        callbacks = [history, Progress(objective, show), patience, *kept, best, last]
        if objective.optim.averaging is not None:
            callbacks.insert(0, Averaging(objective.optim.averaging))
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=own.devices,
            strategy=strategy(own, accelerator, objective.automatic_optimization),
            precision="bf16-mixed" if precision == "bf16" else "32-true",
            use_distributed_sampler=False,
            max_epochs=math.ceil(config.max_steps / config.steps_per_epoch),
            reload_dataloaders_every_n_epochs=1,
            gradient_clip_val=objective.optim.clip if objective.automatic_optimization else None,
            callbacks=callbacks,
            plugins=[checkpoints.WholeCheckpoints()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic=True if accelerator == "cpu" else "warn",
            default_root_dir=task.checkpoints,
            profiler=profiler(task),
            **{name: value for name in PASSED if (value := getattr(own, name)) is not None},
        )
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            start = checkpoints.find_start(task.checkpoints, history.state_key, objective.monitor)
            trainer.fit(objective, datamodule=data, ckpt_path=start, weights_only=True)
        except SystemExit as exit_:
            if not isinstance(exit_.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, on_interrupt)  # Lightning ignores it from here on
            raise exit_.__context__ from None
    made_on: dict[str, str | int] = {"accelerator": accelerator, "devices": own.devices, "precision": precision}
    if node_rank(own):  # the first node keeps what was learned
        return Learned([], {}, made_on=made_on)
    if not any(checkpoints.place(task.checkpoints, name).is_file() for name in (checkpoints.BEST, checkpoints.LAST)):
        raise EtudeError(
            f"trainer.max_time = {own.max_time} was over before the first step. Set a longer time, or null."
        )
    done, best_file = checkpoints.find_end(task.checkpoints, history.state_key, objective.monitor)
    result = {
        objective.monitor: done.top[objective.monitor],
        "best_step": done.best,
        "steps": done.measured[-1]["step"],
    }
    snapshots = _write_snapshots(objective, [int(row["step"]) for row in done.measured], done.best)
    _load(objective, best_file)
    return Learned(done.rows, result, snapshots, made_on)


def _load(objective: Objective, file: Path) -> None:
    objective.cpu().load_state_dict(checkpoints.read_checkpoint(file)["state_dict"])


def _write_snapshots(objective: Objective, steps: Sequence[int], best: int) -> dict[int, Path]:
    """Write the weights that ``train.keep`` kept, but for those of the ``best`` step, which are the model's own.

    Args:
        objective: of which the checkpoints are.
        steps: the step of each validation.
        best: the step whose weights the training leaves.

    Returns:
        the file of each step.
    """
    found: dict[int, Path] = {}
    for epoch, step in enumerate(steps):
        file = objective.task.checkpoints / f"{checkpoints.KEPT}{epoch}.ckpt"
        if step != best and file.is_file():
            _load(objective, file)
            round_weights(objective.model)
            found[step] = file.with_suffix(".safetensors")
            save_weights(objective.model, found[step])
    return found


def choose_hardware(own: Trainer, model: torch.nn.Module) -> tuple[str, str]:
    """The accelerator, cpu or gpu, and the precision, float32 or bf16; ``auto`` is resolved on this machine.

    bf16 is chosen where the CPU multiplies in it (AMX, with ETUDE_CPU=native) or the GPU, and the model benefits
    (``gains_by_bf16``). This process opens no GPU: processes that are forked from it later could then use none.
    """
    gpu = torch.cuda.device_count() > 0  # as the driver's library counts them
    if own.accelerator == "gpu" and not gpu:
        raise EtudeError("trainer.accelerator = gpu, but torch finds none here. Use trainer=cpu.")
    accelerator = "gpu" if gpu and own.accelerator != "cpu" else "cpu"
    if own.precision != "auto":
        return accelerator, own.precision
    if not getattr(model, "gains_by_bf16", False):
        return accelerator, "float32"
    supported = gpu_has_bf16() if accelerator == "gpu" else cpu_has_bf16()
    return accelerator, "bf16" if supported else "float32"


def cpu_has_bf16() -> bool:
    """Whether products of bf16 are fast: the CPU has AMX, and the kernels are not pinned to AVX2 (``etude``)."""
    return torch.cpu._is_amx_tile_supported() and os.environ.get("ONEDNN_MAX_CPU_ISA") != "AVX2"


def profiler(task: Task) -> Profiler | None:
    """Lightning's profiler that ``trainer.profiler`` names; it writes into the folder of the run."""
    name = task.session.profiler
    if name is None:
        return None
    kinds = {"simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler}
    folder = (task.session.out or task.session.root / "runs") / "profile"
    made: Profiler = kinds[name](dirpath=folder, filename=task.model_name)
    return made


# keys of trainer that are Lightning's own, with its default where they are null
PASSED = (
    "accumulate_grad_batches",
    "num_nodes",
    "limit_train_batches",
    "limit_val_batches",
    "overfit_batches",
    "max_time",
)


def _check(objective: Objective, own: Trainer) -> None:
    """Refuse settings that do not fit each other, before anything starts."""
    batch_size, processes = objective.config.batch_size, own.devices * (own.num_nodes or 1)
    if batch_size % processes:
        nodes = f" on trainer.num_nodes = {own.num_nodes}" if own.num_nodes else ""
        raise EtudeError(
            f"train.batch_size = {batch_size} cannot be split among trainer.devices = {own.devices} processes{nodes}: "
            f"set a multiple of {processes}."
        )
    if (own.accumulate_grad_batches or 1) > 1 and not objective.automatic_optimization:
        name = objective.task.model_name
        raise EtudeError(
            f"trainer.accumulate_grad_batches = {own.accumulate_grad_batches} is for models with one optimizer: {name} "
            f"updates two networks in turn. Set it to null, and a larger train.batch_size or models.{name}.rounds."
        )


_CHECKPOINT: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _explain_errors(objective: Objective) -> Iterator[None]:
    """Say what to set where memory runs out, and why another process ended."""
    try:
        yield
    except MisconfigurationException as error:
        raise EtudeError(f"Lightning refuses these settings of trainer: {' '.join(str(error).split())}") from None
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
            ".*requested to overfit.*",
        ):
            warnings.filterwarnings("ignore", remark)
        yield
    logger.setLevel(level)
