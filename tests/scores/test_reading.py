"""The settings of reading, and the facts about a piece."""

import pytest
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo

from etude.config.check import construct
from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.reading import key_name, opening

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
    assert key_name(0, "major") == "C major" and key_name(0, "minor") == "A minor"
    assert key_name(3, "minor") == "F# minor" and key_name(-2, "major") == "Bb major"
    assert key_name(-7, "major") == "Cb major" and key_name(7, "minor") == "A# minor"
    assert key_name(1, "dorian") == "A dorian" and key_name(-1, "mixolydian") == "C mixolydian"
    assert len({key_name(sharps, mode) for sharps in range(-7, 8) for mode in ("major", "minor")}) == 30


def test_the_opening_of_an_empty_piece_and_of_an_absurd_one() -> None:
    score = Score(24)
    assert opening(score) == {"key": None, "time_signature": None, "tempo": None}
    score.tempos.append(Tempo(0, mspq=0))  # infinitely fast
    assert opening(score)["tempo"] is None
