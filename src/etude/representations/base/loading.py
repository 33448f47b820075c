"""Loading the representation that the stage ``tokenize`` learned."""

from typing import Any

from etude.artifacts.token_store import Store
from etude.config.check import target


def load_representation(store: Store) -> Any:
    """The learned representation of a store, with the settings that it was built with.

    The store is handed its ``encode``, by which it makes the train copies that are not stored as arrays.
    """
    name = store.folder.name
    values = store.manifest["representation"]
    representation = target(values, f"tokenize.{name}").load(store.folder, values, dict(store.manifest["voices"]))
    store.encode = representation.encode
    return representation
