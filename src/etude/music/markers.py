"""Fermatas as markers of a piece, which MIDI files keep."""

from collections.abc import Iterable

from symusic.core import ScoreTick as Score
from symusic.core import TextMetaTick as TextMeta

FERMATA = "fermata"  # the marker's text, at the onset of the held note


def mark_fermatas(score: Score, times: Iterable[int]) -> None:
    """Add a fermata at each of ``times``, in ticks, and sort the piece's markers by time."""
    for time in sorted(set(times)):
        score.markers.append(TextMeta(time, FERMATA))
    score.markers.sort(lambda marker: marker.time, inplace=True)


def fermatas(score: Score) -> list[int]:
    """The times of a piece's fermatas, in ticks, ascending."""
    return sorted(marker.time for marker in score.markers if marker.text == FERMATA)
