"""Fermatas as markers of a piece, as which they survive in MIDI files."""

from collections.abc import Iterable

from symusic.core import ScoreTick as Score
from symusic.core import TextMetaTick as TextMeta

FERMATA = "fermata"  # the marker's text; it stands at the onset of the note that is held


def mark_fermatas(score: Score, times: Iterable[int]) -> None:
    """Add a fermata at each of ``times``, in ticks; the piece's markers are in order of time then."""
    for time in sorted(set(times)):
        score.markers.append(TextMeta(time, FERMATA))
    score.markers.sort(lambda marker: marker.time, inplace=True)


def fermatas(score: Score) -> list[int]:
    """The times of a piece's fermatas, in ticks, ascending."""
    return sorted(marker.time for marker in score.markers if marker.text == FERMATA)
