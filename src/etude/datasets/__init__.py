"""Where pieces come from: one dataset a file. Here is what all share: settings, manifest, ids, limit."""

import hashlib
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from etude.config.sections import Count, Reading, construct
from etude.core.files import digest

LONGEST = 120  # bytes of an id, which becomes a file's name


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
            reading: how ingest reads the files (etude.scores.Reading).
        """
        self.name, self.limit = name, limit
        self.reading = construct(Reading, reading, "dataset.reading")

    @abstractmethod
    def pieces(self, folder: Path, left_out: list[dict[str, str]], show: bool) -> Iterator[dict[str, Any]]:
        """Bring source files to ``folder`` and yield an entry (see ``piece``) a piece, in a fixed order.

        What is left out is added to ``left_out``: its ``source`` and the ``reason``.
        """

    def fetch(self, folder: Path, show: bool) -> dict[str, Any]:
        """Bring the untouched source files to ``folder`` and return the manifest.

        It says what was taken, and what was left out for which reason.
        """
        folder.mkdir(parents=True, exist_ok=True)
        left_out: list[dict[str, str]] = []
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


def piece(folder: Path, file: str, name: str, source: str, **facts: Any) -> dict[str, Any]:
    """The manifest's entry of a piece.

    Args:
        folder: of the download.
        file: the source file, relative to ``folder``.
        name: the piece's id.
        source: what a person calls the file.
        facts: ``part`` (which piece of a file that holds many), ``title``, ``split`` (of a published split: train, valid
            or test), ``origin`` (equal for pieces of one family), ``sha256`` where it is known, and free ones.
    """
    known: dict[str, Any] = {"part": None, "title": None, "split": None, "origin": None}
    sha256 = facts.pop("sha256", None) or digest(folder / file)
    return {"id": name, "file": file, "sha256": sha256, "source": source} | known | facts


class Names:
    """Makes ids of names: letters of any script, digits and ``_ . -``, unique also where case does not count."""

    def __init__(self) -> None:
        """Begin with none given out."""
        self.given: Counter[str] = Counter()

    def __call__(self, text: str) -> str:
        """An id that was not given out yet."""
        plain = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip(".") or "piece"
        if len(plain.encode()) > LONGEST:
            mark = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
            plain = f"{plain.encode()[: LONGEST - 16].decode(errors='ignore')}-{mark}"
        name = plain
        while self.given[key(name)]:
            self.given[key(plain)] += 1
            name = f"{plain}-{self.given[key(plain)]}"
        self.given[key(name)] += 1
        return name


def key(name: str) -> str:
    """Equal for names that a file system may take for one."""
    return unicodedata.normalize("NFC", name.casefold())


def first(pieces: Sequence[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    """The first ``limit`` pieces; of each side of a published split in proportion, and at least one while it lasts."""
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
