"""Processes of joblib that work for this one, started before their work."""

import os
from collections.abc import Mapping
from typing import Any

from joblib import Parallel, delayed

from etude.core.signals import shield


def start_workers(jobs: int, options: Mapping[str, Any] | None = None) -> None:
    """Start joblib's processes, which its next ``Parallel`` of the same options uses.

    A signal that a terminal sends to all processes does not reach them: joblib ends them, when it ends this one.

    Args:
        jobs: how many.
        options: further arguments of ``Parallel``, of the next one's too.
    """
    if jobs > 1:
        with shield():
            Parallel(jobs, **(options or {}))(delayed(os.getpid)() for _ in range(jobs))
