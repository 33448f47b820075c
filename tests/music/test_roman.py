"""Roman numerals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.music.chord_text import chord_named
from etude.music.chords import Tones
from etude.music.key import Mode
from etude.music.roman import roman_numeral


def numerals(text: str, key: tuple[int, Mode]) -> list[str]:
    chords = [Tones(*chord_named(symbol)) for symbol in text.split()]
    return [roman_numeral(one, key, after) for one, after in zip(chords, [*chords[1:], None], strict=True)]


@pytest.mark.parametrize(
    ("symbol", "key", "expected"),
    [
        ("C", (0, "major"), "I"),
        ("D/F#", (7, "major"), "V⁶"),
        ("G7/F", (0, "major"), "V⁴₂"),
        ("Am7/C", (7, "major"), "ii⁶₅"),
        ("F#dim", (7, "major"), "vii°"),
        ("Bm7b5/F", (0, "major"), "viiø⁴₃"),
        ("Caug", (0, "major"), "I+"),
        ("Fmaj7", (0, "major"), "IVmaj⁷"),
        ("Cmaj7/E", (0, "major"), "I⁶₅"),
        ("Gsus4", (0, "major"), "Vsus⁴"),
        ("G7sus4", (0, "major"), "V⁷sus⁴"),
        ("Csus4/F", (9, "minor"), "IIIsus⁴"),
        ("E7", (9, "minor"), "V⁷"),
        ("C/G", (9, "minor"), "III⁶₄"),
        ("G#dim7", (9, "minor"), "vii°⁷"),
        ("Bb/D", (9, "minor"), "♭II⁶"),
        ("G", (9, "minor"), "VII"),
        ("G7/B", (0, "major"), "V⁶₅"),
        ("Eb", (0, "major"), "♭III"),
        ("F#dim", (0, "major"), "♯iv°"),
        ("C:5", (0, "major"), "I⁵"),
    ],
)
def test_chords_have_the_numerals_of_harmony_books(symbol: str, key: tuple[int, Mode], expected: str) -> None:
    assert numerals(symbol, key) == [expected]


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("B7 E A", (9, "major"), "V⁷/V V I"),
        ("C7/E F G7 C", (0, "major"), "V⁶₅/IV IV V⁷ I"),
        ("E Am D7 C", (0, "major"), "V/vi vi II⁷ I"),
        ("D7 G E7 Am", (9, "minor"), "V⁷/VII VII V⁷ i"),
    ],
)
def test_a_dominant_of_the_next_chord_is_named_so(text: str, key: tuple[int, Mode], expected: str) -> None:
    assert numerals(text, key) == expected.split()


SETS = st.frozensets(st.integers(0, 11), min_size=1)


@given(st.integers(0, 11), SETS, st.integers(0, 11), st.integers(0, 11), st.sampled_from(["major", "minor"]),
       st.integers(0, 11), st.integers(0, 11), SETS)  # fmt: skip
def test_a_numeral_moves_with_its_key(
    root: int, classes: frozenset[int], bass: int, tonic: int, mode: Mode, by: int, goal: int, aim: frozenset[int]
) -> None:
    def numeral(by: int) -> str:
        one, after = (
            Tones((start + by) % 12, frozenset((pitch + by) % 12 for pitch in pitches), (low + by) % 12)
            for start, pitches, low in ((root, classes, bass), (goal, aim, goal))
        )
        return roman_numeral(one, ((tonic + by) % 12, mode), after)

    assert numeral(by) == numeral(0)
