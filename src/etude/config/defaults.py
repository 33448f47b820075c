"""The default values of sections of conf/config.yaml, for what composes no settings."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import numpy as np

from etude.config.check import construct
from etude.core.project import PACKAGE, conf_folder

T = TypeVar("T")


@cache
def defaults(section: str) -> dict[str, Any]:
    """The default values of a section."""
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(OmegaConf.load(conf_folder(PACKAGE) / "config.yaml"), resolve=True)
    assert isinstance(values, dict)
    found: dict[str, Any] = values[section]
    return found


def section(kind: type[T], name: str, changes: Mapping[str, Any] | None = None) -> T:
    """A section with its defaults and some changes, checked; numpy's numbers count as Python's.

    Raises:
        EtudeError: a change is unknown or out of range.
    """
    plain = {key: as_plain(value) for key, value in (changes or {}).items()}
    return construct(kind, {**defaults(name), **plain}, name)


def as_plain(value: Any) -> Any:
    """Python's number in place of one of numpy."""
    return value.item() if isinstance(value, np.generic) else value
