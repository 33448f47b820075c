"""The studio's one worker: work is done one after the other on one thread, so that results do not depend on load."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from etude.core.progress import watched
from etude.studio.models import THREADS

T = TypeVar("T")
MOST_WAITING = 8  # pieces of work, besides the one that is done
LOOKS = 0.2  # seconds between two looks whether a page is still there
REPORTS = 0.1  # seconds between two reports of progress


class Gone(Exception):
    """The page that asked has gone away, or the studio is closing: nobody waits for the work."""


class Busy(Exception):
    """Too many wait."""


class Worker:
    """Does work one after the other; reports its progress; leaves out what nobody waits for any more."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        """Args: how many may wait."""
        self.most_waiting = most_waiting
        self.count = 0  # that wait or are done
        self.closing = threading.Event()
        self._pool = ThreadPoolExecutor(1, "studio", _use_one_thread)

    async def do(
        self,
        work: Callable[[], T],
        is_gone: Callable[[], Awaitable[bool]],
        report: Callable[[str, float], None] = lambda what, share: None,
    ) -> T:
        """Do a piece of work when its turn comes.

        Args:
            work: is called on the worker's thread.
            is_gone: whether the page that asked has gone away.
            report: what is done, and how much of it, from 0 to 1; called in the loop.

        Raises:
            Busy: too many wait.
            Gone: nobody waits for it any more.
        """
        if self.count > self.most_waiting:
            raise Busy
        self.count += 1
        gone, loop, last = threading.Event(), asyncio.get_running_loop(), [0.0]

        def watch(what: str, done: int, total: int) -> None:
            if gone.is_set() or self.closing.is_set():
                raise Gone
            now = time.monotonic()
            if now - last[0] >= REPORTS:
                last[0] = now
                loop.call_soon_threadsafe(report, what, done / max(1, total))

        def run() -> T:
            watch("start", 0, 1)
            with watched(watch):
                return work()

        async def look() -> None:
            while not await is_gone():
                await asyncio.sleep(LOOKS)
            gone.set()

        looking = asyncio.create_task(look())
        try:
            if self.count > 1:
                report("waiting", 0.0)
            return await loop.run_in_executor(self._pool, run)
        finally:
            looking.cancel()
            self.count -= 1

    def close(self) -> None:
        """End what is done, at its next report, and do nothing more."""
        self.closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(THREADS)
