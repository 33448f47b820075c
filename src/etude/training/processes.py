"""Training in several processes: how they start, how they report, and how their errors reach the user."""

import multiprocessing
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from typing import Any

from pytorch_lightning.strategies import DDPStrategy, Strategy

from etude.core.errors import EtudeError
from etude.core.progress import Bar
from etude.training.task import Report


def strategy(devices: int, accelerator: str, automatic: bool) -> Strategy | str:
    """Lightning's strategy: processes forked from this one, each with a share of the batch, their gradients averaged.

    Args:
        devices: processes.
        accelerator: cpu or gpu, which decides how they communicate.
        automatic: one optimizer updates all weights; else some get no gradient in some updates (GANs).
    """
    if devices == 1:
        return "auto"
    backend = "gloo" if accelerator == "cpu" else "nccl"
    return DDPStrategy(start_method="fork", find_unused_parameters=not automatic, process_group_backend=backend)


@contextmanager
def from_processes(devices: int, report: Report, show: Bar) -> Iterator[tuple[Report, Bar]]:
    """``report`` and ``show`` for the training to call: with several processes through a pipe to this one."""
    if devices == 1:
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
