"""Loading the representation that the stage ``tokenize`` learned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etude.artifacts.token_store import Store
from etude.config.check import check, construct, target
from etude.core.errors import EtudeError
from etude.representations.base.learned_files import Program

MOST_VOICES = 129


def load_representation(store: Store) -> Any:
    """The learned representation of a store, with the settings that it was built with.

    The store is handed its ``encode``, by which it makes the train copies that are not stored as arrays.
    """
    found = store.manifest
    representation = read_representation(store.folder, store.folder.name, found["representation"], found["voices"])
    store.encode = representation.encode
    return representation


def read_representation(folder: Path, name: str, values: Mapping[str, Any], voices: Mapping[str, int]) -> Any:
    """The learned representation whose files a folder holds.

    Args:
        folder: what its ``save`` wrote to.
        name: under ``tokenize``.
        values: its section of the settings.
        voices: name -> program.

    Raises:
        EtudeError: a setting, the voices or a file are not what they must be.
    """
    where = f"tokenize.{name}"
    kind = target(values, where)
    construct(kind, values, where)  # which checks the settings
    found = check(dict(voices), dict[str, Program], f"{where}: voices")
    if not all(isinstance(name, str) for name in found):
        raise EtudeError(f"{where}: voices must be names, each with its program.")
    if len(found) > MOST_VOICES:
        raise EtudeError(f"{where} has {len(found)} voices, {MOST_VOICES} is the most: one a program, and drums.")
    return kind.load(folder, values, found)
