"""Text as masks, in the letters of DejaVu Sans, which comes with matplotlib and has the signs of music."""

from bisect import bisect_right
from functools import cache, lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SMALLEST = 6  # pixels of a letter's height that is drawn at all


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts/ttf" / name
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def width_of(text: str, size: int, bold: bool = False) -> int:
    """The pixels that a text takes from left to right."""
    return int(np.ceil(_font(max(SMALLEST, size), bold).getlength(text)))


def shorten(text: str, width: int, size: int, bold: bool = False) -> str:
    """A text that fits into a width in pixels: the end of a longer one becomes an ellipsis."""
    if width_of(text, size, bold) <= width:
        return text
    fits = bisect_right(range(1, len(text)), width, key=lambda end: width_of(f"{text[:end]}…", size, bold))
    return f"{text[:fits].rstrip()}…" if fits else ""


@lru_cache(maxsize=2048)
def letters(text: str, size: int, bold: bool = False) -> NDArray[np.uint8]:
    """A line of text as a mask, from 0 to 255: (height, width), both even. The height depends on the size alone.

    Args:
        text: of one line.
        size: of the font in pixels.
        bold: whether strokes are thick.
    """
    font = _font(max(SMALLEST, size), bold)
    rise, fall = font.getmetrics()
    width, height = max(2, width_of(text, size, bold) + 2), rise + fall
    image = Image.new("L", (width + width % 2, height + height % 2))
    ImageDraw.Draw(image).text((1, 0), text, fill=255, font=font)
    return np.asarray(image).copy()
