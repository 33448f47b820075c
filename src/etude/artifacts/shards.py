"""Work on many pieces in shards: one function of a shard, mapped by joblib over processes or a cluster.

A finished shard is a folder of its own, written completely or not at all, and sealed: what an earlier run left is taken
only if its files have the digests of its SHA256SUMS. The folder above is named after everything that decides the
content. A killed stage therefore resumes where it stopped. The number of workers, the engine and interruptions change
no byte of the result.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import joblib
from filelock import FileLock, Timeout

from etude.artifacts.catalog import Artifact
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.files import discard, is_sealed, whole_folder
from etude.core.progress import bar
from etude.core.signals import shield
from etude.core.workers import start_workers

T = TypeVar("T")
Work = Callable[[Any, Path], None]  # takes a task, fills a folder
LOOPBACK = "127.0.0.1"
LARGE, SMALL, AIM = 1000, 20, 16  # most and fewest pieces of a shard; number of shards of a small set


def cut(items: Sequence[T], large: int = LARGE) -> list[list[T]]:
    """Cut items into shards. Their size depends on the number of items alone: ``large``, less for few."""
    size = min(large, max(SMALL, -(-len(items) // AIM)))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


class Unfinished(Exception):
    """A run of one shard alone has done its part. The text says what to do next."""


class Shards:
    """The finished shards of one stage."""

    def __init__(self, session: Session, made: Artifact, key: str) -> None:
        """Args: the session, the folder that is made of the shards, the key of what decides the content."""
        self.session, self.made_by = session, made.made_by
        self.what = "-".join(PurePosixPath(made.place).parts[1:])  # tokenize-remi
        self.place = session.root / ".shards" / f"{self.what}-{key[:16]}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the shards during all work of the stage, and remove them at the end.

        A run of one shard alone (``session.shard``) ends where shards are missing, and prints which.
        """
        if self.session.shard is not None:
            try:
                yield
            except Unfinished as unfinished:
                print(unfinished)
            return
        self.place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.place.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"etude: another run of the same {self.what} is at work; waiting for it.", flush=True)
            lock.acquire()
        with lock:
            yield
            discard(self.place)

    def map(self, work: Work, tasks: Sequence[Any], name: str = "shard") -> list[Path]:
        """Fill a folder for each task by ``work(task, folder)``; finished ones stay. Returns the folders in order.

        Args:
            work: a function of a module, which other processes import. It must depend on its task alone.
            tasks: one a shard; they are pickled.
            name: of this map, where a stage has several.

        Raises:
            EtudeError: a task failed; the finished shards stay for the next run.
            Unfinished: this run does one shard alone, and others are missing.
        """
        folders = [self.place / f"{name}-{number:05d}" for number in range(len(tasks))]
        if (own := self.session.shard) is not None:
            if own < len(folders) and not self._is_finished(folders[own]):
                _finish(work, tasks[own], folders[own])
            there = sum(folder.is_dir() for folder in folders)
            if there < len(folders):
                raise Unfinished(
                    f"{self.what}: of the shards 0 to {len(folders) - 1} ({name}) {there} are there. Run the missing "
                    "ones, then the same command again."
                )
            return folders
        todo = [number for number, folder in enumerate(folders) if not self._is_finished(folder)]
        with self._watched(folders, name), _engine(self.session, len(todo)):
            joblib.Parallel()(joblib.delayed(_finish)(work, tasks[number], folders[number]) for number in todo)
        return folders

    def once(self, work: Callable[[Path], None], name: str) -> Path:
        """Fill one folder by ``work(folder)``, for a result of all shards together; a finished one stays."""
        folder = self.place / name
        try:
            if not self._is_finished(folder):
                with whole_folder(folder) as part:
                    work(part)
        except OSError:
            if not folder.is_dir():  # else another job has made it meanwhile
                raise
        return folder

    def _is_finished(self, folder: Path) -> bool:
        """Whether an earlier run has left a shard unchanged; a damaged one is removed, and made again."""
        if is_sealed(folder):
            return True
        if folder.is_dir():
            print(f"etude: {folder} is damaged, and is made again.", flush=True)
            discard(folder)
        return False

    def complete(self) -> None:
        """End a run of one shard alone: all shards are present, and another run gathers them."""
        if self.session.shard is not None:
            raise Unfinished(f"{self.what}: all shards are there. Gather them with: {self.made_by}")

    @contextmanager
    def _watched(self, folders: Sequence[Path], name: str) -> Iterator[None]:
        """Show a progress bar over the folders that appear, whatever process writes them."""
        ended = threading.Event()
        label = self.what if name == "shard" else f"{self.what}, {name}"
        with bar(f"{label}, shards", len(folders), self.session.progress and len(folders) > 1) as advance:

            def watch() -> None:
                while not ended.wait(0.5):
                    advance(sum(folder.is_dir() for folder in folders))

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            try:
                yield
                advance(len(folders))
            finally:
                ended.set()
                watcher.join()


def _finish(work: Work, task: Any, folder: Path) -> None:
    """Write one shard, completely or not at all."""
    with whole_folder(folder) as part:
        work(task, part)


@contextmanager
def _engine(session: Session, tasks: int) -> Iterator[None]:
    """Joblib's backend: processes of this machine, or workers of a Dask cluster."""
    if session.engine != "dask":
        jobs = max(1, min(session.workers, tasks))
        with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
            start_workers(jobs)
            yield
        return
    try:
        import dask
        from distributed import Client
    except ImportError:
        raise EtudeError(
            'session.engine = dask needs the package distributed. Install it with: pip install "distributed>=2026.8"'
        ) from None
    given: Mapping[str, Any] = {}
    if not dask.config.get(
        "scheduler-address", None
    ):  # DASK_SCHEDULER_ADDRESS names a cluster; else one on this machine
        given = {"n_workers": session.workers, "threads_per_worker": 1, "dashboard_address": None, "host": LOOPBACK}
    with shield((signal.SIGINT, signal.SIGHUP)):  # Dask itself ends its workers by SIGTERM
        client = Client(**given)
    with client, joblib.parallel_config(backend="dask"):
        yield
