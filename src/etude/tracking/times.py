"""The times that MLflow notes, where the clock of a machine goes back: none is before one that a run has already."""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

_latest = 0  # what ``now`` gave last


def now() -> int:
    """The time as MLflow counts it, in milliseconds since 1970; never less than before, where the clock goes back."""
    global _latest
    _latest = max(_latest, int(time.time() * 1000))
    return _latest


def end(client: "MlflowClient", run_id: str, status: str) -> None:
    """End a run, not before its start, which an earlier process may have noted by a clock that has gone back since."""
    client.set_terminated(run_id, status, max(now(), client.get_run(run_id).info.start_time))
