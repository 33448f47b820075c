"""Chord symbols and block chords."""

import pytest

from etude.core.errors import EtudeError
from etude.music.chords import HARTE, ROOTS, SHORTHANDS, Symbol, block_chords, harte, tones_of, transpose_text, voicing


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


@pytest.mark.parametrize("root", [*ROOTS, "Cb", "E#", "Bbb"])
@pytest.mark.parametrize("short", SHORTHANDS)
def test_a_transposed_symbol_names_the_transposed_chord(root: str, short: str) -> None:
    for text in (f"{root}:{short}" if short else root, f"{root}:{short or 'maj'}/b3"):
        tones = tones_of(text)
        assert tones is not None and HARTE.fullmatch(text)
        for semitones in (-7, 0, 1, 5, 12):
            moved = tones_of(transpose_text(text, semitones))
            assert moved is not None
            assert moved.root == (tones.root + semitones) % 12 and moved.bass == (tones.bass + semitones) % 12
            assert moved.classes == {(pitch + semitones) % 12 for pitch in tones.classes}


@pytest.mark.parametrize(
    ("text", "moved"),
    [("N", "N"), ("N.C.", "N.C."), ("Am7/G", "Bm7/A"), ("B♭maj7", "Cmaj7"), ("F♯", "Ab"), ("C6/9", "D6/9")],
)
def test_transposed_symbols_of_other_notations(text: str, moved: str) -> None:
    assert transpose_text(text, 2) == moved


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
