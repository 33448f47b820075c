"""Colours that all eyes tell apart, chords in all keys by the numerals of textbooks."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TrackTick
from video.pieces import band, line, marked

from etude.video.harmony import Key, colour_of, from_oklch, harmonies_of, key_at, keys_of

C = Key(0, 0, "major")
# How eyes without long and without middle cones see linear sRGB: Vienot, Brettel and Mollon (1999), Digital video
# colourmaps for checking the legibility of displays by dichromats, Color Research and Application 24(4).
EYES = {
    "normal": np.eye(3),
    "protan": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deutan": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


def oklab(colour: tuple[int, int, int], eyes: NDArray[np.float64]) -> NDArray[np.float64]:
    level = np.array(colour) / 255
    linear = eyes @ np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    cones = np.array([[0.41222, 0.53633, 0.05145], [0.2119, 0.6807, 0.1074], [0.0883, 0.28172, 0.62998]])
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]])
    return np.asarray(to_lab @ np.cbrt(np.clip(cones @ linear, 0, 1)))


@pytest.mark.parametrize("eyes", EYES)
def test_no_two_degrees_look_alike(eyes: str) -> None:
    seen = [oklab(colour_of(degree), EYES[eyes]) for degree in range(12)]
    assert min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2)) > 0.08


def test_the_tonic_is_blue_and_near_keys_have_near_hues() -> None:
    red, green, blue = colour_of(0)
    assert blue > green > red
    hues = [np.arctan2(*oklab(colour_of(7 * fifths % 12), EYES["normal"])[[2, 1]]) for fifths in range(13)]
    turned = np.degrees(np.angle(np.exp(1j * np.diff(hues))))
    assert np.all(np.abs(turned + 30) < 4), "a fifth is a twelfth of the circle"


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(0, 360))
def test_any_colour_can_be_shown(lightness: float, chroma: float, hue: float) -> None:
    assert all(0 <= level <= 255 for level in from_oklch(lightness, chroma, hue))


def test_stated_keys_hold_and_else_the_best_fits() -> None:
    score = line(60, 64, 67, 72)
    assert [(key.tonic, key.mode) for key in keys_of(score)] == [(0, "major")]
    for time, sharps, minor in ((24, -3, 1), (48, 2, 0)):
        score.key_signatures.append(KeySignatureTick(time, sharps, minor))
    keys = keys_of(score)
    assert [key.name for key in keys] == ["C minor", "D major"] and keys[0].start == 0
    assert [key_at(keys, tick).tonic for tick in (0, 47, 48)] == [0, 0, 2]
    assert [key.name for key in keys_of(ScoreTick(24))] == ["C major"]


def test_chords_are_the_symbols_of_a_piece_or_recognised() -> None:
    named = harmonies_of(marked("Bb:maj7/3", "F#m7b5", "nonsense", "C:maj"), [C])
    assert [(one.start, one.end, one.name) for one in named] == [
        (0, 96, "B♭maj7/D"), (96, 192, "F♯ø7"), (288, 384, "C"),
    ]  # fmt: skip
    assert named[0].degree == 10
    found = harmonies_of(band(), [C])
    assert [(one.name, one.numeral, one.start, one.end) for one in found] == [("C", "I", 0, 96), ("G7", "V⁷", 96, 192)]


def test_what_has_no_harmony_shows_none() -> None:
    assert harmonies_of(line(60, 62, 64), [C]) == [] and harmonies_of(ScoreTick(24), [C]) == []
    drums = ScoreTick(24)
    drums.tracks.append(TrackTick("Drums", 0, True))
    drums.tracks[0].notes.append(NoteTick(0, 10, 36, 80))
    assert harmonies_of(drums, [C]) == []
