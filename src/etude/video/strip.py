"""A strip: the part of a picture that scrolls, drawn tile by tile in three looks, with the lanes of all views."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.video.harmony import Colour, colour_of
from etude.video.layout import GROUND, INK, LANE, QUIET, Layout
from etude.video.lettering import letters, width_of
from etude.video.picture import Pixels, Planes, Sprite, blank, blend, mixed_with, planes_of, rounded, sprite_of
from etude.video.scene import STEPS, Chord, Scene

TILE = 512  # columns
AHEAD, LIT, PAST = range(3)  # the looks: what is to come, what sounds, what has sounded
SMALLEST = 15  # size of letters of a short chord's name
DIM = 0.55  # share of the ground in what has sounded


@dataclass(frozen=True)
class Boxes:
    """Where notes lie on the strip, in order of their onsets: columns, rows from its top, seconds; (notes,) each."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    onset: NDArray[np.float64]
    end: NDArray[np.float64]


class Strip(ABC):
    """A view of a scene. Subclasses say where a time lies, where notes lie, and draw them."""

    def __init__(self, scene: Scene, layout: Layout, energy: NDArray[np.float64], harmony: bool) -> None:
        """Args: what is shown; where; how loud it is (``energy_of``); whether colours are those of scale degrees."""
        self.scene, self.layout, self.energy, self.harmony = scene, layout, energy, harmony
        self.height = layout.height - layout.head
        self._tiles: dict[int, tuple[Planes, Planes, Planes]] = {}
        self._kept = 3 + layout.width // TILE

    @property
    @abstractmethod
    def boxes(self) -> Boxes:
        """Where the notes lie."""

    @abstractmethod
    def columns(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The columns at which some times lie; later times lie further to the right."""

    @abstractmethod
    def seconds(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """The times that some columns have: the opposite of ``columns``."""

    @abstractmethod
    def draw(self, images: Sequence[Pixels], left: int) -> None:
        """Draw the view into the three looks of a tile, (height, TILE, 3) each, whose first column is ``left``."""

    def margin(self) -> Sprite | None:
        """What stands at the left edge of the view, from ``layout.view`` to ``layout.energy``; None: nothing."""
        return None

    def column(self, second: float) -> float:
        """The column at which a time lies."""
        return float(self.columns(np.array([second]))[0])

    def colour(self, degree: int, track: int) -> Colour:
        """The colour of a note, by its scale degree or its track."""
        from etude.video.layout import DRUMS, TRACKS

        if self.scene.drums[track]:
            return DRUMS
        return colour_of(degree) if self.harmony else TRACKS[track % len(TRACKS)]

    def tile(self, number: int) -> tuple[Planes, Planes, Planes]:
        """The three looks of a tile as planes: columns ``number * TILE`` and following."""
        if number not in self._tiles:
            if len(self._tiles) >= self._kept:
                del self._tiles[next(iter(self._tiles))]  # the one that was drawn first
            images = [blank(self.height, TILE, GROUND) for _ in range(3)]
            left = number * TILE
            self._draw_lanes(images, left)
            self.draw(images, left)
            self._tiles[number] = tuple(planes_of(image) for image in images)  # type: ignore[assignment]
        return self._tiles[number]

    def _draw_lanes(self, images: Sequence[Pixels], left: int) -> None:
        layout, scene = self.layout, self.scene
        top = layout.head
        self._draw_bars(images, left)
        for image in images:
            image[layout.energy - top : layout.chords - top] = LANE
        self._draw_energy(images, left)
        if layout.chords < layout.height:
            for image in images:
                image[layout.chords - top :] = GROUND
            starts = self.columns(np.array([chord.start for chord in scene.chords]))
            ends = self.columns(np.array([chord.end for chord in scene.chords]))
            for chord, start, end in zip(scene.chords, starts, ends, strict=True):
                if end > left and start < left + TILE:
                    self._draw_chord(images, chord, round(start) - left, round(end) - left)

    def _draw_bars(self, images: Sequence[Pixels], left: int) -> None:
        layout, size = self.layout, self.layout.font(20)
        places = np.rint(self.columns(self.scene.bars)).astype(int) - left
        free = -TILE
        for number, place in enumerate(places.tolist(), start=1):
            text = str(number)
            shown = number < len(places) and place >= free
            if shown:
                free = place + width_of(text, size) + layout.font(18)
            if place > TILE or place < -TILE:
                continue
            for look, image in enumerate(images):
                if shown and size >= 6:
                    dim = mixed_with(QUIET, GROUND, DIM if look == PAST else 0)
                    blend(image, layout.even(4), place + layout.font(4), letters(text, size), dim)

    def _draw_energy(self, images: Sequence[Pixels], left: int) -> None:
        layout = self.layout
        top, bottom = layout.energy - layout.head + layout.even(6), layout.chords - layout.head - layout.even(2)
        if bottom <= top or not len(self.energy):
            return
        seconds = self.seconds(np.arange(left, left + TILE, dtype=np.float64) + 0.5)
        steps = np.arange(len(self.energy)) / STEPS
        level = np.interp(seconds, steps, self.energy, left=0, right=0)
        rows = np.arange(top, bottom)[:, None]
        edge = bottom - level[None] * (bottom - top)
        cover = np.clip(rows + 1 - edge, 0, 1)  # (rows, TILE)
        line = cover * np.clip(edge + max(1.5, 2.5 * layout.scale) - rows, 0, 1)
        for image, share in zip(images, (0.62, 0, 0.35), strict=True):
            area = mixed_with((112, 124, 158), LANE, share)
            blend(image, top, 0, np.rint(255 * cover).astype(np.uint8), area)
            blend(image, top, 0, np.rint(255 * line).astype(np.uint8), mixed_with(INK, LANE, share * 0.8))

    def _draw_chord(self, images: Sequence[Pixels], chord: Chord, start: int, end: int) -> None:
        layout = self.layout
        top, height = layout.chords - layout.head + layout.even(6), layout.height - layout.chords - layout.even(12)
        width = max(2, end - start - layout.font(4))
        tint = colour_of(chord.degree)
        mask = rounded(height, width, layout.font(6))
        edge = np.minimum(mask, np.where(np.arange(width) < max(2, layout.font(6)), 255, 0).astype(np.uint8)[None])
        for look, image in enumerate(images):
            back = mixed_with(tint, GROUND, 0.90 if look == PAST else 0.80)
            blend(image, top, start, mask, back)
            blend(image, top, start, edge, mixed_with(tint, GROUND, DIM if look == PAST else 0.1))
            room = width - layout.font(16)
            if look == LIT:  # while it sounds, its words are to the left of the playhead
                continue
            for text, size, bold, row, colour in (
                (chord.name, 28, True, 4, INK),
                (chord.numeral, 22, False, 38, tint),
            ):
                font = layout.font(size)
                while font > layout.font(SMALLEST) and width_of(text, font, bold) > room:
                    font -= 1
                if width_of(text, font, bold) <= room:
                    dim = mixed_with(colour, GROUND, DIM if look == PAST else 0)
                    blend(image, top + layout.even(row), start + layout.font(12), letters(text, font, bold), dim)


def margin_of(image: Pixels, fade: int) -> Sprite:
    """A picture to stand at the left edge; it hides what scrolls below it, and its last columns let it through."""
    width = image.shape[1]
    cover = np.clip((width - np.arange(width) - 0.5) / max(1, fade), 0, 1)
    return sprite_of(image, np.broadcast_to(np.rint(255 * cover).astype(np.uint8), image.shape[:2]).copy())
