"""What other installed packages declare for etude, as entry points: models, datasets, representations and metrics.

A package that is installed has been chosen by the user, so its classes may be a ``_target_``; a settings file alone
cannot name code to run. Of etude it may name models, datasets and representations, each where it is wanted. Nothing is
imported here before it is asked for.
"""

import inspect
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, get_origin

from etude.core.errors import EtudeError


@dataclass(frozen=True)
class Kind:
    """What a section of the settings may name as its class."""

    group: str  # of entry points, and the room of etude
    words: str
    example: str
    has: tuple[str, ...]  # attributes


KINDS = {  # section -> what its classes are
    "models": Kind("etude.models", "a model", "etude.models.lstm.LSTM", ("reads", "takes", "load_state_dict")),
    "dataset": Kind(
        "etude.datasets", "a dataset", "etude.datasets.bach.Bach", ("LICENCE", "pieces", "source", "fetch")
    ),
    "tokenize": Kind(
        "etude.representations",
        "a representation",
        "etude.representations.remi.Remi",
        ("kind", "load", "survey", "learn", "encode", "decode"),
    ),
}
CLASSES = tuple(kind.group for kind in KINDS.values())  # groups whose classes may be a _target_
PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
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


def is_own(path: Any) -> bool:
    """Whether a ``_target_`` is a path in etude; if not, an installed package must declare it."""
    return isinstance(path, str) and path.startswith("etude.")


def check_class(path: Any, where: str) -> str:
    """The module of the class that a ``_target_`` names, which is etude's or declared by an installed package.

    Args:
        path: the value of ``_target_``.
        where: the section, for messages; its first part says of which kind the class must be.

    Raises:
        EtudeError: the path leads to another room of etude, or to a package that does not declare it.
    """
    kinds = _kinds(where)
    if is_own(path) and PATH.fullmatch(path) and any(path.startswith(f"{kind.group}.") for kind in kinds):
        module = str(path).rpartition(".")[0]
        if module not in CLASSES:
            return module
    entries = [entry for kind in kinds for entry in declared(kind.group)]
    for entry in entries:
        if path == f"{entry.module}.{entry.attr}":
            return entry.module
    known = sorted(f"{entry.module}.{entry.attr}" for entry in entries)
    also = f" Declared are: {', '.join(known)}." if known else ""
    raise EtudeError(
        f"{where}._target_ = {repr(path)[:100]} must name a class of etude that is {_words(kinds)}, or one that an "
        f"installed package declares as an entry point of {' or '.join(kind.group for kind in kinds)} "
        f"(docs/extending.md).{also}"
    )


def check_kind(found: Any, path: str, where: str) -> None:
    """Raise EtudeError unless what a ``_target_`` names is a class of the kind that its section wants.

    A class of etude must be defined in the module that the path names, not only imported there; no class may be one
    that others build on, which lacks a method or a constant.
    """
    kinds, start = _kinds(where), f"{where}._target_ = {path!r}"
    if not inspect.isclass(found) or (is_own(path) and found.__module__ != path.rpartition(".")[0]):
        raise EtudeError(f"{start} must name a class that is defined in that module: {_words(kinds)}.")
    if not any(all(hasattr(found, name) for name in kind.has) for kind in kinds):
        raise EtudeError(f"{start} is not {_words(kinds)}.")
    if missing := _missing(found):
        raise EtudeError(
            f"{start} is a class that others build on (it has no {', '.join(missing)}). Name one of these others: "
            f"{_words(kinds)}."
        )


def _kinds(where: str) -> tuple[Kind, ...]:
    section = where.partition(".")[0]
    return (KINDS[section],) if section in KINDS else tuple(KINDS.values())


def _words(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(f"{kind.words}, as {kind.example}" for kind in kinds)


def _missing(kind: type) -> list[str]:
    """What a class leaves to others: abstract methods, and constants that are annotated alone."""
    stated = {
        name
        for base in kind.__mro__
        for name, annotation in inspect.get_annotations(base).items()
        if get_origin(annotation) is ClassVar or annotation is ClassVar
    }
    methods: frozenset[str] = getattr(kind, "__abstractmethods__", frozenset())
    # a dataset that says itself where it comes from needs no constant for it
    own_source = any("source" in vars(base) for base in kind.__mro__ if base.__module__ != "etude.datasets")
    return sorted(
        {name for name in stated if not hasattr(kind, name) and not (own_source and name == "SOURCE")} | methods
    )
