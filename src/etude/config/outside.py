"""What other installed packages declare for etude, as entry points: models, datasets, representations and metrics.

A package that is installed has been chosen by the user, so its classes may be a ``_target_``; a settings file alone
cannot name code to run. Nothing is imported here before it is asked for.
"""

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from etude.core.errors import EtudeError

CLASSES = ("etude.models", "etude.datasets", "etude.representations")  # groups whose classes may be a _target_
METRICS = "etude.metrics"  # group of functions that measure pieces


def declared(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group in all installed packages, by name.

    Raises:
        EtudeError: two packages declare one name, or a value names no class or function.
    """
    return _declared(group, tuple(sys.path))


@cache
def _declared(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        if not entry.attr or "." in entry.attr:
            raise EtudeError(
                f'The entry point {entry.name} = "{entry.value}" of {package_of(entry)} must name a class or a '
                f'function, as in "package.module:Name" (group {group}).'
            )
        if entry.name in found and found[entry.name].value != entry.value:
            raise EtudeError(
                f"{package_of(found[entry.name])} and {package_of(entry)} both declare {entry.name} in the group "
                f"{group}. Uninstall one of them."
            )
        found[entry.name] = entry
    return tuple(found[name] for name in sorted(found))


def package_of(entry: EntryPoint) -> str:
    """The name of the installed package that declares an entry point."""
    return entry.dist.name if entry.dist is not None else "a package"


def check_class(path: Any, where: str) -> str:
    """The module of the class that a ``_target_`` names, which is etude's or declared by an installed package.

    Args:
        path: the value of ``_target_``.
        where: the section, for messages.
    """
    if isinstance(path, str) and path.startswith("etude.") and path.count(".") > 1:
        return path.rpartition(".")[0]
    entries = [entry for group in CLASSES for entry in declared(group)] if isinstance(path, str) else []
    for entry in entries:
        if path == f"{entry.module}.{entry.attr}":
            return entry.module
    known = sorted(f"{entry.module}.{entry.attr}" for entry in entries)
    also = f" Declared are: {', '.join(known)}." if known else ""
    raise EtudeError(
        f'{where}._target_ = {path!r} must name a class of etude, as in "etude.models.lstm.LSTM", or one that an '
        f"installed package declares as an entry point (docs/extending.md).{also}"
    )
