"""Outputs that appear complete or not at all, and the digests that identify them."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etude.core.errors import EtudeError

Json = dict[str, Any]  # what a JSON file holds
ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path next to ``path`` to write a file or to make a folder at; rename it to ``path`` on success.

    What was at ``path`` is replaced, but a folder only by a folder. After an error ``path`` is as before, and nothing
    else is left.

    Raises:
        EtudeError: a file was written, and ``path`` is a folder.
    """
    path = path if path.name else path.resolve()  # as "."
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    _remove(part)
    try:
        yield part
        if path.is_dir() and not part.is_dir():
            raise EtudeError(f"{path} is a folder, and would be replaced by a file. Name a file.")
        if path.is_dir() and not path.is_symlink():
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            path.rename(old)
            part.rename(path)
            shutil.rmtree(old)
        else:
            part.replace(path)
    finally:
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with unchanged line ends, completely or not at all."""
    with whole(path) as part:
        part.write_bytes(text.encode())


class Encoded(str):
    """An entry of a list that is JSON already: see ``encode_entry``."""


def encode_entry(entry: Any) -> Encoded:
    """The line that ``write_json`` writes for an entry of a list of mappings. It may replace the entry."""
    return Encoded(ENCODER.encode(entry))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys, so that equal values give equal bytes.

    Each key of a mapping and each mapping of a list has its own line: a manifest has one line a piece.
    """
    write_text(path, _lines(value, "\n") + "\n")


def _lines(value: Any, start: str) -> str:
    """``value`` as JSON; its last line starts with ``start``."""
    if isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
        entries = [f"{ENCODER.encode(key)}: {_lines(value[key], start + ' ')}" for key in sorted(value)]
    elif isinstance(value, list) and value and all(isinstance(entry, dict | Encoded) for entry in value):
        entries = [entry if isinstance(entry, Encoded) else ENCODER.encode(entry) for entry in value]
    else:
        return ENCODER.encode(value)
    ends = "{}" if isinstance(value, dict) else "[]"
    return f"{ends[0]}{','.join(f'{start} {entry}' for entry in entries)}{start}{ends[1]}"


def read_json(path: Path, made_by: str) -> Any:
    """Read a JSON file. The error for a missing or damaged one names the command ``made_by`` that writes it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EtudeError(f"{path} does not exist. Make it with: {made_by}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EtudeError(f"{path} is damaged ({error}). Make it again with: {made_by}") from None


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files below a folder, as hexadecimal digits."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    total = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
    return total.hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, as hexadecimal digits; equal values give equal digests."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
