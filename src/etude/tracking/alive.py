"""Which runs are alive: each holds an OS file lock while its process lives, so that killed ones can be closed.

The locks lie at mlruns/locks/RUN_ID.lock. Only inside the ``gate`` are they taken, probed and removed, and runs made.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from etude.artifacts.context import Session
from etude.tracking.server import server
from etude.tracking.times import end

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Record

PATIENCE = 60.0  # seconds to wait at the gate; a process that was stopped inside must not stop the others

_held: dict[str, FileLock] = {}  # run id -> its lock, of this process


def host() -> str:
    """The name of this machine, as runs are tagged with it."""
    return socket.gethostname()


def _locks(root: Path) -> Path:
    folder = root / "mlruns" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def gate(root: Path) -> Iterator[None]:
    """One process of the project at a time: no other may take a run for dead between its creation and its lock."""
    with FileLock(_locks(root) / "gate", timeout=PATIENCE):
        yield


def hold(root: Path, run_id: str) -> None:
    """Mark a run as alive until ``release`` or the end of this process. Call it inside the gate."""
    lock = FileLock(_locks(root) / f"{run_id}.lock", timeout=0)
    lock.acquire()
    _held[run_id] = lock


def release(run_id: str) -> None:
    """Remove the mark. The file stays until the next reap, which may be probing it now."""
    lock = _held.pop(run_id, None)
    if lock is not None:
        lock.release()


def _free(root: Path, run_id: str) -> bool:
    if run_id in _held:
        return False
    lock = _locks(root) / f"{run_id}.lock"
    if not lock.exists():
        return True
    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False


def search(client: "MlflowClient", experiment: str, condition: str) -> "list[Record]":
    """All runs of an experiment that fulfil ``condition``, the youngest first."""
    found: list[Record] = []
    token = None
    while True:
        page = client.search_runs([experiment], filter_string=condition, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def reap_inside(client: "MlflowClient", experiment: str, root: Path) -> list[str]:
    """What ``reap`` does, for a caller that is inside the gate."""
    killed = []
    for run in search(client, experiment, f"attributes.status = 'RUNNING' and tags.`etude.host` = '{host()}'"):
        if run.data.tags.get("etude.root") != str(root) or not _free(root, run.info.run_id):
            continue
        # A run that ended since the search has let go of its lock after it wrote its status: read that once more.
        if client.get_run(run.info.run_id).info.status == "RUNNING":
            end(client, run.info.run_id, "KILLED")
            killed.append(run.info.run_id)
    for file in sorted(_locks(root).glob("*.lock")):
        if _free(root, file.stem):
            file.unlink(missing_ok=True)
    return killed


def reap(session: Session) -> list[str]:
    """Set the RUNNING runs of this host and project whose process is gone to KILLED, and give their ids."""
    tracker, killed = server(session), []

    def work(client: "MlflowClient", experiment: str) -> None:
        with gate(tracker.root):
            killed.extend(reap_inside(client, experiment, tracker.root))

    tracker.attempt(work)
    return killed
