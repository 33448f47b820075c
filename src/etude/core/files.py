"""Outputs that appear complete or not at all, and the digests by which damage is noticed when they are read."""

import errno
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from etude.core.errors import EtudeError
from etude.core.machine_faults import AGAIN
from etude.core.memory import in_words

Json = dict[str, Any]  # what a JSON file holds
ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)
CHECKSUM = "checksum"  # the first key of a JSON file: SHA-256 of the lines after it
SEAL = re.compile(rf'\{{\n "{CHECKSUM}": "([0-9a-f]{{64}})",?\n')
SUMS = "SHA256SUMS"  # in a sealed folder: the digests of its files, as sha256sum writes and checks them
DEEPEST = 2  # folders of a sealed one that a file lies in at most, itself counted
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what a write meets, without the name of the file
# what a process leaves next to a path while it writes it: .NAME.MARK-PID.part is not yet whole, .old is what stood
# there, and .gone what is being removed
LEFT = re.compile(r"\.(?P<name>.+)\.(?P<mark>[0-9a-f]{6})-(?P<pid>\d+)\.(?P<kind>part|old|gone)")


@cache
def _mark() -> str:
    """Six hexadecimal digits for this machine, or this container: its process numbers mean nothing elsewhere."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        space = 0
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:6]


def aside(path: Path, kind: str) -> Path:
    """Where this process keeps a path's ``part``, ``old`` or ``gone``; see ``LEFT``."""
    return path.with_name(f".{path.name}.{_mark()}-{os.getpid()}.{kind}")


def place_of(part: Path) -> Path:
    """What a path that ``whole`` yields, or one in a folder that it yields, becomes."""
    return Path(*(found["name"] if (found := LEFT.fullmatch(name)) else name for name in part.parts))


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path next to ``path`` to write a file or to make a folder at; rename it to ``path`` on success.

    What was at ``path`` is replaced, but a folder only by a folder. After an error ``path`` is as before, and nothing
    else is left. What processes that were killed have left in the folder is removed first; where one was killed
    between the two renames that replace a folder, the old one is back.

    Raises:
        EtudeError: a file was written, and ``path`` is a folder.
        OSError: of the disk, with the name of the file.
    """
    path = path if path.name else path.resolve()  # as "."
    path.parent.mkdir(parents=True, exist_ok=True)
    _settle(path.parent.resolve(), os.getpid())
    part = aside(path, "part")
    _remove(part)
    try:
        yield part
        if path.is_dir() and not part.is_dir():
            raise EtudeError(f"{path} is a folder, and would be replaced by a file. Name a file.")
        if path.is_dir() and not path.is_symlink():
            old = aside(path, "old")
            path.rename(old)
            try:
                part.rename(path)
            except BaseException:
                old.rename(path)
                raise
            discard(old)
        else:
            part.replace(path)
    except OSError as error:
        if error.errno in OF_THE_DISK and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):  # as on a disk that can no longer be written
            _remove(part)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """``whole`` for a folder, which is made and sealed: see ``seal``."""
    with whole(path) as part:
        part.mkdir()
        yield part
        seal(part)


def discard(path: Path) -> None:
    """Remove a file or a folder so that a kill leaves it whole or not at all: it is renamed first."""
    _settle(path.parent.resolve(), os.getpid())
    gone = aside(path, "gone")
    with suppress(OSError):
        _remove(gone)
        path.rename(gone)
        _remove(gone)


@cache  # once a folder and process: only processes that lived before this one have left anything
def _settle(folder: Path, pid: int) -> None:
    """Remove what processes of this machine that were killed have left in a folder, or put it back."""
    try:
        names = os.listdir(folder)
    except OSError:  # it can be written, and not read
        return
    for name in names:
        file, found = folder / name, LEFT.fullmatch(name)
        if found is None or found["mark"] != _mark() or psutil.pid_exists(int(found["pid"])):
            continue
        place = file.with_name(found["name"])
        with suppress(OSError):  # somebody else's, or gone meanwhile
            if found["kind"] == "old" and not os.path.lexists(place):
                file.rename(place)
            else:
                _remove(file)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_room(path: Path, needed: int) -> None:
    """Raise EtudeError where a file of ``needed`` bytes does not fit on the disk of ``path``."""
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise EtudeError(
            f"{path} needs {in_words(needed)}, and {in_words(free)} are free at {path.parent}. Free some space. {AGAIN}"
        )


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with unchanged line ends, completely or not at all."""
    with whole(path) as part:
        part.write_bytes(text.encode())


