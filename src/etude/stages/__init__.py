"""The stages of the pipeline, one module each: a pure function, and a thin main that reads and writes."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError

# those of dvc.yaml: stage -> (what it does, the section of params.yaml whose names it runs once for each of, or None)
STAGES: dict[str, tuple[str, str | None]] = {
    "download": ("bring the untouched source files of a dataset, verified by digest", None),
    "ingest": ("turn source files into clean MIDI with a manifest; list what was refused", None),
    "split": ("deal the pieces to train, valid and test by tune family; audit leaks", None),
    "augment": ("transpose and stretch the train pieces", None),
    "tokenize": ("encode the pieces, one folder a representation", "tokenize"),
    "train": ("train variants; each training is one MLflow run", "models"),
    "generate": ("sample pieces from trained variants as MIDI", "models"),
    "reference": ("measure the real test pieces, and real against real", None),
    "evaluate": ("nats per note and muspy descriptors of each variant against the real pieces", "models"),
    "control": ("sample pieces to order, wish after wish, and measure whether they are what was wished for", "models"),
    "harmonize": ("write the other voices to the test melodies, or to one of yours: input=... output=...", "models"),
    "arrange": ("render each variant's best pieces: stems, mix, mp3", "models"),
    "report": ("write reports/index.html and the README's results table", None),
    "track": ("bring MLflow level with what is on disk", None),
}


def main(run: Callable[..., Any]) -> None:
    """Run a stage as dvc.yaml calls it: settings from params.yaml alone, the variant from the command line."""
    # under its own name, not as __main__, from which no other process could import what is mapped over shards
    run = importlib.import_module(run.__globals__["__spec__"].name).run
    try:
        session = Session()
        run(Settings.from_params(session.root / "params.yaml"), session, *sys.argv[1:])
    except EtudeError as error:
        sys.exit(f"etude: {error}")
