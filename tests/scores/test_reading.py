"""The settings of reading, and the facts about a piece."""

import pytest
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo

from etude.config.check import construct
from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.reading import KEY_NAMES, opening

VALUES = {
    "voices": {"Soprano": 68, "Alto": 69},
    "complete": True,
    "tempo": 80,
    "metrical": True,
    "ticks_per_quarter": 24,
    "velocity": None,
    "max_rest": 4,
}


def test_a_section_makes_a_reading() -> None:
    reading = construct(Reading, VALUES, "dataset.reading")
    assert (reading.voices, reading.tempo, reading.velocity) == ({"Soprano": 68, "Alto": 69}, 80.0, None)
    assert construct(Reading, VALUES | {"voices": None}, "dataset.reading").voices is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"voices": {"Soprano": 68, "Alto": 68}}, "voices.Soprano = 68 is also another voice's program"),
        ({"voices": {}}, "names no voice"),
        ({"voices": {"Soprano": 128}}, "dataset.reading.voices.Soprano = 128 is out of range"),
        ({"tempo": 0}, "dataset.reading.tempo = 0"),
        ({"ticks_per_quarter": 961}, "ticks_per_quarter = 961"),
        ({"speed": 3}, "dataset.reading.speed is not a setting"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(EtudeError, match=words):
        construct(Reading, VALUES | change, "dataset.reading")


def test_key_names() -> None:
    assert KEY_NAMES[0, "major"] == "C major" and KEY_NAMES[0, "minor"] == "A minor"
    assert KEY_NAMES[3, "minor"] == "F# minor" and KEY_NAMES[-2, "major"] == "Bb major"
    assert KEY_NAMES[-7, "major"] == "Cb major" and KEY_NAMES[7, "minor"] == "A# minor"
    assert len(set(KEY_NAMES.values())) == 30


def test_the_opening_of_an_empty_piece_and_of_an_absurd_one() -> None:
    score = Score(24)
    assert opening(score) == {"key": None, "time_signature": None, "tempo": None}
    score.tempos.append(Tempo(0, mspq=0))  # infinitely fast
    assert opening(score)["tempo"] is None
