"""Pieces as arrays that models read, and back."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts.token_store import Store
from etude.config.sections import target


class Representation(Protocol):
    """What the stages ask of a representation."""

    kind: str  # tokens, frames or rolls
    steps: int  # of its grid, a quarter
    voices: dict[str, int]  # name -> General MIDI program from 0, -1 for drums: the tracks of decoded pieces
    merges_voices: bool  # whether all voices come back as one
    merges: str | None  # tokens that stand for several are learned with learn_merges, after learn

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """What ``learn`` has to know of some train pieces, as plain values."""

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """Learn the vocabulary, and the voices where none are given, from surveys of all train pieces in any order."""

    def save(self, folder: Path) -> None:
        """Write what was learned."""

    def encode(self, score: ScoreTick) -> NDArray[Any]:
        """A piece as an array whose first axis runs over its items."""

    def decode(self, items: NDArray[Any], /) -> ScoreTick:
        """The piece that an array stands for."""

    def cells(self, score: ScoreTick) -> int:
        """Voices times grid steps of a piece."""


def load(store: Store) -> Any:
    """The learned representation that the stage ``tokenize`` left, with the settings that it was built with."""
    name = store.folder.name
    values = store.manifest["settings"]["tokenize"][name]
    return target(values, f"tokenize.{name}").load(store.folder, values, dict(store.manifest["voices"]))
