"""Training in several processes: how they start, how they report, and how their errors reach the user."""

import multiprocessing
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import psutil
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy, Strategy

from etude.config.sections import Trainer
from etude.core.errors import EtudeError
from etude.core.progress import Bar
from etude.training.task import Report


def forks(own: Trainer) -> bool:
    """Whether a training runs in processes forked from this one."""
    return own.devices * (own.num_nodes or 1) > 1 or own.strategy not in (None, "auto")


def strategy(own: Trainer, accelerator: str, automatic: bool) -> Strategy | str:
    """Lightning's strategy: processes forked from this one, each with a share of the batch, their gradients averaged.

    Args:
        own: the section trainer.
        accelerator: cpu or gpu, which decides how they communicate.
        automatic: one optimizer updates all weights; else some get no gradient in some updates (GANs).
    """
    if not forks(own):
        return "auto"
    nodes = own.num_nodes or 1
    if nodes > 1 and not {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} <= os.environ.keys():
        raise EtudeError(
            f"trainer.num_nodes = {nodes}: give the same command on each machine, with the environment variables "
            f"MASTER_ADDR and MASTER_PORT (an address of the first one, and a free port there) and NODE_RANK (0 to "
            f"{nodes - 1}). All must see the same project folder."
        )
    return (_Machines if nodes > 1 else _OneMachine)(
        start_method="fork",
        find_unused_parameters=not automatic or own.strategy == "ddp_find_unused_parameters_true",
        process_group_backend="gloo" if accelerator == "cpu" else "nccl",
        cluster_environment=LightningEnvironment(),  # also in a job of Slurm, where Lightning would fork nothing
    )


PATIENCE = 2.0  # seconds that the other processes have to end
MEETING = "etude-ddp-"  # the start of the names of folders in which processes of one machine find each other


class _Machines(DDPStrategy):
    """Processes that end with the one that has started them."""

    def on_exception(self, exception: BaseException) -> None:
        """End the processes. They wait for each other, and this one would wait for them."""
        super().on_exception(exception)
        started = [process for process in getattr(self.launcher, "procs", []) if process.is_alive()]
        for process in started:
            process.terminate()
        until = time.monotonic() + PATIENCE
        for process in started:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


class _OneMachine(_Machines):
    """Processes of one machine: they find each other by a file, and what they open is open to this machine alone.

    Lightning's own way is a server of torch (TCPStore), which listens at all addresses.
    """

    def __init__(self, **options: Any) -> None:
        """Args: those of DDPStrategy."""
        super().__init__(**options)
        self._folder = tempfile.TemporaryDirectory(prefix=MEETING)

    def setup_distributed(self) -> None:
        """Start the process group, which Lightning then takes."""
        self.set_world_ranks()
        if (name := loopback()) is not None:
            os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = name
        torch.distributed.init_process_group(
            self._get_process_group_backend(),
            store=torch.distributed.FileStore(str(Path(self._folder.name, "store")), self.world_size),
            rank=self.global_rank,
            world_size=self.world_size,
            timeout=self._timeout,
            device_id=self.root_device if self.root_device.type != "cpu" else None,
        )
        super().setup_distributed()


def loopback() -> str | None:
    """The interface of the address 127.0.0.1, as ``lo``; None where there is none."""
    found = psutil.net_if_addrs().items()
    return next((name for name, own in found if any(one.address == "127.0.0.1" for one in own)), None)


def gpu_has_bf16() -> bool:
    """Whether the GPU computes in bf16. A process of its own asks: this one must not open the GPU before it forks."""
    if torch.cuda.is_initialized():
        return bool(torch.cuda.is_bf16_supported())
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return bool(pool.submit(torch.cuda.is_bf16_supported).result())


@contextmanager
def from_processes(own: Trainer, report: Report, show: Bar) -> Iterator[tuple[Report, Bar]]:
    """``report`` and ``show`` for the training to call: from forked processes through a pipe to this one."""
    if not forks(own):
        yield report, show
        return
    queue: SimpleQueue[tuple[Any, ...] | None] = multiprocessing.get_context("fork").SimpleQueue()
    receivers: dict[str, Callable[..., object]] = {"report": report, "show": show}

    def listen() -> None:
        while (message := queue.get()) is not None:
            receivers[message[0]](*message[1:])

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield (
            lambda row, step: queue.put(("report", dict(row), step)),
            lambda done, note="": queue.put(("show", done, note)),
        )
    finally:
        queue.put(None)
        listener.join()


def find_cause(error: BaseException) -> BaseException:
    """The EtudeError that ended another process, where torch's report of it has one; else ``error``."""
    name = re.escape(f"{EtudeError.__module__}.{EtudeError.__qualname__}")
    messages = re.findall(rf"^{name}: (.*)", str(error), re.MULTILINE)
    return EtudeError(messages[-1]) if messages else error
