"""Run many stage instances in the order of their needs, several side by side, and print the time that remains."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeVar

from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json

T = TypeVar("T")
TIMES = ".cache/stage_seconds.json"  # the last run of each instance on this machine
NEEDS = "needs "  # the start of the reason of what waits for something that failed
SHIPPED = "benchmarks/stage_seconds.json"  # on two cores without AMX
FALLBACK = 10.0  # seconds of an instance without a record


class Clock:
    """Prints how long each instance took, and how long the rest will take."""

    def __init__(self, root: Path, names: Sequence[str], jobs: int) -> None:
        """Args: the project, the instances to run, how many run side by side."""
        self.file, self.jobs = root / TIMES, jobs
        self.known = {**_read_seconds(root / SHIPPED), **_read_seconds(self.file)}
        self.left = dict.fromkeys(names, 0.0) | {name: self.known.get(name, FALLBACK) for name in names}
        self.total, self.started, self.done = len(names), 0, 0
        self.expected = self.taken = 0.0

    def start(self) -> str:
        """The place of the instance that starts now, as ``[5/60]``."""
        self.started += 1
        return f"[{self.started}/{self.total}]"

    def record(self, name: str, seconds: float | None, note: str = "") -> None:
        """Print the line of a finished instance. ``seconds`` is None if it had nothing to do."""
        expected = self.left.pop(name, 0.0)
        self.done += 1
        what = "nothing to do" if seconds is None else f"{seconds:.0f} s"
        if seconds is not None:
            self.expected, self.taken = self.expected + expected, self.taken + seconds
            if not note:
                self.known[name] = round(seconds, 1)
                write_json(self.file, self.known)
        print(f"[{self.done}/{self.total}] {name.replace('@', ' ')}: {note or what}{self._rest()}", flush=True)

    def _rest(self) -> str:
        if not self.left:
            return ""
        pace = self.taken / self.expected if self.expected > 30 else 1.0
        longest = max(self.left.values())
        rest = pace * max(longest, sum(self.left.values()) / self.jobs)
        return f"; about {rest / 60:.0f} min left" if rest >= 90 else f"; about {rest:.0f} s left"


def _read_seconds(file: Path) -> dict[str, float]:
    """The numbers in a file of seconds, for estimates; none if it is absent or damaged."""
    try:
        found = read_json(file, "make repro") if file.is_file() else {}
    except EtudeError:
        return {}
    values = found if isinstance(found, dict) else {}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


class _InMainThread:
    """Runs what is submitted at once, in this thread: a training sets signal handlers, which no other thread may."""

    def __enter__(self) -> "_InMainThread":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[[T], None], one: T) -> Future[None]:
        """Call ``work(one)``; the future has ended."""
        future: Future[None] = Future()
        try:
            work(one)
            future.set_result(None)
        except Exception as error:
            future.set_exception(error)
        return future


def run_side_by_side(
    needs: Mapping[T, set[T]],
    work: Callable[[T], None],
    jobs: int,
    cost: Callable[[T], float],
    stop: Callable[[], None] = lambda: None,
) -> dict[T, str]:
    """Call ``work`` for each key of ``needs`` after the keys that it needs, ``jobs`` at a time.

    What leads to the longest way to the end starts first, so that no long training is left over for one job. A failure
    stops only the keys that need the failed one. ``stop`` ends what ``work`` waits for, in all threads: it is called
    where a signal ends this process.

    Returns:
        The keys that failed or could not run, each with the reason.
    """
    sorter: TopologicalSorter[T] = TopologicalSorter(needs)
    longest = _longest_ways(needs, cost)
    sorter.prepare()
    failed: dict[T, str] = {}
    ready: list[T] = []
    running: dict[Future[None], T] = {}
    with ThreadPoolExecutor(jobs) if jobs > 1 else _InMainThread() as pool:
        while sorter.is_active():
            ready += sorter.get_ready()
            ready.sort(key=longest.__getitem__, reverse=True)
            for one in [one for one in ready if any(other in failed for other in needs[one])]:
                ready.remove(one)
                failed[one] = f"{NEEDS}{next(other for other in needs[one] if other in failed)}, which failed"
                sorter.done(one)
            while ready and len(running) < jobs:
                running[pool.submit(work, ready[0])] = ready[0]
                ready.pop(0)
            if not running:
                continue
            try:
                done = wait(running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                stop()
                raise
            for future in done:
                one = running.pop(future)
                if error := future.exception():
                    if not isinstance(error, EtudeError):
                        raise error
                    failed[one] = str(error)
                sorter.done(one)
    return failed


def _longest_ways(needs: Mapping[T, set[T]], cost: Callable[[T], float]) -> dict[T, float]:
    """The cost of each key and of the costliest chain of keys that wait for it."""
    ways = {one: cost(one) for one in needs}
    for one in reversed([*TopologicalSorter(needs).static_order()]):
        for need in needs[one]:
            ways[need] = max(ways[need], cost(need) + ways[one])
    return ways
