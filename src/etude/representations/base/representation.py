"""What the stages, the models and the samplers ask of a representation."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

if TYPE_CHECKING:  # nothing else: the digests of code do not follow this module
    from etude.representations.base.grammar import Rules
    from etude.representations.base.vocabulary import ItemSpec

Observed = Mapping[str, NDArray[Any]]  # what train has that sampling needs to know, as arrays by name


class Representation(Protocol):
    """Pieces as arrays, and back.

    The last three attributes say what its arrays allow: a model does a task if its class and its representation can.
    See tasks/capabilities.py. One that has a part of each piece alone, as a melody with its chords, has two more:
    ``part``, what that is, for reports, and ``part_of(score)``, that part of a piece.
    """

    name: str  # its name under tokenize
    kind: str  # tokens, frames, rolls or chorale
    voices: dict[str, int]  # name -> General MIDI program from 0, -1 for drums: the tracks of decoded pieces
    merges_voices: bool  # whether all voices come back as one
    merges: str | None  # tokens that stand for several are learned with learn_merges, after learn
    tells_time: bool  # each item says where in time it is, so that a piece can be continued, or end on a bar line
    is_voice_grid: bool  # one token a voice and step, so that some voices can be drawn and others given
    has_controls: bool  # control tokens say what a piece is like

    @property
    def steps(self) -> int:
        """Steps of its grid, a quarter note."""

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> Self:
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """Statistics of some train pieces that ``learn`` needs, as plain values."""

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> object:
        """Learn the vocabulary, and the voices where none are given, from surveys of all train pieces in any order."""

    def save(self, folder: Path) -> None:
        """Write what was learned."""

    def encode(self, score: ScoreTick) -> NDArray[np.integer]:
        """A piece as an array whose first axis runs over its items."""

    def decode(self, items: NDArray[np.integer], /) -> ScoreTick:
        """The piece that an array stands for."""

    def observe(self, train: Sequence[NDArray[np.integer]]) -> Observed:
        """What sampling needs to know of the train pieces, each as ``encode`` gives it."""

    def cells(self, score: ScoreTick) -> int:
        """Voices times grid steps of a piece."""


class TokenRepresentation(Representation, Protocol):
    """A representation of kind ``tokens``."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""

    @property
    def item_spec(self) -> "ItemSpec":
        """What a model reads."""

    def rules(self, observed: Observed) -> "Rules":
        """What may follow what, as ``observe`` found it in train."""
