"""Checks of settings: types and ranges from annotations, with messages that name the key."""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, TypeVar

import yaml

from etude.config.outside import check_class, check_kind
from etude.core.errors import EtudeError, closest

T = TypeVar("T")
FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where it came with PyYAML


class Loader(yaml.SafeLoader):
    """YAML as DVC writes it: 1e-05 is a number (YAML 1.2), for PyYAML alone (1.1) it is a text."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class Range:
    """Inclusive limits of a number; ``None`` means no limit."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None:
            return f"at most {self.high:.12g}"
        return f"at least {self.low:.12g}" if self.high is None else f"between {self.low:.12g} and {self.high:.12g}"


@dataclass(frozen=True)
class OneOf:
    """The texts that a setting may be."""

    options: tuple[str, ...]


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(1e-12)]
Seed = Annotated[int, Range(0, 2**31 - 1)]


def check(value: Any, annotation: Any, key: str) -> Any:
    """Return ``value`` if ``annotation`` allows its type and range. An int passes as float. Errors name ``key``."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        value = check(value, args[0], key)
        for limit in args[1:]:
            if isinstance(limit, Range) and value is not None:
                low, high = limit.low, limit.high
                if not ((low is None or value >= low) and (high is None or value <= high)):
                    raise EtudeError(f"{key} = {value} is out of range: it must be {limit}.")
            if isinstance(limit, OneOf) and value not in limit.options:
                raise EtudeError(f"{key} = {value} is not known. {closest(str(value), limit.options)}")
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        options = [option for option in args if option is not type(None)]
        start, kinds, other = f"{key} = {value!r} must be ", [], None
        for option in options:
            try:
                return check(value, option, key)
            except EtudeError as error:
                if str(error).startswith(start):
                    kinds.append(str(error).removeprefix(start).rstrip("."))
                else:  # of the right type, but out of range, or with a wrong item
                    other = error
        raise other or EtudeError(f"{start}{' or '.join(kinds)}.")
    if origin is list or origin is tuple:
        if not isinstance(value, list | tuple):
            raise EtudeError(f"{key} = {value!r} must be a list.")
        return [check(item, args[0], f"{key}[{place}]") for place, item in enumerate(value)]
    if origin is dict or annotation is dict:
        if not isinstance(value, Mapping):
            raise EtudeError(f"{key} = {value!r} must be a section of keys.")
        of = args[1] if len(args) == 2 else Any
        return {name: check(item, of, f"{key}.{name}") for name, item in value.items()}
    if annotation is Any or annotation is inspect.Parameter.empty:
        return value
    if inspect.isclass(annotation) and is_dataclass(annotation):
        return value if isinstance(value, annotation) else construct(annotation, check(value, dict, key), key)
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (isinstance(value, bool) and annotation is not bool) or not isinstance(value, annotation):
        kind = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}
        hint = " In YAML 1.1 a power needs a dot: write 1.0e-4." if annotation is float and "e" in str(value) else ""
        raise EtudeError(f"{key} = {value!r} must be {kind.get(annotation.__name__, annotation.__name__)}.{hint}")
    return value


def construct(make: Callable[..., T], values: Mapping[str, Any], where: str, **given: Any) -> T:
    """Call ``make`` with the keys of one section, checked against the signature of ``make``.

    Args:
        make: a class or function whose parameters are annotated.
        values: the section; ``_target_`` is ignored.
        where: the name of the section, for messages.
        given: arguments that are not settings (a vocabulary's size); they are not checked.
    """
    signature = inspect.signature(make)
    hints = typing.get_type_hints(make.__init__ if inspect.isclass(make) else make, include_extras=True)
    known = {name: p for name, p in signature.parameters.items() if name not in given}
    values = {name: value for name, value in values.items() if name != "_target_"}
    for name in values:
        if name not in known:
            raise EtudeError(f"{where}.{name} is not a setting. {closest(name, known)}")
    for name, parameter in known.items():
        if name not in values and parameter.default is inspect.Parameter.empty:
            raise EtudeError(f"{where}.{name} is missing. Set it in conf/.")
    checked = {name: check(value, hints.get(name, Any), f"{where}.{name}") for name, value in values.items()}
    return make(**checked, **given)


def target(values: Mapping[str, Any], where: str) -> Any:
    """The class that a section's ``_target_`` names.

    Only classes of etude of the kind that the section wants, and those that an installed package declares: a settings
    file runs no other code.
    """
    path = values.get("_target_")
    module = check_class(path, where)
    try:
        found = getattr(importlib.import_module(module), str(path).rpartition(".")[2])
    except (ImportError, AttributeError) as error:
        raise EtudeError(f"{where}._target_ = {path!r} cannot be imported: {error}.") from None
    check_kind(found, str(path), where)
    return found
