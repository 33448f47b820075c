"""Encoded pieces on disk: memory-mapped flat arrays with offsets, and a manifest of what they were built from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude import provenance
from etude.errors import EtudeError
from etude.outputs import digest, read_json
from etude.settings import Settings

SIDES = ("train", "valid", "test")


def built_from(settings: Settings, representation: str) -> dict[str, Any]:
    """The sections that decide what a representation's arrays hold."""
    if representation not in settings.tokenize:
        known = ", ".join(sorted(settings.tokenize))
        raise EtudeError(f'There is no representation "{representation}" under tokenize. There are: {known}.')
    own = {representation: settings.tokenize[representation]}
    return {**provenance.built_from(settings, "augment"), "tokenize": own}


@dataclass(frozen=True)
class Store:
    """The folder that the stage ``tokenize`` leaves for one representation."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """settings, vocabulary, pieces by side, notes and cells by piece, the round trip, digests of the arrays."""
        manifest: dict[str, Any] = read_json(
            self.folder / "manifest.json", f"etude tokenize tokenize={self.folder.name}"
        )
        return manifest

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the arrays, by which a run names its data."""
        return digest(self.folder)

    def items(self, side: str) -> NDArray[Any]:
        """All items of a side, memory-mapped: (tokens,) uint16, or packed piano rolls (windows, bytes) uint8."""
        return self._array(f"{side}.npy")

    def offsets(self, side: str) -> NDArray[np.int64]:
        """Where each piece begins in ``items``, and the end of the last: (pieces + 1,)."""
        return self._array(f"{side}.offsets.npy")

    def pieces(self, side: str) -> list[NDArray[Any]]:
        """The items of each piece of a side."""
        items, offsets = self.items(side), self.offsets(side)
        return [items[a:b] for a, b in pairwise(offsets)]

    def verify(self) -> None:
        """Raise EtudeError where an array is not the one that was written."""
        for name, expected in self.manifest["sha256"].items():
            file = self.folder / name
            if not file.is_file() or digest(file) != expected:
                raise EtudeError(
                    f"{file} is damaged or missing: it is not the file that its manifest names. "
                    f"Build it again with: etude tokenize tokenize={self.folder.name}"
                )

    def require(self, settings: Settings, representation: str) -> None:
        """Refuse arrays that were built with other settings, naming both and the commands that help."""
        provenance.require(
            f"data/tokenize/{self.folder.name}", self.manifest["settings"], built_from(settings, representation)
        )

    def _array(self, name: str) -> NDArray[Any]:
        try:
            return np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise EtudeError(
                f"{self.folder / name} cannot be read ({error}). "
                f"Build it with: etude tokenize tokenize={self.folder.name}"
            ) from None


def write_items(folder: Path, side: str, pieces: Sequence[NDArray[Any]], empty: NDArray[Any]) -> None:
    """Write a side's pieces as one flat array and its offsets; ``empty`` gives shape and type where there are none."""
    items = np.concatenate([empty, *pieces]) if pieces else empty
    np.save(folder / f"{side}.npy", items, allow_pickle=False)
    lengths = np.array([0, *(len(piece) for piece in pieces)], dtype=np.int64)
    np.save(folder / f"{side}.offsets.npy", lengths.cumsum(), allow_pickle=False)
