"""Datasets that come as one archive: how it is brought, verified and unpacked."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from etude.config.check import Count
from etude.datasets import Dataset, Entry, LeftOut, Names, first, piece
from etude.datasets.archives import Archive, unpack


class Archived(Dataset):
    """An archive in which each file is a piece, unless a subclass overrides ``entries``.

    The class's texts may contain ``{version}``.
    """

    ARCHIVE: ClassVar[str]  # the file's name in a mirror
    URL: ClassVar[str]
    FILES: ClassVar[re.Pattern[str]]  # of the dataset, below the archive's top folder; group 1: where they go
    EXTRA: ClassVar[re.Pattern[str] | None] = None  # files that some copies of the archive lack
    CHECKSUM: ClassVar[str | None] = None  # published, of the archive itself
    MAX_BYTES: ClassVar[int] = 200_000_000  # unpacked
    MAX_FILES: ClassVar[int] = 50_000

    def __init__(
        self, name: str, limit: Count | None, reading: dict[str, Any], version: str, digest: str | None
    ) -> None:
        """Take the section ``dataset`` of the settings.

        Args:
            name: of the dataset.
            limit: of the pieces, for trials: the first ones, of each published split in proportion.
            reading: how ingest reads the files (etude.config.sections.Reading).
            version: a release, or a commit.
            digest: of the unpacked files (etude.core.files.digest), so that any mirror will do; ``None`` where it is
                unknown: then the archive must have its published checksum.
        """
        super().__init__(name, limit, reading)
        self.version, self.digest = version, digest

    def source(self) -> str:
        """Where the files come from, with the version."""
        return self.SOURCE.format(version=self.version)

    def entries(self, folder: Path, files: list[str], left_out: list[LeftOut]) -> Iterator[Entry]:
        """The pieces among ``files``, the sorted names of all files unpacked to ``folder``."""
        names = Names()
        for file in files:
            yield piece(folder, file, names(PurePosixPath(file).stem), file)

    def pieces(self, folder: Path, left_out: list[LeftOut], show: bool) -> Iterator[Entry]:
        """Every piece of the archive; files without a chosen piece are removed."""
        name, url = (text.format(version=self.version) for text in (self.ARCHIVE, self.URL))
        archive = Archive(name, url, self.CHECKSUM, self.MAX_BYTES, self.MAX_FILES)
        unpack(archive, folder, self.FILES, self.digest, self.EXTRA, show)
        files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        chosen = first(list(self.entries(folder, files, left_out)), self.limit)
        kept = {name for entry in chosen for name in (entry["file"], *entry.get("annotations", {}))}
        for file in files:
            if file not in kept:
                (folder / file).unlink()
        yield from chosen
