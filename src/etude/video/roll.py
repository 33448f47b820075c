"""The roll: time across, pitch upwards, one look a track; drums as a band of rows below."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from etude.video.harmony import Colour
from etude.video.layout import FAINT, GROUND, INK, LANE, QUIET, SPEED, Layout
from etude.video.lettering import SMALLEST, letters, width_of
from etude.video.picture import Pixels, Sprite, blank, blend, mixed_with, rounded
from etude.video.scene import Scene
from etude.video.strip import AHEAD, DIM, LIT, TILE, Boxes, Strip, margin_of

ROWS = 25  # semitones that are shown at least
THICK = 13  # rows of pixels, of a frame with 720, that a note has at least: it may reach into the rows next to its own
MARGIN = 1  # rows above the highest note and below the lowest
BLACK = (1, 3, 6, 8, 10)
LOOKS = ("solid", "hollow", "tapered", "striped", "slim", "cored")  # of tracks, by turns
STROKE = 24  # rows of pixels of a drum stroke at most, of a frame with 720
SMALL = 6  # rows of pixels below which all notes are solid
# General MIDI keys of drums -> the row that shows them, the lowest row first; others are "other".
KIT: dict[str, tuple[int, ...]] = {
    "kick": (35, 36),
    "snare": (37, 38, 39, 40),
    "toms": (41, 43, 45, 47, 48, 50),
    "hi-hat": (42, 44, 46),
    "cymbals": (49, 51, 52, 53, 55, 57, 59),
    "other": (),
}


def row_of_drum(pitch: int) -> str:
    """The row of ``KIT`` that shows a drum."""
    return next((name for name, keys in KIT.items() if pitch in keys), "other")


class Roll(Strip):
    """A piano roll that moves by an even number of pixels each frame, so that nothing flickers."""

    def __init__(self, scene: Scene, layout: Layout, energy: NDArray[np.float64], harmony: bool, fps: int) -> None:
        """Args: as of ``Strip``; frames a second."""
        super().__init__(scene, layout, energy, harmony)
        self.step = max(2, 2 * round(SPEED * layout.scale / fps / 2))
        self.speed = self.step * fps  # pixels a second
        notes = scene.notes
        drums = np.array(scene.drums, bool)[notes.track]
        pitches = notes.pitch[~drums]
        self.kit = [name for name in KIT if any(row_of_drum(int(key)) == name for key in set(notes.pitch[drums]))]
        top, bottom = layout.view - layout.head, layout.energy - layout.head - layout.even(6)
        each = min((bottom - top) * 0.05, layout.font(26))
        self.band = bottom - round(each * len(self.kit)) if len(pitches) else top
        low, high = (int(pitches.min()) - MARGIN, int(pitches.max()) + MARGIN) if len(pitches) else (60, 60)
        more = max(0, ROWS - (high - low + 1)) if len(pitches) else 0
        self.low, self.high = max(0, low - more // 2), min(127, high + more - more // 2)
        count = self.high - self.low + 1
        edges = top + np.rint(np.arange(count + 1) * (self.band - top) / count).astype(np.int64)
        self.rows = edges  # of the pitches from ``high`` down, and the end of the last
        gap = layout.even(6) if len(pitches) else 0
        self.beats = (
            self.band
            + gap
            + np.rint(np.arange(len(self.kit) + 1) * (bottom - self.band - gap) / max(1, len(self.kit))).astype(
                np.int64
            )
        )  # the rows of drums from the last of the kit down
        row = np.where(drums, 0, np.clip(self.high - notes.pitch, 0, count - 1))
        upper, lower = edges[row], edges[row + 1]
        for place in np.flatnonzero(drums).tolist():
            number = len(self.kit) - 1 - self.kit.index(row_of_drum(int(notes.pitch[place])))
            first, last = int(self.beats[number]), int(self.beats[number + 1])
            high = max(first, (first + last - layout.font(STROKE)) // 2)
            upper[place], lower[place] = high, max(high + 2, min(last, high + layout.font(STROKE)))
        left = np.rint(notes.onset * self.speed).astype(np.int64)
        right = np.maximum(np.rint(notes.end * self.speed).astype(np.int64) - max(1, layout.font(2)), left + 3)
        right = np.where(drums, left + np.maximum(4, lower - upper), right)
        thin = np.where(drums, 0, np.maximum(0, layout.font(THICK) - (lower - upper)))
        upper, lower = upper - (thin + 1) // 2, lower + thin // 2
        inset = np.where((lower - upper > 5) & (thin == 0), 1, 0)
        bottom = np.maximum(lower - inset, upper + inset + 1)
        self._boxes = Boxes(left, right, upper + inset, bottom, notes.onset, notes.end)

    @property
    def boxes(self) -> Boxes:
        """See Strip."""
        return self._boxes

    def columns(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Strip."""
        return seconds * self.speed

    def seconds(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Strip."""
        return columns / self.speed

    def row(self, pitch: int) -> tuple[int, int]:
        """The rows of a pitch on the strip: its first, and the one after its last."""
        return int(self.rows[self.high - pitch]), int(self.rows[self.high - pitch + 1])

    def margin(self) -> Sprite | None:
        """Names of octaves and of drums."""
        layout, size = self.layout, self.layout.font(17)
        rows = []
        if self.band > self.rows[0]:
            rows += [
                (self.row(pitch), f"C{pitch // 12 - 1}") for pitch in range(self.low, self.high + 1) if not pitch % 12
            ]
        drums = zip(self.beats.tolist(), self.beats.tolist()[1:], reversed(self.kit), strict=False)
        rows += [((upper, lower), name) for upper, lower, name in drums]
        if not rows or size < SMALLEST:
            return None
        left, fade = layout.even(6), layout.even(16)
        width = left + max(width_of(name, size) for _, name in rows) + fade + layout.even(6)
        image = blank(layout.energy - layout.view, width + width % 2, GROUND)
        for (upper, lower), name in rows:
            mask = letters(name, size)
            blend(image, layout.head - layout.view + (upper + lower - mask.shape[0]) // 2, left, mask, QUIET)
        return margin_of(image, fade)

    def _draw_guides(self, images: Sequence[Pixels], left: int) -> None:
        bars = np.rint(self.columns(self.scene.bars)).astype(int) - left
        stroke = max(1, self.layout.font(2))
        for image in images:
            if self.band > self.rows[0]:
                for pitch in range(self.low, self.high + 1):
                    upper, lower = self.row(pitch)
                    if pitch % 12 in BLACK:
                        image[upper:lower] = LANE
                    if pitch % 12 == 0:
                        image[lower - 1 : lower] = FAINT
            if self.kit:
                image[self.beats[0] : self.beats[-1]] = LANE
                for upper in self.beats[1:-1].tolist():
                    image[upper : upper + 1] = GROUND
            for place in bars[(bars > -stroke) & (bars < TILE)].tolist():
                for upper, lower in ((self.rows[0], self.rows[-1]), (self.beats[0], self.beats[-1])):
                    image[upper:lower, max(0, place) : place + stroke] = FAINT

    def draw(self, images: Sequence[Pixels], left: int) -> None:
        """See Strip."""
        self._draw_guides(images, left)
        boxes, notes = self._boxes, self.scene.notes
        inside = np.flatnonzero((boxes.right > left) & (boxes.left < left + TILE))
        order = inside[np.argsort(-(notes.end - notes.onset)[inside], kind="stable")]  # short notes over long ones
        for place in order.tolist():
            track = int(notes.track[place])
            colour = self.colour(int(notes.degree[place]), track)
            height, width = int(boxes.bottom[place] - boxes.top[place]), int(boxes.right[place] - boxes.left[place])
            if self.scene.drums[track]:
                mask = diamond(height, width)
            else:
                mask = shape(self.look_of(track), height, width, self.layout.font(5))
            for look, image in enumerate(images):
                shown = shade(colour, look, int(notes.velocity[place]))
                blend(image, int(boxes.top[place]), int(boxes.left[place]) - left, mask, shown)

    def look_of(self, track: int) -> str:
        """How the notes of a track look: where colours are those of scale degrees, each track has another look."""
        if not self.harmony:
            return LOOKS[0]
        pitched = [place for place, drum in enumerate(self.scene.drums) if not drum]
        return LOOKS[pitched.index(track) % len(LOOKS)] if track in pitched else LOOKS[0]


def shade(colour: Colour, look: int, velocity: int) -> Colour:
    """A colour as it is ahead, lit or past; soft notes are a little darker."""
    soft = 0.25 * (1 - min(127, velocity) / 127)
    if look == LIT:
        return mixed_with(mixed_with(colour, INK, 0.5), GROUND, soft / 2)
    return mixed_with(colour, GROUND, soft + (0.08 if look == AHEAD else DIM))


@lru_cache(maxsize=8192)
def shape(look: str, height: int, width: int, radius: int) -> Pixels:
    """The mask of a note: (height, width)."""
    full = rounded(height, width, radius)
    if look == "solid" or height < SMALL or width < SMALL:
        return full
    line = max(2, round(height * 0.16))
    found = full.copy()
    inner = rounded(height - 2 * line, max(1, width - 2 * line), radius - line / 2)
    body = found[line : height - line, line : line + inner.shape[1]]
    if look == "hollow":
        body[:] = body - (body.astype(np.int32) * inner * 200 // 65025).astype(np.uint8)
    elif look == "tapered":
        head, slim = round(1.4 * height), max(2, round(height * 0.36))
        rows = np.abs(np.arange(height) + 0.5 - height / 2) > slim / 2
        found[np.ix_(rows, np.arange(width) >= head)] = 0
    elif look == "striped":
        bands = (np.arange(width)[None] + np.arange(height)[:, None]) % (4 * line) >= 2 * line
        found = np.where(bands, found, found // 3).astype(np.uint8)
    elif look == "slim":
        inset = round(height * 0.26)
        found[:] = 0
        found[inset : height - inset] = rounded(height - 2 * inset, width, radius)
    elif look == "cored":
        core = max(2, round(height * 0.28))
        start = (height - core) // 2
        found[start : start + core, line : width - line] //= 5
    return found


@lru_cache(maxsize=64)
def diamond(height: int, width: int) -> Pixels:
    """The mask of a drum stroke: (height, width)."""
    y = np.abs(np.arange(height) + 0.5 - height / 2)[:, None]
    x = np.abs(np.arange(width) + 0.5 - width / 2)[None]
    inside = (1 - y / (height / 2) - x / (width / 2)) * min(height, width) / 2
    return np.rint(255 * np.clip(inside + 0.5, 0, 1)).astype(np.uint8)
