"""Whether a piece states its key.

Many MIDI files state C major for any music, so C major counts as stated only where a marker says that a score means it.
"""

from symusic.core import ScoreTick as Score
from symusic.core import TextMetaTick as TextMeta

C_MAJOR = "key:C major"  # the marker's text


def mark_c_major(score: Score) -> None:
    """Say that the C major in which a piece starts is meant."""
    score.markers.append(TextMeta(0, C_MAJOR))
    score.markers.sort(lambda marker: marker.time, inplace=True)


def states_key(score: Score) -> bool:
    """Whether a piece states another key than C major, or means that."""
    if any((sign.key, sign.tonality) != (0, 0) for sign in score.key_signatures):
        return True
    return len(score.key_signatures) > 0 and any(marker.text == C_MAJOR for marker in score.markers)
