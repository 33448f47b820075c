"""The user's own scores: a copy of every readable score below a folder; links out of it are refused."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etude.config.check import Count
from etude.core.errors import EtudeError
from etude.core.folders import files_below
from etude.core.progress import follow
from etude.core.project import given_path
from etude.datasets import Dataset, Entry, LeftOut, Manifest, Names, piece
from etude.scores.readers import SCORES, pieces_of

MAX_BYTES = 50_000_000  # of a file
HOW = "Name your folder of scores, as in: etude download dataset=folder dataset.path=~/my_midi"


class Folder(Dataset):
    """Scores below one folder. The first of several identical files is taken; other kinds of files are counted."""

    SOURCE = "the user's own files"
    LICENCE = "Not stated. The user of the files must know their rights."
    CITATION = "None stated."

    def __init__(self, name: str, limit: Count | None, reading: dict[str, Any], path: str | None) -> None:
        """Take the section ``dataset`` of the settings; ``path`` is the folder, with ``~`` for the user's own."""
        super().__init__(name, limit, reading)
        self.path = path

    def fetch(self, folder: Path, show: bool) -> Manifest:
        """Copy the files to ``folder`` and return the manifest; it also counts the ``other_files`` by suffix."""
        root = self._root(folder)
        others = Counter(_suffix(file) for file in _below(root, []) if _other(file))
        return {**super().fetch(folder, show), "other_files": dict(sorted(others.items()))}

    def pieces(self, folder: Path, left_out: list[LeftOut], show: bool) -> Iterator[Entry]:
        """The scores in the order of their paths."""
        root = self._root(folder)
        names = Names()
        seen: dict[str, str] = {}
        files = [file for file in _below(root, left_out) if not _other(file)]
        files.sort(key=lambda file: file.relative_to(root).as_posix())
        for file in follow(files, "download", len(files), show):
            source = _shown(file, root)
            try:
                data = _read(file, root)
                sha256 = hashlib.sha256(data).hexdigest()
                if seen.setdefault(sha256, source) != source:
                    raise EtudeError(f"the same bytes as {seen[sha256]}")
                name = names(source.removesuffix(file.suffix).replace("/", "_"))
                copy = folder / f"{name}{_suffix(file)}"
                held = _copy(data, copy)
            except EtudeError as error:
                left_out.append({"source": source, "reason": str(error)})
                continue
            collection = len(held) > 1 and _suffix(file) == ".abc"  # its tunes are not related
            for part, title in held:
                alone = len(held) == 1
                facts = {"part": part, "title": title, "sha256": sha256}
                facts["origin"] = None if collection else source.removesuffix(file.suffix)
                own = name if alone else names(f"{name}-{part:0>4}")
                yield piece(folder, copy.name, own, source if alone else f"{source}, piece {part}", **facts)

    def _root(self, folder: Path) -> Path:
        if self.path is None:
            raise EtudeError(f"dataset.path is not set. {HOW}")
        try:
            root = given_path(self.path).resolve(strict=True)
        except (OSError, RuntimeError):
            raise EtudeError(f'dataset.path = "{self.path}" does not exist. {HOW}') from None
        if not root.is_dir():
            raise EtudeError(f'dataset.path = "{self.path}" is not a folder. {HOW}')
        if folder.resolve().is_relative_to(root):
            raise EtudeError(
                f'dataset.path = "{self.path}" contains the download itself. Name a folder of scores only.'
            )
        return root


def _below(root: Path, left_out: list[LeftOut]) -> Iterator[Path]:
    """All files below ``root``, in no order; unreadable folders are added to ``left_out``."""

    def unreadable(place: Path, reason: str) -> None:
        left_out.append({"source": _shown(place, root), "reason": f"the folder cannot be read ({reason})"})

    return files_below(root, "dataset.path", unreadable)


def _other(file: Path) -> bool:
    """Whether ``file`` is a plain file of another kind."""
    try:
        return _suffix(file) not in SCORES and stat.S_ISREG(file.lstat().st_mode)
    except OSError:  # it disappeared
        return False


def _suffix(file: Path) -> str:
    return _text(file.suffix.lower())


def _shown(file: Path, root: Path) -> str:
    return _text(file.relative_to(root).as_posix())


def _text(name: str) -> str:
    r"""A file's name as text, with ``\xe9`` for each byte that is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _read(file: Path, root: Path) -> bytes:
    """The bytes of a plain file. Anything else stays unopened and raises EtudeError with the reason."""
    try:
        target = file
        if file.is_symlink():
            target = file.resolve(strict=True)
            if not target.is_relative_to(root):
                raise EtudeError("a link that leads out of the folder")
            if target.is_dir():
                raise EtudeError("a link to a folder, whose files are taken from their own place")
        _plain(target.lstat())
        # another process may replace the file: a link is not followed, a pipe does not block
        with open(os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            _plain(os.fstat(stream.fileno()))
            data = stream.read(MAX_BYTES + 1)
    except RuntimeError:
        raise EtudeError("a link that leads in a circle") from None
    except FileNotFoundError:
        raise EtudeError("a link that leads nowhere" if file.is_symlink() else "it disappeared") from None
    except OSError as error:
        raise EtudeError(f"it cannot be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise EtudeError(f"more than {MAX_BYTES} bytes")
    return data


def _copy(data: bytes, copy: Path) -> list[tuple[str | None, str | None]]:
    """Write ``data`` to ``copy`` and return the pieces it holds; a file without any is removed."""
    copy.write_bytes(data)
    try:
        held = pieces_of(copy)
        if not held:
            raise EtudeError("it holds no piece")
    except EtudeError:
        copy.unlink()
        raise
    return held


def _plain(facts: os.stat_result) -> None:
    """Refuse anything but a file of a suitable size."""
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
    for is_one, kind in kinds.items():
        if is_one(facts.st_mode):
            raise EtudeError(f"{kind}, not a file")
    if facts.st_size == 0:
        raise EtudeError("an empty file")
    if facts.st_size > MAX_BYTES:
        raise EtudeError(f"{facts.st_size} bytes, more than {MAX_BYTES}")
