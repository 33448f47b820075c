"""Roman numerals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.music.chord_text import chord_named
from etude.music.key import Mode
from etude.music.roman import DEGREES, roman_numeral


@pytest.mark.parametrize(
    ("symbol", "key", "expected"),
    [
        ("C", (0, "major"), "I"),
        ("D/F#", (7, "major"), "V6"),
        ("G7/F", (0, "major"), "V42"),
        ("Am7/C", (7, "major"), "ii65"),
        ("F#dim", (7, "major"), "viio"),
        ("Bm7b5/F", (0, "major"), "viiø43"),
        ("Caug", (0, "major"), "I+"),
        ("Fmaj7", (0, "major"), "IVmaj7"),
        ("Gsus4", (0, "major"), "Vsus"),
        ("E7", (9, "minor"), "V7"),
        ("C/G", (9, "minor"), "III64"),
        ("G#dim7", (9, "minor"), "#viio7"),
        ("Bb/D", (9, "minor"), "bII6"),
    ],
)
def test_chords_have_the_numerals_of_harmony_books(symbol: str, key: tuple[int, Mode], expected: str) -> None:
    assert roman_numeral(*chord_named(symbol), key) == expected


@given(
    st.integers(0, 11), st.frozensets(st.integers(0, 11), min_size=1), st.integers(0, 11), st.integers(0, 11),
    st.sampled_from(["major", "minor"]), st.integers(0, 11),
)  # fmt: skip
def test_a_numeral_moves_with_its_key(
    root: int, classes: frozenset[int], bass: int, tonic: int, mode: Mode, by: int
) -> None:
    found = roman_numeral(root, classes, bass, (tonic, mode))
    moved = frozenset((pitch + by) % 12 for pitch in classes)
    assert roman_numeral((root + by) % 12, moved, (bass + by) % 12, ((tonic + by) % 12, mode)) == found
    degree = DEGREES[mode][(root - tonic) % 12]
    assert found.upper().startswith(degree.upper())
