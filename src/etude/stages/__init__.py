"""The stages of the pipeline, one module each: a pure function, and a thin main that reads and writes."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError


def main(run: Callable[..., Any]) -> None:
    """Run a stage as dvc.yaml calls it: settings from params.yaml alone, the model from the command line."""
    # under its own name: other processes import what is mapped over shards, and cannot import it from __main__
    run = importlib.import_module(run.__globals__["__spec__"].name).run
    try:
        session = Session()
        run(Settings.from_params(session.root / "params.yaml"), session, *sys.argv[1:])
    except EtudeError as error:
        sys.exit(f"etude: {error}")
