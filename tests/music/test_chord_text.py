"""Chords as text: symbols, numerals, bar by bar."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling.tunes import tune
from symusic.core import TimeSignatureTick

from etude.core.errors import EtudeError
from etude.music.bars import bars_of
from etude.music.chord_text import chord_named, read_chords, repeated
from etude.music.key import Mode

C_MAJOR: tuple[int, Mode] = (0, "major")


def classes(text: str, key: tuple[int, Mode] = C_MAJOR) -> list[tuple[int, int, list[int], int]]:
    bars = bars_of(tune((0, 24 * 400, 60)))
    return [(c.start // 6, c.end // 6, sorted(c.classes), c.bass) for c in read_chords(text, bars, key)]


def test_chords_are_read_by_symbol_and_by_numeral() -> None:
    assert classes("C") == [(0, 16, [0, 4, 7], 0)]
    assert classes("Am7/G") == [(0, 16, [0, 4, 7, 9], 7)]
    assert classes("Bbm") == [(0, 16, [1, 5, 10], 10)]
    assert classes("F#dim") == [(0, 16, [0, 6, 9], 6)]
    assert classes("I6") == [(0, 16, [0, 4, 7], 4)]
    assert classes("V7", (7, "major")) == [(0, 16, [0, 2, 6, 9], 2)]
    assert classes("i", (9, "minor")) == [(0, 16, [0, 4, 9], 9)]
    assert classes("V", (9, "minor")) == [(0, 16, [4, 8, 11], 4)], "with the leading note"
    assert classes("bVI", C_MAJOR) == [(0, 16, [0, 3, 8], 8)]


def test_chords_share_their_bars() -> None:
    assert [c[:2] for c in classes("| C F | G |")] == [(0, 8), (8, 16), (16, 32)]
    assert [c[:2] for c in classes("C . . F | . - G -")] == [(0, 12), (12, 20), (24, 28)]
    assert [c[:2] for c in classes("- | | C")] == [(32, 48)]
    three = tune((0, 24 * 30, 60))
    three.time_signatures.append(TimeSignatureTick(0, 3, 4))
    three.time_signatures.append(TimeSignatureTick(24 * 8, 2, 4))
    assert [(c.start, c.end) for c in read_chords("C | F | G | C", bars_of(three), C_MAJOR)] == [
        (0, 72), (72, 144), (144, 192), (192, 240),
    ]  # fmt: skip


def test_what_is_no_chord_or_comes_too_late_is_said() -> None:
    for text in ("H", "C | xyz", "V7x/", "c", "C/"):
        with pytest.raises(EtudeError, match=r'chords: ".*" is no chord\. Give symbols such as C'):
            classes(text)
    with pytest.raises(EtudeError, match="chords has 3 bars, but the melody ends before bar 3"):
        read_chords("C | C | C", bars_of(tune((0, 24 * 8, 60))), C_MAJOR)


def test_chords_are_read_as_musicians_write_them() -> None:
    same = {
        "C-": "Cm", "C-7": "Cm7", "B♭7": "Bb7", "C♯": "C#", "Cø": "Cm7b5", "C°": "Cdim", "CΔ7": "Cmaj7",
        "C:min7/b3": "Cm7/Eb",
    }  # fmt: skip
    for written, plain in same.items():
        assert chord_named(written) == chord_named(plain), written
    assert classes("C | N.C. | % | N") == classes("C | - | . | -") == [(0, 16, [0, 4, 7], 0)]


def test_the_root_is_not_the_bass_and_bars_are_repeated() -> None:
    assert chord_named("Am7/G") == (9, frozenset({9, 0, 4, 7}), 7)
    assert chord_named("V6", (7, "major")) == (2, frozenset({2, 6, 9}), 6)
    assert repeated("| C | Am F |", 5) == "C | Am F | C | Am F | C" and repeated("C | F", 1) == "C | F"


WRITTEN = (
    "", "m", "min", "-", "+", "aug", "dim", "°", "o", "5", "6", "m6", "69", "6/9", "m69", "7", "m7", "-7", "maj7", "M7",
    "Maj7", "Δ", "Δ7", "mM7", "mmaj7", "m(maj7)", "dim7", "°7", "m7b5", "ø", "ø7", "7b5", "7#5", "7b9", "7#9", "7#11",
    "7(b9)", "maj7#5", "maj7#11", "9", "m9", "maj9", "M9", "11", "m11", "maj11", "13", "maj13", "13b9", "sus", "sus2",
    "sus4", "7sus4", "9sus4", "13sus4", "add9", "(add9)", "madd9", "alt", "7alt",
)  # fmt: skip
ROOTS = {"C": 0, "Db": 1, "D#": 3, "E": 4, "F#": 6, "Gb": 6, "A": 9, "Bb": 10, "B": 11, "Cb": 11}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(WRITTEN), st.sampled_from(sorted(ROOTS)), st.sampled_from(sorted(ROOTS)))
def test_every_quality_may_stand_over_any_bass(quality: str, root: str, bass: str) -> None:
    of_root, classes, lowest = chord_named(root + quality)
    assert of_root == lowest == ROOTS[root] and of_root in classes
    assert chord_named(f"{root}{quality}/{bass}") == (of_root, classes | {ROOTS[bass]}, ROOTS[bass])
    in_c = {(pitch - of_root) % 12 for pitch in classes}
    assert in_c == chord_named(f"C{quality}")[1], "a quality has the same intervals on every root"


def test_ninths_and_more_have_the_notes_that_musicians_play() -> None:
    assert chord_named("Cmaj9/E") == (0, {0, 2, 4, 7, 11}, 4)
    assert chord_named("Cmaj9") == chord_named("CM9") == chord_named("Cma9") == (0, {0, 2, 4, 7, 11}, 0)
    assert chord_named("Am(maj7)") == chord_named("AmM7") == (9, {9, 0, 4, 8}, 9)
    assert chord_named("C69") == chord_named("C6/9") and chord_named("G13b9")[1] == {7, 8, 11, 2, 4, 5}
