"""Planes of BT.709, masks that stay within a picture, sprites at even places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.video.lettering import letters, shorten, width_of
from etude.video.picture import Planes, blank, blend, lay, planes_of, rounded, text_sprite


@pytest.mark.parametrize(
    ("colour", "levels"),
    [((0, 0, 0), (16, 128, 128)), ((255, 255, 255), (235, 128, 128)), ((255, 0, 0), (63, 102, 240)),
     ((0, 255, 0), (173, 42, 26)), ((0, 0, 255), (32, 240, 118))],
)  # fmt: skip
def test_colours_have_the_levels_of_the_recommendation(
    colour: tuple[int, int, int], levels: tuple[int, int, int]
) -> None:
    """ITU-R BT.709-6, table 3, of 8 bits."""
    planes = planes_of(blank(4, 6, colour))
    assert [plane.shape for plane in planes] == [(4, 6), (2, 3), (2, 3)]
    assert [int(plane[0, 0]) for plane in planes] == pytest.approx(levels, abs=1)


@given(st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 12), st.integers(1, 12))
def test_painting_outside_of_a_picture_is_left_out(top: int, left: int, height: int, width: int) -> None:
    image = blank(10, 14, (0, 0, 0))
    blend(image, top, left, np.full((height, width), 255, np.uint8), (255, 255, 255))
    rows, columns = np.arange(10)[:, None] - top, np.arange(14)[None] - left
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    assert np.array_equal(image[..., 0] == 255, inside)


def test_a_sprite_covers_what_it_should() -> None:
    frame = planes_of(blank(20, 40, (0, 0, 0)))
    sprite = text_sprite(np.full((4, 6), 255, np.uint8), (255, 255, 255))
    lay(frame, 2, 38, sprite)  # two of its six columns are inside
    assert int((frame.luma == 235).sum()) == 8 and frame.luma[2, 38] == 235
    lay(frame, 2, 0, sprite, opacity=128)
    assert 120 <= frame.luma[3, 3] <= 130 and isinstance(frame, Planes)


def test_round_boxes_have_round_corners() -> None:
    mask = rounded(20, 30, 8)
    assert mask.shape == (20, 30) and mask[10, 15] == 255 and mask[0, 15] == 255 and mask[0, 0] == 0
    assert np.array_equal(mask, mask[::-1]) and np.array_equal(mask, mask[:, ::-1])


def test_letters_have_even_sides_and_long_text_an_ellipsis() -> None:
    for text in ("A", "♭III", "Überschrift", ""):
        assert all(side % 2 == 0 for side in letters(text, 17).shape)
    short = shorten("a very long name of a track", 60, 12)
    assert short.endswith("…") and width_of(short, 12) <= 60
    assert shorten("Bass", 60, 12) == "Bass" and shorten("Bass", 1, 12) == ""
