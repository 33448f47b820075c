"""Pieces as arrays that models read, and back."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.representations.store import Store
from etude.settings import target


class Representation(Protocol):
    """What the stages ask of a representation."""

    kind: str

    def learn(self, train: Iterable[ScoreTick], voices: Mapping[str, int]) -> None:
        """Learn the vocabulary from the train pieces alone."""

    def save(self, folder: Path) -> None:
        """Write what was learned."""

    def encode(self, score: ScoreTick) -> NDArray[Any]:
        """A piece as an array whose first axis runs over its items."""

    def decode(self, items: NDArray[Any], /) -> ScoreTick:
        """The piece that an array stands for."""

    def cells(self, score: ScoreTick) -> int:
        """Voices times grid steps of a piece."""

    def notes_kept(self, score: ScoreTick) -> tuple[int, int]:
        """Notes that survive encode and decode, of how many."""


def load(store: Store) -> Any:
    """The learned representation that the stage ``tokenize`` left, with the settings that it was built with."""
    name = store.folder.name
    values = store.manifest["settings"]["tokenize"][name]
    return target(values, f"tokenize.{name}").load(store.folder, values, dict(store.manifest["voices"]))
