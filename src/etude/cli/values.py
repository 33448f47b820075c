"""The values of keys of commands that compose no settings, checked."""

import math
from collections.abc import Mapping
from pathlib import Path

from etude.core.errors import EtudeError
from etude.core.project import given_path

MOST_LETTERS = 4096  # of a path, as systems allow


def whole_number(keys: Mapping[str, str], key: str, most: int, least: int = 1) -> int | None:
    """A whole number; None where the key is not given, or empty as in ``jobs=``."""
    text = keys.get(key, "")
    # a text of many digits is no int for Python
    if text and not (text.isdecimal() and len(text) <= 20 and least <= int(text) <= most):
        raise EtudeError(f"{key} = {_short(text)} must be a whole number from {least} to {most}.")
    return int(text) if text else None


def number(keys: Mapping[str, str], key: str, least: float, most: float) -> float | None:
    """A number; None where the key is not given, or empty."""
    text = keys.get(key, "")
    try:
        found = float(text) if text else None
    except ValueError:
        found = math.nan
    if found is not None and not least <= found <= most:
        raise EtudeError(f"{key} = {_short(text)} must be a number from {least:g} to {most:g}.")
    return found


def overwrite(keys: Mapping[str, str]) -> bool:
    """Whether ``overwrite=true`` is given."""
    return truth(keys, "overwrite", False)


def truth(keys: Mapping[str, str], key: str, default: bool) -> bool:
    """Whether a key is true; ``default`` where it is not given, or empty."""
    text = keys.get(key, "")
    if text not in ("", "true", "false"):
        raise EtudeError(f"{key} = {_short(text)} must be true or false.")
    return default if not text else text == "true"


def listed(keys: Mapping[str, str], key: str) -> list[str]:
    """The texts of a list, as ``a,b``; none where the key is not given."""
    return [text.strip() for text in keys.get(key, "").split(",") if text.strip()]


def path(keys: Mapping[str, str], key: str) -> Path | None:
    """A path; None where the key is not given, or empty."""
    text = keys.get(key, "")
    if not text:
        return None
    if len(text) > MOST_LETTERS or "\0" in text:
        raise EtudeError(f"{key} = {_short(text)} is no path: it is too long, or has a zero character.")
    return given_path(text)


def run_folder(keys: Mapping[str, str]) -> Path | None:
    """The folder that ``session.run`` names."""
    found = path(keys, "session.run")
    if found is not None and not found.is_dir():
        raise EtudeError(f"session.run = {found}: there is no such folder. Manual runs are kept under runs/.")
    return None if found is None else found.resolve()


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
