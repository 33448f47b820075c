"""Where pieces come from: one file per dataset. Here is what all share: settings, manifest, ids, limit."""

import hashlib
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from etude.config.check import Count, construct
from etude.config.sections import Reading
from etude.core.files import digest

LONGEST = 120  # bytes of an id, which becomes a file's name
Entry = dict[str, Any]  # a piece in the manifest, see ``piece``
LeftOut = dict[str, str]  # the source of a file that gives no piece, and the reason
Manifest = dict[str, Any]  # of a download, see ``Dataset.fetch``


class Dataset(ABC):
    """A collection of scores. A new one is a class with ``pieces`` and a file in conf/dataset/."""

    SOURCE: ClassVar[str]
    LICENCE: ClassVar[str]
    CITATION: ClassVar[str]

    def __init__(self, name: str, limit: Count | None, reading: dict[str, Any]) -> None:
        """Take the section ``dataset`` of the settings.

        Args:
            name: of the dataset.
            limit: of the pieces, for trials: the first ones.
            reading: how ingest reads the files (etude.config.sections.Reading).
        """
        self.name, self.limit = name, limit
        self.reading = construct(Reading, reading, "dataset.reading")

    @abstractmethod
    def pieces(self, folder: Path, left_out: list[LeftOut], show: bool) -> Iterator[Entry]:
        """Bring source files to ``folder`` and yield one entry per piece (see ``piece``), in a fixed order.

        Files that are left out are added to ``left_out``: their ``source`` and the ``reason``.
        """

    def fetch(self, folder: Path, show: bool) -> Manifest:
        """Bring the unchanged source files to ``folder`` and return the manifest.

        The manifest lists the pieces, and the files left out with the reason.
        """
        folder.mkdir(parents=True, exist_ok=True)
        left_out: list[LeftOut] = []
        pieces = sorted(islice(self.pieces(folder, left_out, show), self.limit), key=lambda piece: piece["id"])
        return {
            "dataset": self.name,
            "source": self.source(),
            "licence": self.LICENCE,
            "citation": self.CITATION,
            "pieces": pieces,
            "left_out": sorted(left_out, key=lambda entry: entry["source"]),
        }

    def source(self) -> str:
        """Where the files come from, with the version."""
        return self.SOURCE


def piece(folder: Path, file: str, name: str, source: str, **facts: Any) -> Entry:
    """Make the manifest's entry of a piece.

    Args:
        folder: of the download.
        file: the source file, relative to ``folder``.
        name: the piece's id.
        source: the file's name for people.
        facts: ``part`` (which piece of a file that holds many), ``title``, ``split`` (train, valid or
            test, if published), ``origin`` (equal for related pieces), ``sha256`` where it is known, and any others.
    """
    known: dict[str, Any] = {"part": None, "title": None, "split": None, "origin": None}
    sha256 = facts.pop("sha256", None) or digest(folder / file)
    return {"id": name, "file": file, "sha256": sha256, "source": source} | known | facts


class Names:
    """Makes ids from names: letters of any script, digits and ``_ . -``, unique even if case is ignored."""

    def __init__(self) -> None:
        """Start without any id."""
        self.counts: Counter[str] = Counter()

    def __call__(self, text: str) -> str:
        """A new id."""
        plain = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip(".") or "piece"
        if len(plain.encode()) > LONGEST:
            mark = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
            plain = f"{plain.encode()[: LONGEST - 16].decode(errors='ignore')}-{mark}"
        name = plain
        while self.counts[key(name)]:
            self.counts[key(plain)] += 1
            name = f"{plain}-{self.counts[key(plain)]}"
        self.counts[key(name)] += 1
        return name


def key(name: str) -> str:
    """A key that is equal for names that a file system may treat as one."""
    return unicodedata.normalize("NFC", name.casefold())


def first(pieces: Sequence[Entry], limit: int | None) -> list[Entry]:
    """The first ``limit`` pieces, from each published split in proportion, and at least one while the limit allows."""
    if limit is None or limit >= len(pieces):
        return list(pieces)
    size = Counter(entry["split"] for entry in pieces)
    exact = {split: limit * size[split] / len(pieces) for split in sorted(size, key=str)}
    count = {split: max(1, int(share)) for split, share in exact.items()}
    while sum(count.values()) > limit:
        count[max(count, key=lambda split: (count[split] > 1, count[split] - exact[split]))] -= 1
    while sum(count.values()) < limit:
        count[max(count, key=lambda split: exact[split] - count[split])] += 1
    chosen = []
    for entry in pieces:
        if count[entry["split"]]:
            count[entry["split"]] -= 1
            chosen.append(entry)
    return chosen
