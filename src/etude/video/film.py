"""A film: the frames of a video one after the other, as planes ready to be encoded."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.video.harmony import DEGREES, colour_of
from etude.video.layout import DRUMS, FIRST_ROW, GROUND, INK, QUIET, TRACKS, Layout
from etude.video.lettering import letters, shorten, width_of
from etude.video.picture import (
    Pixels,
    Planes,
    Sprite,
    blank,
    blend,
    lay,
    mixed_with,
    planes_of,
    rounded,
    sprite_of,
    text_sprite,
)
from etude.video.roll import Roll, diamond, shape
from etude.video.scene import Chord
from etude.video.strip import AHEAD, LIT, PAST, TILE, Strip

TITLE, FADE = 2.4, 0.9  # seconds that the title is shown, and in which it goes
GLOW, DECAY = 95, 0.22  # luma that is added where a note starts, and the seconds in which it fades to a third
SHORTENED = 100  # pixels that the name of a track keeps at least, of a frame of usual size


@dataclass(frozen=True)
class Words:
    """What a video says of a piece: its title, and a line below it."""

    title: str = ""
    composer: str = ""


class Film:
    """Frames of a strip with what stays in place: title, legend, the chord that sounds, bar and time."""

    def __init__(self, strip: Strip, words: Words, fps: int, start: float, seconds: float) -> None:
        """Args: the view; what is said; frames a second; the second of the piece that it starts at; its length."""
        self.strip, self.words, self.fps, self.start = strip, words, fps, start
        self.count = max(1, round(seconds * fps))
        self.total = seconds
        layout = strip.layout
        self.buffer: Pixels = np.empty((layout.height * 3 // 2, layout.width), np.uint8)
        flat = self.buffer.reshape(-1)
        size, half = layout.height * layout.width, (layout.height // 2, layout.width // 2)
        self.frame = Planes(
            flat[:size].reshape(layout.height, layout.width),
            flat[size : size * 5 // 4].reshape(half),
            flat[size * 5 // 4 :].reshape(half),
        )
        head = blank(layout.head, layout.width, GROUND)
        self._draw_legend(head)
        self._head = planes_of(head)
        self._texts: dict[tuple[str, int, bool, tuple[int, int, int]], Sprite] = {}
        self._margin = strip.margin()
        self._line = self._draw_line()
        self._halo = _halo(layout.even(52))
        self._card = self._draw_card()
        self._boxes = boxes = strip.boxes
        self._spans = np.stack([boxes.left, boxes.right, boxes.top, boxes.bottom], axis=1)
        self._above = _overlaid(self._spans)
        self._longest = float((boxes.end - boxes.onset).max(initial=0.0))
        self._chords = [chord.start for chord in strip.scene.chords]

    def __iter__(self) -> Iterator[Pixels]:
        """The frames as (3 height / 2, width) in the order of yuv420p; each overwrites the one before."""
        for number in range(self.count):
            yield self.draw(number)

    def draw(self, number: int) -> Pixels:
        """One frame, from 0; see ``__iter__``."""
        now = self.start + number / self.fps
        layout, strip = self.strip.layout, self.strip
        left = 2 * round(strip.column(now) / 2) - layout.playhead
        for own, plane in zip(self._head, self.frame, strict=True):
            plane[: own.shape[0]] = own
        self._copy(left, layout.head, layout.height, left, left + layout.playhead, PAST)
        self._copy(left, layout.head, layout.height, left + layout.playhead, left + layout.width, AHEAD)
        self._light(now, left)
        self._mark_chord(now, left)
        lay(self.frame, layout.head, layout.playhead - self._line.cover.shape[1] // 2 // 2 * 2, self._line)
        if self._margin is not None:
            lay(self.frame, layout.view, 0, self._margin)
        self._say_chord(now)
        self._say_place(now)
        if self._card is not None:
            self._show_card(number / self.fps)
        return self.buffer

    def picture(self, number: int) -> Pixels:
        """A frame as RGB, (height, width, 3)."""
        self.draw(number)
        luma, blue, red = (plane.astype(np.float64) for plane in self.frame)
        blue, red = (np.repeat(np.repeat(part, 2, 0), 2, 1) - 128 for part in (blue, red))
        y = (luma - 16) * 255 / 219
        b, r = blue * 255 / 224, red * 255 / 224
        rgb = np.stack([y + 1.5748 * r, y - 0.1873 * b - 0.4681 * r, y + 1.8556 * b], axis=-1)
        return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)

    def _copy(self, window: int, top: int, bottom: int, left: int, right: int, look: int) -> None:
        """Copy even columns and rows of a look of the strip into the frame whose first column is ``window``."""
        head = self.strip.layout.head
        for number in range(left // TILE, (right - 1) // TILE + 1):
            planes = self.strip.tile(number)[look]
            x0, x1 = max(left, number * TILE), min(right, (number + 1) * TILE)
            for place, (source, plane) in enumerate(zip(planes, self.frame, strict=True)):
                by = 1 if place == 0 else 2
                rows = slice((top - head) // by, (bottom - head) // by)
                inside = source[rows, (x0 - number * TILE) // by : (x1 - number * TILE) // by]
                plane[top // by : bottom // by, (x0 - window) // by : (x1 - window) // by] = inside

    def _light(self, now: float, left: int) -> None:
        """Light the notes that sound, with a glow where they have just started."""
        notes, layout = self._boxes, self.strip.layout
        first, last = np.searchsorted(notes.onset, [now - self._longest - 1e-9, now + 1e-9], side="left")
        sounding = np.arange(first, last)[notes.end[first:last] > now]
        lit = set(sounding.tolist())
        for place in sorted(lit, key=lambda place: (self._spans[place, 0] - self._spans[place, 1], place)):
            self._copy_note(left, place, LIT)
            for other in self._above[place]:
                if other not in lit:  # a shorter note that lies over it, and does not sound
                    self._copy_note(left, other, PAST if notes.onset[other] < now else AHEAD)
        for place in sounding.tolist():
            share = float(np.exp((notes.onset[place] - now) / DECAY))
            if share > 0.05:
                x0, x1, y0, y1 = self._spans[place].tolist()
                middle = min(max(layout.playhead, x0 - left), x1 - left)
                self._glow(layout.head + (y0 + y1) // 2, middle, share)

    def _copy_note(self, left: int, place: int, look: int) -> None:
        """Copy the box of a note in a look into the frame whose first column is ``left``."""
        layout = self.strip.layout
        x0, x1, y0, y1 = self._spans[place].tolist()
        x0, y0 = max(left, x0 - x0 % 2), y0 - y0 % 2
        x1, y1 = min(left + layout.width, x1 + x1 % 2), y1 + y1 % 2
        if x0 < x1:
            self._copy(left, layout.head + y0, layout.head + y1, x0, x1, look)

    def _glow(self, y: int, x: int, share: float) -> None:
        halo, luma, layout = self._halo, self.frame.luma, self.strip.layout
        half = halo.shape[0] // 2
        y0, x0 = max(layout.head, y - half), max(0, x - half)
        y1, x1 = min(layout.energy, y + half), min(layout.width, x + half)
        if y0 < y1 and x0 < x1:
            part = halo[y0 - y + half : y1 - y + half, x0 - x + half : x1 - x + half]
            lit = luma[y0:y1, x0:x1] + (part * round(256 * share) >> 8)
            luma[y0:y1, x0:x1] = np.minimum(lit, 235)

    def _text(self, text: str, size: int, bold: bool, colour: tuple[int, int, int]) -> Sprite:
        key = (text, size, bold, colour)
        if key not in self._texts:
            if len(self._texts) > 256:
                self._texts.clear()
            self._texts[key] = text_sprite(letters(text, size, bold), colour)
        return self._texts[key]

    def _chord_at(self, now: float) -> Chord | None:
        place = bisect_right(self._chords, now + 1e-6) - 1
        chords = self.strip.scene.chords
        return chords[place] if place >= 0 and now < chords[place].end else None

    def _mark_chord(self, now: float, left: int) -> None:
        """The box of the chord that sounds without its words, which stand to the left of the playhead."""
        layout, chord = self.strip.layout, self._chord_at(now)
        if chord is None or layout.chords >= layout.height:
            return
        end = round(self.strip.column(chord.end)) - self.strip.layout.font(4)
        x0, x1 = left + layout.playhead, min(left + layout.width, end - end % 2)
        if x0 < x1:
            self._copy(left, layout.chords, layout.height, x0, x1, LIT)

    def _say_chord(self, now: float) -> None:
        """The name and the numeral of the chord that sounds, to the left of the playhead."""
        layout = self.strip.layout
        if layout.chords >= layout.height:
            return
        for plane, value, by in zip(self.frame, _levels(GROUND), (1, 2, 2), strict=True):
            plane[layout.chords // by :, : layout.playhead // by] = value
        chord = self._chord_at(now)
        if chord is None:
            return
        tint = mixed_with(colour_of(chord.degree), INK, 0.15)
        right = layout.playhead - layout.even(18)
        for text, size, bold, row, colour in ((chord.name, 40, True, -2, INK), (chord.numeral, 28, True, 44, tint)):
            font = layout.font(size)
            while font > 6 and width_of(text, font, bold) > right:
                font -= 1
            sprite = self._text(text, font, bold, colour)
            at = max(0, right - sprite.cover.shape[1])
            lay(self.frame, layout.chords + layout.even(row), at - at % 2, sprite)

    def _say_place(self, now: float) -> None:
        """Bar, key and time in the upper right corner."""
        layout, scene = self.strip.layout, self.strip.scene
        bar = int(np.clip(np.searchsorted(scene.bars, now + 1e-6, side="right"), 1, len(scene.bars) - 1))
        ends = max(scene.end, self.start + self.total)
        key = next((name for since, name in reversed(scene.keys) if since <= now + 1e-6), scene.keys[0][1])
        said = f"bar {bar}/{len(scene.bars) - 1}   {_clock(now)} / {_clock(ends)}"
        for text, size, bold, row in ((said, 24, True, 10), (key, 21, False, layout.last_row)):
            sprite = self._text(text, layout.font(size), bold, INK if bold else QUIET)
            at = layout.width - sprite.cover.shape[1] - layout.even(20)
            lay(self.frame, layout.even(row), at - at % 2, sprite)

    def _draw_legend(self, head: Pixels) -> None:
        """Title, tracks and scale degrees in the header."""
        layout, scene, strip = self.strip.layout, self.strip.scene, self.strip
        left = layout.even(20)
        room = layout.width - left - layout.font(360)
        title = shorten(self.words.title, room, layout.font(27), True)
        blend(head, layout.even(8), left, letters(title or " ", layout.font(27), True), INK)
        size, row, height = layout.font(20), layout.even(FIRST_ROW), max(4, layout.font(20))
        below = layout.even(layout.last_row)
        chip = max(6, layout.font(32))
        right = layout.width - layout.font(200)
        if strip.harmony:
            right -= (chip + layout.font(4)) * len(scene.degrees)
            at = left if below > row else right
            for degree in scene.degrees:
                blend(head, below, at, rounded(layout.font(27), chip, layout.font(6)), colour_of(degree))
                number = letters(DEGREES[degree], layout.font(18), True)
                blend(head, below + layout.font(2), at + (chip - number.shape[1]) // 2, number, GROUND)
                at += chip + layout.font(4)
        if below > row:  # a row of its own
            right = layout.width
        at = left
        pitched = [place for place, drum in enumerate(scene.drums) if not drum]
        shown = [place for place in range(len(scene.tracks)) if (scene.notes.track == place).any()]
        text = 0 if strip.harmony and not isinstance(strip, Roll) else layout.font(44)
        names, more = _names([scene.tracks[place] for place in shown], right - at - layout.font(20), size, text, layout)
        for place, name in zip(shown, names, strict=False):
            colour = DRUMS if scene.drums[place] else INK if strip.harmony else TRACKS[place % len(TRACKS)]
            if text and scene.drums[place]:
                blend(head, row + layout.font(3), at + layout.font(9), diamond(height, height), colour)
            elif text:
                look = strip.look_of(place) if isinstance(strip, Roll) and place in pitched else "solid"
                mask = shape(look, height, layout.font(36), layout.font(5))
                blend(head, row + layout.font(3), at, mask, mixed_with(colour, GROUND, 0.1))
            blend(head, row, at + text, letters(name, size), QUIET)
            at += text + width_of(name, size) + layout.font(26)
        if more:
            blend(head, row, at, letters(f"+{more}", size), QUIET)

    def _draw_line(self) -> Sprite:
        """The playhead: a bright line in a soft one."""
        layout = self.strip.layout
        width, height = 2 * max(3, layout.font(7)), layout.height - layout.head
        x = np.abs(np.arange(width) + 0.5 - width / 2)
        cover = 70 * np.exp(-x / (width / 6)) + np.where(x <= max(0.6, layout.scale), 170, 0)
        mask = np.repeat(np.rint(np.minimum(cover, 255)).astype(np.uint8)[None], height, axis=0)
        return sprite_of(blank(height, width, INK), mask)

    def _draw_card(self) -> Sprite | None:
        """The title over the whole header, which it hides, and no note; None without one."""
        layout = self.strip.layout
        lines = [(self.words.title, 50, True, INK), (self.words.composer, 28, False, QUIET)]
        lines = [line for line in lines if line[0].strip()]
        if not lines:
            return None
        image = blank(layout.head, layout.width, GROUND)
        masks = []
        for text, size, bold, colour in lines:
            font = layout.font(size)
            while font > layout.font(24) and width_of(text, font, bold) > layout.width * 0.94:
                font -= 1
            masks.append((letters(shorten(text, round(layout.width * 0.94), font, bold), font, bold), colour))
        at = (layout.head - sum(mask.shape[0] for mask, _ in masks)) // 2
        for mask, colour in masks:
            blend(image, at, (layout.width - mask.shape[1]) // 2, mask, colour)
            at += mask.shape[0]
        return sprite_of(image, np.full(image.shape[:2], 255, np.uint8))

    def _show_card(self, since: float) -> None:
        card, shown = self._card, min(TITLE, 0.3 * self.total)
        opacity = 255 if since < shown else round(255 * (1 - (since - shown) / FADE))
        if card is not None and opacity > 0:
            lay(self.frame, 0, 0, card, opacity)


def _names(names: Sequence[str], room: int, size: int, chip: int, layout: Layout) -> tuple[list[str], int]:
    """Names of tracks that fit side by side, in full if they do, else the longest shortened; how many are left out.

    Args:
        names: of the tracks.
        room: in pixels.
        size: of the letters.
        chip: pixels before each name.
        layout: of the frame.
    """
    gap = layout.font(26)
    for count in range(len(names), 0, -1):
        widths = [width_of(name, size) for name in names[:count]]
        rest = room - count * (chip + gap) - (layout.font(50) if count < len(names) else -gap)
        most = max(widths)
        while sum(min(width, most) for width in widths) > rest and most > layout.font(SHORTENED):
            most -= max(1, layout.font(4))
        if sum(min(width, most) for width in widths) <= rest:
            return [shorten(name, most, size) for name in names[:count]], len(names) - count
    return [], len(names)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 1e-6), 60)
    return f"{minutes}:{rest:02d}"


def _overlaid(spans: NDArray[np.int64]) -> list[list[int]]:
    """For each box (left, right, top, bottom) the shorter ones in its rows that lie over it, the longest first."""
    found: list[list[int]] = [[] for _ in spans]
    open_ones: dict[int, list[int]] = {}  # row -> boxes that have not ended
    for place in np.argsort(spans[:, 0], kind="stable").tolist():
        left, _, top, _ = spans[place].tolist()
        row = [other for other in open_ones.get(top, []) if spans[other, 1] > left]
        for other in row:
            longer, shorter = sorted((other, place), key=lambda one: spans[one, 0] - spans[one, 1])
            if spans[longer, 1] - spans[longer, 0] > spans[shorter, 1] - spans[shorter, 0]:
                found[longer].append(shorter)
        open_ones[top] = [*row, place]
    return [sorted(one, key=lambda other: (spans[other, 0] - spans[other, 1], other)) for one in found]


def _levels(colour: tuple[int, int, int]) -> Sequence[int]:
    """The three levels of one colour."""
    return [int(plane[0, 0]) for plane in planes_of(blank(2, 2, colour))]


def _halo(size: int) -> NDArray[np.int32]:
    """Light around a point, from 0 to ``GLOW``: (size, size)."""
    size = max(4, size)
    at = (np.arange(size) + 0.5 - size / 2) / (size / 2)
    away = np.hypot(at[:, None], at[None])
    return np.rint(GLOW * np.clip(1 - away, 0, 1) ** 2).astype(np.int32)
