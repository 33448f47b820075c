"""Pictures as arrays: colours blended in, and the planes of luma and chroma that a video is encoded from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from etude.video.harmony import Colour

Pixels = NDArray[np.uint8]
Words16 = NDArray[np.uint16]

# Y'CbCr of ITU-R BT.709 in limited range, from 8-bit RGB, as whole numbers over 2 ** 16.
SHIFT = 16
LUMA = (11966, 40254, 4064)
BLUE_CHROMA = (-6596, -22188, 28784)
RED_CHROMA = (28784, -26145, -2639)


@dataclass(frozen=True)
class Planes:
    """A picture as planes, each uint8: luma (height, width), and both chromas (height / 2, width / 2)."""

    luma: Pixels
    blue: Pixels
    red: Pixels

    def __iter__(self):  # type: ignore[no-untyped-def]
        """The three planes."""
        return iter((self.luma, self.blue, self.red))


@dataclass(frozen=True)
class Sprite:
    """A small picture to lay over another: its planes, and how much of it covers, from 0 to 255, in both sizes."""

    planes: Planes
    cover: Pixels
    cover_half: Pixels

    @cached_property
    def parts(self) -> list[tuple[Words16, Words16]]:
        """For each plane what stays of the other picture, from 0 to 255, and 255 times what is added to that."""
        covers = (self.cover, self.cover_half, self.cover_half)
        return [
            (255 - cover.astype(np.uint16), plane.astype(np.uint16) * cover)
            for plane, cover in zip(self.planes, covers, strict=True)
        ]


def planes_of(image: Pixels) -> Planes:
    """The planes of an RGB picture (height, width, 3), whose height and width are even; the same on any machine."""
    red, green, blue = (image[..., place].astype(np.int32) for place in range(3))

    def mixed(weights: Sequence[int], offset: int, parts: Sequence[NDArray[np.int32]], shift: int) -> Pixels:
        total = np.sum([weight * part for weight, part in zip(weights, parts, strict=True)], axis=0)
        return np.asarray((total + (offset << shift) + (1 << (shift - 1))) >> shift, np.uint8)

    halves = [
        part[::2, ::2] + part[1::2, ::2] + part[::2, 1::2] + part[1::2, 1::2] for part in (red, green, blue)
    ]  # four times the mean
    return Planes(
        mixed(LUMA, 16, (red, green, blue), SHIFT),
        mixed(BLUE_CHROMA, 128, halves, SHIFT + 2),
        mixed(RED_CHROMA, 128, halves, SHIFT + 2),
    )


def sprite_of(image: Pixels, cover: Pixels) -> Sprite:
    """A sprite of an RGB picture (height, width, 3) and its cover (height, width); both sides are even."""
    total = np.sum([cover[y::2, x::2] for y in (0, 1) for x in (0, 1)], axis=0, dtype=np.uint16)
    return Sprite(planes_of(image), cover, np.asarray(total // 4, np.uint8))


def text_sprite(mask: Pixels, colour: Colour) -> Sprite:
    """A sprite of a text in one colour."""
    return sprite_of(np.broadcast_to(np.array(colour, np.uint8), (*mask.shape, 3)), mask)


def blank(height: int, width: int, colour: Colour) -> Pixels:
    """A picture of one colour: (height, width, 3)."""
    return np.full((height, width, 3), colour, np.uint8)


def blend(image: Pixels, top: int, left: int, mask: Pixels, colour: Colour) -> None:
    """Paint a colour into a picture through a mask, from 0 to 255; what lies outside of the picture is left out."""
    height, width = mask.shape
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(image.shape[0], top + height), min(image.shape[1], left + width)
    if y0 >= y1 or x0 >= x1:
        return
    part = image[y0:y1, x0:x1].astype(np.int32)
    cover = mask[y0 - top : y1 - top, x0 - left : x1 - left, None].astype(np.int32)
    image[y0:y1, x0:x1] = part + (np.array(colour, np.int32) - part) * cover // 255


def lay(frame: Planes, top: int, left: int, sprite: Sprite, opacity: int = 255) -> None:
    """Lay a sprite over a frame at an even place; what lies outside of the frame is left out.

    Args:
        frame: the planes, which are changed.
        top: the row of the sprite's upper edge, even.
        left: the column of its left edge, even.
        sprite: the picture.
        opacity: of the whole sprite, from 0 to 255.
    """
    for place, (plane, over) in enumerate(zip(frame, sprite.planes, strict=True)):
        cover = sprite.cover if place == 0 else sprite.cover_half
        y, x = (top, left) if place == 0 else (top // 2, left // 2)
        y0, x0 = max(0, y), max(0, x)
        y1, x1 = min(plane.shape[0], y + over.shape[0]), min(plane.shape[1], x + over.shape[1])
        if y0 >= y1 or x0 >= x1:
            continue
        inside = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
        if opacity == 255:
            stays, added = sprite.parts[place]
            total = plane[y0:y1, x0:x1] * stays[inside] + added[inside]  # at most 255 * 255
            plane[y0:y1, x0:x1] = (total + (total >> 8) + 1) >> 8  # a division by 255
            continue
        part = plane[y0:y1, x0:x1].astype(np.int32)
        share = cover[inside].astype(np.int32) * opacity
        plane[y0:y1, x0:x1] = part + (over[inside].astype(np.int32) - part) * share // 65025


@lru_cache(maxsize=8192)
def rounded(height: int, width: int, radius: float) -> Pixels:
    """The mask of a box with round corners, (height, width), smooth at the edges."""
    radius = min(radius, height / 2, width / 2)
    y = np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius)
    x = np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius)
    outside = np.hypot(np.maximum(y, 0)[:, None], np.maximum(x, 0)[None])
    return np.rint(255 * np.clip(radius - outside + 0.5, 0, 1)).astype(np.uint8)


def mixed_with(colour: Colour, other: Colour, share: float) -> Colour:
    """A colour with a share, from 0 to 1, of another."""
    red, green, blue = (round(own + (with_ - own) * share) for own, with_ in zip(colour, other, strict=True))
    return red, green, blue
