"""Encoded pieces on disk: memory-mapped flat arrays with offsets, and a manifest of what they were built from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.errors import EtudeError
from etude.outputs import digest, read_json
from etude.settings import Settings

SIDES = ("train", "valid", "test")
CHAIN = (
    "dataset",
    "ingest",
    "split",
    "augment",
)  # the sections that decide what is encoded, in the order of the stages


def built_from(settings: Settings, representation: str) -> dict[str, Any]:
    """The sections that decide what a representation's arrays hold."""
    values = settings.as_dict()
    if representation not in settings.tokenize:
        known = ", ".join(sorted(settings.tokenize))
        raise EtudeError(f'There is no representation "{representation}" under tokenize. There are: {known}.')
    return {**{name: values[name] for name in CHAIN}, "tokenize": settings.tokenize[representation]}


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
        found, wanted = self.manifest["settings"], json.loads(json.dumps(built_from(settings, representation)))
        changes = [change for name in (*CHAIN, "tokenize") for change in _changes(found.get(name), wanted[name], name)]
        if not changes:
            return
        said = "; ".join(f"{key} = {old!r}, but this run asks for {key} = {new!r}" for key, old, new in changes)
        keys = [(key.replace("tokenize", f"tokenize.{representation}", 1), new) for key, _, new in changes]
        overrides = " ".join(_override(key, new) for key, new in keys)
        first = {"dataset": "download"}.get(top := changes[0][0].split(".")[0], top)
        stages = ("download", "ingest", "split", "augment", "tokenize")
        commands = " && ".join(f"etude {stage} {overrides}" for stage in stages[stages.index(first) :])
        raise EtudeError(f"{self.folder.name}: its data was built with {said}. Build the right data with: {commands}")

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


def _changes(old: Any, new: Any, key: str) -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new})
        return [change for name in names for change in _changes(old.get(name), new.get(name), f"{key}.{name}")]
    return [] if old == new else [(key, old, new)]


def _override(key: str, value: Any) -> str:
    text = json.dumps(value).replace(" ", "").replace('"', "")
    return f"'{key}={text}'" if any(sign in text for sign in "[{") else f"{key}={text}"
