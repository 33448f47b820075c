"""The only room that knows MLflow: each training is one run, logged live by the stage train or made from disk by track.

Nothing here can stop a training: an MLflow that is away costs a warning, and ``publish`` records the run later.
MLflow is imported (3 s) with the first request to it, not with this room.
"""

from etude.tracking.alive import reap
from etude.tracking.compare import artifact, history, runs
from etude.tracking.describe import PARENT_RUN, SWEEP, parent
from etude.tracking.disk import publish
from etude.tracking.live import (
    Run,
    add_to_parent,
    children_of,
    finish_parent,
    name_of_parent,
    start,
    start_parent,
)

__all__ = [
    "PARENT_RUN",
    "SWEEP",
    "Run",
    "add_to_parent",
    "artifact",
    "children_of",
    "finish_parent",
    "history",
    "name_of_parent",
    "parent",
    "publish",
    "reap",
    "runs",
    "start",
    "start_parent",
]