class Encoded(str):
    """An entry of a list that is JSON already: see ``encode_entry``."""


def encode_entry(entry: Any) -> Encoded:
    """The line that ``write_json`` writes for an entry of a list of mappings. It may replace the entry."""
    return Encoded(ENCODER.encode(entry))


def write_json(path: Path, value: Any, sealed: bool = True) -> None:
    """Write ``value`` as JSON with sorted keys, so that equal values give equal bytes.

    Each key of a mapping and each mapping of a list has its own line: a manifest has one line a piece.

    Args:
        path: of the file.
        value: what JSON can hold.
        sealed: a mapping has ``checksum`` as its first line, which ``read_json`` verifies and leaves out. For what
            etude reads again; what people and other programs read, or edit, is plain.
    """
    text = _lines(value, "\n") + "\n"
    if sealed and text.startswith("{"):
        rest = text[1:].lstrip("\n")
        comma = "" if rest.startswith("}") else ","
        text = f'{{\n "{CHECKSUM}": "{hashlib.sha256(rest.encode()).hexdigest()}"{comma}\n{rest}'
    write_text(path, text)


def _unsealed(text: str) -> str:
    """The text that ``write_json`` has sealed. Raises ValueError where it is another."""
    if (found := SEAL.match(text)) is None:
        return text
    rest = text[found.end() :]
    if hashlib.sha256(rest.encode()).hexdigest() != found[1]:
        raise ValueError(f'it has not the "{CHECKSUM}" of its first line; if you have changed it, delete that line')
    return "{" + rest


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
    """Read a JSON file, and verify it where it is sealed.

    The error for a missing or damaged one names the command ``made_by`` that writes it.
    """
    try:
        return json.loads(_unsealed(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise EtudeError(f"{path} does not exist. Make it with: {made_by}") from None
    except RecursionError:
        raise EtudeError(f"{path} is damaged (too deeply nested). Make it again with: {made_by}") from None
    except ValueError as error:  # no UTF-8, no JSON, or another checksum
        raise EtudeError(f"{path} is damaged ({error}). Make it again with: {made_by}") from None


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files below a folder, as hexadecimal digits."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    total = hashlib.sha256()
    for file in _files(path):
        total.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
    return total.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, as hexadecimal digits; equal values give equal digests."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder, by its path in it."""
    return {file.relative_to(folder).as_posix(): digest(file) for file in _files(folder)}


def require_digest(file: Path, expected: str | None, made_by: str) -> Path:
    """The file, if it has the digest that was noted when it was written. Raises EtudeError where it is another."""
    if not file.is_file() or digest(file) != expected:
        raise EtudeError(
            f"{file} is damaged or missing: it has not the SHA-256 that was noted when it was written. "
            f"Make it again with: {made_by}"
        )
    return file


def seal(folder: Path) -> None:
    """Write SHA256SUMS into a folder: a line for each file, which ``sha256sum -c`` checks, too."""
    write_text(folder / SUMS, "".join(f"{sha256}  {name}\n" for name, sha256 in digests(folder).items()))


def _sums(folder: Path) -> dict[str, str]:
    """The digests in the SHA256SUMS of a folder, by name; bytes that are no UTF-8 match none."""
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}


def is_sealed(folder: Path) -> bool:
    """Whether a folder holds the files of its SHA256SUMS, unchanged, and no others."""
    return (folder / SUMS).is_file() and _sums(folder) == {
        name: sha256 for name, sha256 in digests(folder).items() if name != SUMS
    }


def require_unchanged(file: Path, made_by: str) -> Path:
    """The file, if the sealed folder that it lies in lists it with its digest; a folder without SHA256SUMS holds any.

    Raises:
        EtudeError: it is damaged, missing, or not listed; the message names the command ``made_by``.
    """
    for folder in file.parents[:DEEPEST]:
        if (folder / SUMS).is_file():
            return require_digest(file, _sums(folder).get(file.relative_to(folder).as_posix()), made_by)
    return file
