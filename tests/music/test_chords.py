"""Chord symbols and block chords."""

import pytest

from etude.core.errors import EtudeError
from etude.music.chords import Symbol, block_chords, harte, voicing


@pytest.mark.parametrize(
    ("text", "pitches"),
    [
        ("C", (60, 64, 67)),
        ("C:maj", (60, 64, 67)),
        ("F#:maj", (54, 58, 61)),
        ("Bb:min7", (58, 61, 65, 68)),
        ("C:maj/5", (55, 60, 64, 67)),  # the bass below
        ("C:min/b3", (51, 60, 63, 67)),
        ("A:sus4(b7)", (57, 62, 64, 67)),
        ("C:maj7(*5,9)", (60, 62, 64, 71)),
        ("B:hdim7", (59, 62, 65, 69)),
        ("Cb:maj", (59, 63, 66)),
        ("N", ()),
    ],
)
def test_harte(text: str, pitches: tuple[int, ...]) -> None:
    assert harte(text) == pitches


@pytest.mark.parametrize("text", ["", "H:maj", "C:foo", "C maj", "c:maj"])
def test_anything_but_a_chord_is_refused(text: str) -> None:
    with pytest.raises(EtudeError, match="no chord symbol"):
        harte(text)


def test_voicings_stay_around_middle_c() -> None:
    for root in range(12):
        pitches = voicing(root, [root, (root + 4) % 12, (root + 7) % 12], root)
        assert 54 <= pitches[0] <= 65 and pitches[-1] - pitches[0] == 7


def test_block_chords_last_until_the_next_symbol() -> None:
    symbols = [Symbol(0, "C", (60, 64)), Symbol(48, "N", ()), Symbol(72, "G", (55,))]
    columns = block_chords(symbols, 100)
    assert list(zip(columns.onset, columns.length, columns.pitch, strict=True)) == [
        (0, 48, 60),
        (0, 48, 64),
        (72, 28, 55),
    ]
    assert len(block_chords([], 100).onset) == 0
