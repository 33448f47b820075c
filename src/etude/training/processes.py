"""Training in several processes: how they are started, what they tell, and how their end is said."""

import multiprocessing
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytorch_lightning.strategies import DDPStrategy, Strategy

from etude.core.errors import EtudeError
from etude.core.progress import Bar

Report = Callable[[Mapping[str, float], int], None]


def strategy(devices: int, accelerator: str, automatic: bool) -> Strategy | str:
    """Lightning's strategy: processes forked from this one, each with a share of the batch, their gradients averaged.

    Args:
        devices: processes.
        accelerator: cpu or gpu, which decides how they speak with each other.
        automatic: one optimizer moves all weights; else some get no gradient in some moves (GANs).
    """
    if devices == 1:
        return "auto"
    backend = "gloo" if accelerator == "cpu" else "nccl"
    return DDPStrategy(start_method="fork", find_unused_parameters=not automatic, process_group_backend=backend)


@contextmanager
def from_processes(devices: int, report: Report, show: Bar) -> Iterator[tuple[Report, Bar]]:
    """``report`` and ``show`` as the training may call them: with several processes through a pipe to this one."""
    if devices == 1:
        yield report, show
        return
    told: Any = multiprocessing.get_context("fork").SimpleQueue()
    ways: dict[str, Any] = {"report": report, "show": show}

    def listen() -> None:
        while (said := told.get()) is not None:
            ways[said[0]](*said[1:])

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield (
            lambda row, step: told.put(("report", dict(row), step)),
            lambda done, note="": told.put(("show", done, note)),
        )
    finally:
        told.put(None)
        listener.join()


def sentence(error: BaseException) -> BaseException:
    """The EtudeError that ended another process, where there is one in what torch says of it; else ``error``."""
    found = re.findall(r"^etude\.errors\.EtudeError: (.*)", str(error), re.MULTILINE)
    return EtudeError(found[-1]) if found else error
