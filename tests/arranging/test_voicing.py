"""Voicings: notes of the chord, below the ceiling, near the ones before."""

from hypothesis import given
from hypothesis import strategies as st

from etude.arranging.voicing import important, voice
from etude.music.chord_text import Chord, chord_named

NAMES = ["C", "Am", "F#m7", "Bb7", "Gsus4", "Bdim", "Eb+", "Dmaj7", "G9", "C5", "G7"]
CLASSES = {symbol: chord_named(symbol) for symbol in NAMES}  # a second, which no example of a test may take


def chord(symbol: str) -> Chord:
    return Chord(symbol, 0, 96, *CLASSES[symbol])


@given(st.sampled_from(NAMES), st.integers(1, 6), st.integers(40, 60), st.integers(30, 84), st.booleans())
def test_voicings_keep_to_the_chord_and_its_space(
    symbol: str, count: int, low: int, ceiling: int, follows: bool
) -> None:
    before = (55, 60, 64) if follows else ()
    found = voice(chord(symbol), count, low, ceiling, before)
    assert found == sorted(found) and len(found) <= count
    assert all(low <= pitch <= ceiling and pitch % 12 in chord(symbol).classes for pitch in found)
    if ceiling - low >= 24 and count >= 2:
        assert len(found) == min(count, len(chord(symbol).classes)) or len(found) >= 2


def test_few_voices_have_what_makes_the_chord() -> None:
    assert important(chord("G7"), 2) == [11, 5], "third and seventh"
    assert set(important(chord("G7"), 3)) == {11, 5, 7} and set(important(chord("C"), 3)) == {0, 4, 7}


def test_voices_move_little() -> None:
    first = voice(chord("C"), 3, 48, 67)
    second = voice(chord("Am"), 3, 48, 67, first)
    assert len(set(first) & set(second)) == 2
