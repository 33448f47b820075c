"""The stages of the pipeline, one module each: a pure function, and a thin main that reads and writes."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from etude.core import process, signals
from etude.core.errors import EtudeError
from etude.core.machine_faults import require_limits

LEFT = (
    "No file is half-written. A training goes on from its last epoch, and a data stage from its last shard, when it is "
    "run again."
)
if sys.argv[:1] == ["-m"]:  # python -m etude.stages.NAME imports this package first, and then what takes seconds
    signals.end_at_once(LEFT)
    try:
        require_limits()
    except EtudeError as error:
        print(f"etude: {error}", file=sys.stderr)
        sys.exit(2)

from etude.artifacts.context import Session  # noqa: E402
from etude.config.sections import Settings  # noqa: E402


def main(run: Callable[..., Any]) -> None:
    """Run a stage as dvc.yaml calls it: settings from params.yaml alone, the model from the command line."""
    # under its own name: other processes import what is mapped over shards, and cannot import it from __main__
    run = importlib.import_module(run.__globals__["__spec__"].name).run

    def work() -> int:
        if "DVC_STAGE" in os.environ:  # which DVC sets for what it runs
            signals.end_with(_dvc(), "DVC, which ran this stage, has gone")
        session = Session()
        run(Settings.from_params(session.root / "params.yaml"), session, *sys.argv[1:])
        return 0

    process.run(work, LEFT)


def _dvc() -> int:
    """The process that runs this stage: the parent, or that of the shell between, where one is."""
    import psutil

    parent = psutil.Process().parent()
    if parent is not None and parent.name() in ("sh", "bash", "dash", "zsh", "fish", "ksh"):
        parent = parent.parent() or parent
    return parent.pid if parent else 0
