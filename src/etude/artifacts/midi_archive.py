"""Pieces on disk: MIDI files in shards of up to a thousand, each an uncompressed zip archive.

Any number of pieces are few files, which any tool opens.
"""

import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import groupby
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from etude.core.errors import EtudeError
from etude.core.files import Json, digest, require_digest

SIZE = 1000  # pieces of one shard
FOLDER = "pieces"
STAMP = (1980, 1, 1, 0, 0, 0)  # of every file, so that equal pieces give equal archives


def write_shard(path: Path, pieces: Iterable[tuple[str, bytes]]) -> Json:
    """Write MIDI files, each an id and its bytes, as one archive. Returns ``pieces``, their number, and ``sha256``."""
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in pieces:
            entry = zipfile.ZipInfo(f"{name}.mid", STAMP)
            entry.create_system = 3  # the same on every system
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
            count += 1
    return {"pieces": count, "sha256": digest(path)}


def write_pieces(folder: Path, pieces: Iterable[tuple[str, bytes]], size: int = SIZE) -> list[Json]:
    """Write pieces in their order as shards of ``size`` below ``folder``.

    Returns the manifest's entries: ``file``, ``pieces`` (their number) and ``sha256`` of each shard.
    """
    (folder / FOLDER).mkdir(parents=True)
    shards = []
    for number, part in groupby(enumerate(pieces), lambda pair: pair[0] // size):
        path = folder / FOLDER / f"{number:05d}.zip"
        shards.append({"file": f"{FOLDER}/{path.name}", **write_shard(path, (piece for _, piece in part))})
    return shards


def gather_shards(folder: Path, archives: Iterable[tuple[Path, Mapping[str, Any], Sequence[str] | None]]) -> list[Json]:
    """Take over finished archives as the shards below ``folder``; unchanged archives are linked.

    Args:
        folder: where ``pieces/`` will be.
        archives: each with the result of its ``write_shard`` and, if not all pieces stay, the ids of those that
            stay, in their order.

    Returns:
        What ``write_pieces`` returns. An archive without remaining pieces is no shard.
    """
    shards: list[Json] = []
    for archive, facts, staying in archives:
        if not (facts["pieces"] if staying is None else staying):
            continue
        path = folder / FOLDER / f"{len(shards):05d}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        if staying is not None:
            with zipfile.ZipFile(archive) as source:
                facts = write_shard(path, ((name, source.read(f"{name}.mid")) for name in staying))
        else:
            try:
                path.hardlink_to(archive)
            except OSError:  # a file system without links
                shutil.copyfile(archive, path)
        shards.append({"file": f"{FOLDER}/{path.name}", **facts})
    return shards


class Pieces:
    """The pieces that a stage left in ``folder``, read by id.

    Every shard is compared with its digest when it is first opened.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], entries: str, made_by: str) -> None:
        """Args: the stage's folder, its manifest, the manifest's key of pieces, the command that makes them again."""
        self.folder, self.made_by = folder, made_by
        self.entries: dict[str, Mapping[str, Any]] = {entry["id"]: entry for entry in manifest[entries]}
        if wrong := [name for name in self.entries if "/" in name or name.startswith(".")]:
            raise EtudeError(f"{folder}: {wrong[0]!r} is no id of a piece. Make it again with: {made_by}")
        self._shards: Sequence[Mapping[str, Any]] = manifest["shards"]
        starts = [0]
        for shard in self._shards:
            starts.append(starts[-1] + shard["pieces"])
        self._shard_of: dict[str, int] = {}
        shard = 0
        for place, name in enumerate(self.entries):
            shard += place >= starts[shard + 1]
            self._shard_of[name] = shard
        self._open: tuple[int, zipfile.ZipFile] | None = None
        self._verified: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        """The state without the open file, for another process."""
        return {**self.__dict__, "_open": None}

    def only(self, names: Iterable[str]) -> "Pieces":
        """The same with these pieces alone, for a process that needs no others."""
        part = copy(self)
        part.entries = {name: self.entries[name] for name in names}
        part._shard_of = {name: self._shard_of[name] for name in part.entries}
        part._open, part._verified = None, set()
        return part

    def data(self, name: str) -> bytes:
        """The MIDI file of a piece. Reading in the order of the manifest is fastest."""
        try:
            return self._archive(self._shard_of[name]).read(f"{name}.mid")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise self._damaged(self._shard_of.get(name), str(error)) from None

    def score(self, name: str) -> ScoreTick:
        """A piece."""
        return ScoreTick.from_midi(self.data(name))

    def scores(self, names: Iterable[str]) -> Iterator[tuple[str, ScoreTick]]:
        """Yield pieces one after the other, each with its id."""
        for name in names:
            yield name, self.score(name)

    def _archive(self, shard: int) -> zipfile.ZipFile:
        if self._open is None or self._open[0] != shard:
            if self._open is not None:
                self._open[1].close()
            path = self.folder / self._shards[shard]["file"]
            if shard not in self._verified:
                require_digest(path, self._shards[shard]["sha256"], self.made_by)
                self._verified.add(shard)
            self._open = shard, zipfile.ZipFile(path)
        return self._open[1]

    def _damaged(self, shard: int | None, why: str) -> EtudeError:
        place = self.folder if shard is None else self.folder / self._shards[shard]["file"]
        return EtudeError(f"{place} is damaged or missing ({why}). Make it again with: {self.made_by}")
