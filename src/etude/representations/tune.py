"""Tunes: the melody of a piece and its chords as blocks, in REMI tokens; what else plays is left out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symusic.core import ScoreTick

from etude.music.tune import PROGRAMS, tune_of
from etude.representations.remi import Remi


class Tune(Remi):
    """REMI tokens of the tune of each piece: see ``etude.music.tune.tune_of``."""

    part = "melody and chords"

    def part_of(self, score: ScoreTick) -> ScoreTick:
        """The tune of a piece; that of a tune is the same."""
        return tune_of(score)

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """Statistics of the tunes of some train pieces."""
        return super().survey(map(tune_of, scores))

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """Learn the vocabulary. The voices are those of tunes, whatever those of the dataset."""
        super().learn(surveys, PROGRAMS)

    def ids(self, score: ScoreTick) -> list[int]:
        """The base tokens of the tune of a piece."""
        return super().ids(tune_of(score))

    def cells(self, score: ScoreTick) -> int:
        """Voices times sixteenths of a piece."""
        return super().cells(tune_of(score))
