"""Encoded pieces on disk: memory-mapped flat arrays with offsets, and a manifest.

With ``augment.at = load`` the train pieces are stored as MIDI files with the list of their copies, which are encoded
when training draws them. The store gives the same arrays either way.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts import catalog, provenance
from etude.artifacts.midi_archive import Pieces
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest_of, read_json, require_digest, require_room
from etude.core.machine_faults import reason_of
from etude.music.augmentation import Copy, alter

SPLITS = provenance.SPLITS
COPIES = "train.copies.json"
HELD = 1 << 26  # numbers of encoded copies held in memory at most


@dataclass
class Store:
    """The output folder of the stage ``tokenize`` for one representation."""

    folder: Path
    encode: Callable[[ScoreTick], NDArray[np.integer]] | None = None  # of copies that no array has: load_representation
    _made: "OrderedDict[int, NDArray[np.integer]]" = field(default_factory=OrderedDict, repr=False)
    _held: int = field(default=0, repr=False)  # the items of _made

    @property
    def made_by(self) -> str:
        """The command that builds the store."""
        return catalog.tokens(self.folder.name).made_by

    @cached_property
    def manifest(self) -> Json:
        """The representation's settings, voices, vocabulary, pieces by split with their counts, round trip, digests."""
        manifest: Json = read_json(self.folder / "manifest.json", self.made_by)
        return manifest

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the digests of the arrays and lists and their meaning, which identifies the data of a run."""
        return digest_of({name: self.manifest[name] for name in ("sha256", "representation", "voices", "kind")})

    @cached_property
    def record(self) -> Json:
        """What the arrays were built from: ``settings``, section by section."""
        place = catalog.record("tokenize", self.folder.name).place
        record: Json = read_json(self.folder.parents[2] / place, self.made_by)
        return record

    def count(self, split: str) -> int:
        """The number of items of a split: tokens, or windows of piano rolls."""
        return int(self.offsets(split)[-1])

    def offsets(self, split: str) -> NDArray[np.int64]:
        """Where each piece starts among the items of its split, and the end of the last: (pieces + 1,)."""
        return self._offsets[split]

    def piece(self, split: str, place: int) -> NDArray[np.integer]:
        """The items of one piece: (tokens,) uint16, or packed piano rolls (windows, bytes) uint8."""
        if split == "train" and self._source is not None:
            return self._copy(place)
        start, end = self.offsets(split)[place : place + 2]
        return self._items[split][start:end]

    def pieces(self, split: str) -> "PiecesOfSplit":
        """The items of each piece of a split, in order."""
        return PiecesOfSplit(self, split)

    def take(self, split: str, places: NDArray[np.int64]) -> NDArray[np.integer]:
        """Single items of a split, by their places among all its items: (N,) -> (N, ...)."""
        if split != "train" or self._source is None:
            return self._items[split][places]
        owners = np.searchsorted(self.offsets(split), places, side="right") - 1
        starts = self.offsets(split)[owners]
        rows = [
            self._copy(owner)[place] for owner, place in zip(owners.tolist(), (places - starts).tolist(), strict=True)
        ]
        return np.stack(rows)

    def verify(self) -> None:
        """Raise EtudeError if an array differs from the one that was written."""
        for name, expected in self.manifest["sha256"].items():
            require_digest(self.folder / name, expected, self.made_by)

    def require(self, settings: Settings, representation: str) -> None:
        """Refuse arrays that were built with other settings, naming both and the commands that help."""
        wanted = provenance.built_from(settings, "tokenize", representation)
        provenance.require(catalog.tokens(self.folder.name), self.record, wanted)

    @cached_property
    def _offsets(self) -> dict[str, NDArray[np.int64]]:
        return {split: self._array(f"{split}.offsets.npy") for split in SPLITS}

    @cached_property
    def _items(self) -> dict[str, NDArray[np.integer]]:
        splits = [split for split in SPLITS if split != "train" or self._source is None]
        return {split: self._array(f"{split}.npy") for split in splits}

    @cached_property
    def _source(self) -> tuple[Pieces, list[Copy]] | None:
        """The train pieces and their copies, if copies are encoded when they are drawn."""
        if "train.npy" in self.manifest["sha256"]:
            return None
        listed = read_json(self.folder / COPIES, self.made_by)
        copies = [Copy.of(entry) for entry in listed["copies"]]
        return Pieces(self.folder, listed, "pieces", self.made_by), copies

    def _copy(self, place: int) -> NDArray[np.integer]:
        if place not in self._made:
            assert self._source is not None
            if self.encode is None:
                raise RuntimeError(f"{self.folder}: load_representation(store) must come before its train copies.")
            pieces, copies = self._source
            metrical = self.manifest["metrical"]
            made = alter(pieces.score(copies[place].origin), copies[place], metrical)
            self._made[place] = self.encode(made)
            self._held += self._made[place].size
            while self._held > HELD and len(self._made) > 1:
                self._held -= self._made.popitem(last=False)[1].size
        self._made.move_to_end(place)
        return self._made[place]

    def _array(self, name: str) -> NDArray[Any]:
        try:
            return np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and reason_of(error) is not None:
                raise  # the machine's, as too many open files
            raise EtudeError(f"{self.folder / name} cannot be read ({error}). Build it with: {self.made_by}") from None


@dataclass(frozen=True)
class PiecesOfSplit(Sequence[NDArray[np.integer]]):
    """The pieces of one split of a store, each read when it is asked for."""

    store: Store
    split: str

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.store.offsets(self.split)) - 1

    @overload
    def __getitem__(self, place: int) -> NDArray[np.integer]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[NDArray[np.integer]]: ...
    def __getitem__(self, place: int | slice) -> NDArray[np.integer] | Sequence[NDArray[np.integer]]:
        """The items of one piece, or of several."""
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self.store.piece(self.split, one) for one in places]
        return self.store.piece(self.split, places)


def write_array(path: Path, parts: Iterable[NDArray[Any]], rows: int, empty: NDArray[Any]) -> None:
    """Write an array that is given in parts as npy, with one part in memory at a time.

    It is written from the start to the end: in a file that is mapped to memory before its bytes are there, a full disk
    would end the process.

    Args:
        path: of the file.
        parts: the array's rows, in order.
        rows: their number.
        empty: gives the shape of a row, and the type.

    Raises:
        EtudeError: the disk has no room for it.
    """
    row = int(np.prod(empty.shape[1:], dtype=np.int64)) * empty.itemsize
    require_room(path, rows * row)
    with path.open("wb") as stream:
        header = {"descr": np.lib.format.dtype_to_descr(empty.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(stream, {**header, "shape": (rows, *empty.shape[1:])})
        for part in parts:
            stream.write(np.ascontiguousarray(part).data)


def write_offsets(folder: Path, split: str, lengths: Sequence[int]) -> None:
    """Write where each piece of a split starts, given the pieces' lengths, and the end of the last."""
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)
    write_array(folder / f"{split}.offsets.npy", [offsets], len(offsets), offsets[:0])
