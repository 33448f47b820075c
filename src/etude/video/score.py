"""The score: one system without line breaks that scrolls, engraved by Verovio; noteheads light up while they sound."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from symusic.core import KeySignatureTick, NoteTick, ScoreTick

from etude.core.errors import EtudeError
from etude.music.bars import bars_of
from etude.music.seconds import seconds_at
from etude.music.stated_key import mark_c_major, states_key
from etude.scores.engraving import FINE, GRID, READABLE, key_of, musicxml, on_readable_grid
from etude.scores.excerpts import excerpt_of
from etude.video.drawing import LINES, SIGNS, START, Shape, drawing_of, over, paint
from etude.video.harmony import Colour, key_at, keys_of
from etude.video.layout import GROUND, INK, QUIET, Layout
from etude.video.lettering import SMALLEST, letters, width_of
from etude.video.picture import Pixels, Sprite, blank, blend, mixed_with
from etude.video.scene import Scene
from etude.video.strip import DIM, LIT, PAST, TILE, Boxes, Strip, margin_of

LARGEST = 0.15  # pixels of a unit of Verovio, of which a staff has 720, in a frame of 720 rows
ON_GRID = 0.95  # share of onsets on the grid of written music with which a piece is engraved as it is
NEAR = 0.3  # quarter notes between a note and the one that is engraved for it
LINES_COLOUR: Colour = (122, 128, 148)  # staves, bars, rests
BARS_BEFORE, BARS_AFTER = 8, 24  # that are engraved around a part: as many may be seen, if they hold but rests
MARGIN = 0.64  # of the columns before the playhead, that clefs and key take at most
NAMED = 0.56  # of the same, that names of parts may make them wider
STAFF = 5  # lines
AROUND = 2  # pixels around a notehead that light up with it


class ScoreStrip(Strip):
    """A score that scrolls so that what sounds is always at the playhead."""

    def __init__(
        self,
        score: ScoreTick,
        scene: Scene,
        layout: Layout,
        energy: NDArray[np.float64],
        harmony: bool,
        shown: tuple[float, float] = (0.0, math.inf),
    ) -> None:
        """Args: the piece, which has notes but drums; else as of ``Strip``; the seconds that are at the playhead."""
        super().__init__(scene, layout, energy, harmony)
        piece, shift, closes = _shown(score, scene, *shown)
        svg, timemap, pitches = _engrave(piece)
        drawing = drawing_of(svg)
        heads: dict[str, Shape] = {}
        for shape in drawing.shapes:
            if shape.is_head:
                heads.setdefault(shape.note, shape)
        room = layout.energy - layout.view - layout.even(12)
        self._start = [shape for shape in drawing.shapes if shape.part]
        edges_of = [(shape.left, shape.right) for shape in self._start if shape.part != LINES]
        self._edge = min(left for left, _ in edges_of)  # of the brackets
        signs = max(shape.right for shape in self._start if shape.part == SIGNS) - self._edge  # width of what stands
        self.scale = min(LARGEST * layout.scale, room / drawing.height, MARGIN * layout.playhead / signs)
        self.top = layout.view - layout.head + max(0, round((room - drawing.height * self.scale) / 2))
        self.rows = min(round(drawing.height * self.scale), layout.energy - layout.head - self.top)
        self.writings = [writing for writing in drawing.writings if not writing.part]
        self._names = [writing for writing in drawing.writings if writing.part]
        spans = [(float(mark["qstamp"]), note) for mark in timemap for note in mark.get("on", []) if note in heads]
        ends = {note: float(mark["qstamp"]) for mark in timemap for note in mark.get("off", [])}
        quarter = score.ticks_per_quarter
        ticks = [shift + round(place * quarter) for place, _ in spans]
        stops = [shift + round(ends.get(note, place) * quarter) for place, note in spans]
        seconds = seconds_at(score, [*ticks, *stops])
        starts, stops_at = seconds[: len(ticks)], seconds[len(ticks) :]
        middles = np.array([(heads[note].left + heads[note].right) / 2 for _, note in spans]) * self.scale
        self._place(starts, middles, drawing.width * self.scale, closes)
        keys = keys_of(score)
        onset, end, colours = starts.copy(), stops_at.copy(), {}
        for place, (_, note) in enumerate(spans):
            found = self._played(ticks[place], pitches[note], round(NEAR * quarter))
            degree = (pitches[note] - key_at(keys, ticks[place]).tonic) % 12
            track = 0
            if found is not None:
                onset[place], track = scene.notes.onset[found], int(scene.notes.track[found])
                end[place] = max(stops_at[place], float(scene.notes.end[found]))
            colours[note] = self.colour(degree, track)
        # clefs, keys and brackets are those of the margin, to which the staves go on
        scrolling = [shape for shape in drawing.shapes if shape.part not in (START, SIGNS)]
        before = layout.width / self.scale
        self.shapes = [*(_longer(shape, before) for shape in self._start if shape.part == LINES), *scrolling]
        self.lefts = np.array([shape.left for shape in self.shapes]) * self.scale
        self.rights = np.array([shape.right for shape in self.shapes]) * self.scale
        self.colours = [colours.get(shape.note, INK) if shape.is_head else LINES_COLOUR for shape in self.shapes]
        edges = np.array(
            [[heads[note].left * self.scale, heads[note].right * self.scale, *_rows(heads[note])] for _, note in spans]
        ).reshape(-1, 4)
        order, around = np.argsort(onset, kind="stable"), np.array([-AROUND, AROUND])
        rows = np.clip(np.rint(edges[:, 2:] * self.scale) + self.top + around, 0, self.height)
        columns = np.rint(edges[:, :2]) + around
        box = np.concatenate([columns, rows], axis=1).astype(np.int64)[order]
        self._boxes = Boxes(box[:, 0], box[:, 1], box[:, 2], box[:, 3], onset[order], end[order])

    def _place(self, seconds: NDArray[np.float64], columns: NDArray[np.float64], width: float, end: float) -> None:
        """Where each time lies: at the leftmost notehead that starts then, and evenly between those."""
        times = np.unique(np.round(seconds, 6))
        first = np.full(len(times), np.inf)
        np.minimum.at(first, np.searchsorted(times, np.round(seconds, 6)), columns)
        ends = np.append(times, max(times[-1] + 0.5, end))
        at = np.append(first, max(width, first[-1] + 1))
        at = np.maximum.accumulate(at) + np.arange(len(at)) * 1e-3  # it never goes back
        if len(at) > 1:
            self._speeds = (at[1] - at[0]) / (ends[1] - ends[0]), (at[-1] - at[0]) / (ends[-1] - ends[0])
        self._ends, self._at = ends, at
        self._there, self._back = PchipInterpolator(ends, at), PchipInterpolator(at, ends)

    @property
    def boxes(self) -> Boxes:
        """See Strip."""
        return self._boxes

    def columns(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Strip."""
        before, after = self._speeds
        inside = self._there(np.clip(seconds, self._ends[0], self._ends[-1]))
        early, late = np.minimum(seconds - self._ends[0], 0), np.maximum(seconds - self._ends[-1], 0)
        return np.asarray(inside + early * before + late * after)

    def seconds(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Strip."""
        before, after = self._speeds
        inside = self._back(np.clip(columns, self._at[0], self._at[-1]))
        early, late = np.minimum(columns - self._at[0], 0), np.maximum(columns - self._at[-1], 0)
        return np.asarray(inside + early / before + late / after)

    def _played(self, tick: int, pitch: int, near: int) -> int | None:
        """The note of the scene that a written one stands for: the nearest of its pitch; None where none is near."""
        notes = self.scene.notes
        first, last = np.searchsorted(notes.tick, [tick - near, tick + near + 1])
        places = np.arange(first, last)[notes.pitch[first:last] == pitch]
        if not len(places):
            return None
        return int(places[np.argmin(np.abs(notes.tick[places] - tick))])

    def draw(self, images: Sequence[Pixels], left: int) -> None:
        """See Strip."""
        chosen = np.flatnonzero((self.rights > left - 2) & (self.lefts < left + TILE + 2))
        size, origin = (self.rows, TILE), (float(left), 0.0)
        parts = [[place for place in chosen.tolist() if self.shapes[place].is_head is head] for head in (False, True)]
        layers = [
            paint(
                [self.shapes[place] for place in part],
                [self.colours[place] for place in part],
                self.scale,
                origin,
                size,
            )
            for part in parts
        ]
        for look, image in enumerate(images):
            over(image, self.top, layers[0])
            heads = layers[1].copy()
            if look == LIT:
                heads[..., :3] = heads[..., :3] // 2 + np.array(INK, np.uint8) // 2
            over(image, self.top, heads)
            self._write(image, left)
            if look == PAST:
                area = image[self.top : self.top + self.rows]
                area[:] = area + ((np.array(GROUND, np.int32) - area) * round(256 * DIM) >> 8)

    def margin(self) -> Sprite | None:
        """The staves with their clefs and the key, and the name of each part where there is room above its staff."""
        layout, edge = self.layout, self._edge * self.scale
        left, fade, size = layout.even(12), layout.even(24), layout.font(17)
        signs = [shape for shape in self._start if shape.part == SIGNS]
        staff = min(shape.left for shape in self._start if shape.part == LINES) * self.scale - edge
        inside = left + max(0, round(staff)) + layout.font(6)
        narrow = round(max(shape.right for shape in signs) * self.scale - edge) + left + layout.even(4)
        places = self._places_of_names(signs, letters(" ", size).shape[0]) if size >= SMALLEST else []
        ends = [(at, text, inside + width_of(text, size) + layout.even(4)) for at, text in places]
        ends = [one for one in ends if one[2] <= max(narrow, layout.playhead * NAMED)]
        width = max(narrow, *(end for _, _, end in ends), 0) + fade
        width += width % 2
        image = blank(layout.energy - layout.view, width, GROUND)
        top = self.top - (layout.view - layout.head)
        colours = [INK if shape.part == SIGNS else LINES_COLOUR for shape in self._start]
        over(image, top, paint(self._start, colours, self.scale, (edge - left, 0.0), (self.rows, width)))
        for at, text, _ in ends:
            blend(image, top + at, inside, letters(text, size), QUIET)
        return margin_of(image, fade)

    def _places_of_names(self, signs: Sequence[Shape], height: int) -> list[tuple[int, str]]:
        """The names of the parts that fit above their staves, each with the row of the drawing that it starts at."""
        lines = sorted(_rows(shape)[0] * self.scale for shape in self._start if shape.part == LINES)
        staves = np.array(lines).reshape(-1, STAFF)  # (staves, lines)
        upper, lower = staves[:, 0].copy(), staves[:, -1].copy()  # with the clefs and keys
        for sign in signs:
            first, last = (row * self.scale for row in _rows(sign))
            own = int(np.argmin(np.abs(staves.mean(axis=1) - (first + last) / 2)))
            upper[own], lower[own] = min(upper[own], first), max(lower[own], last)
        found = []
        for name in self._names:
            own = int(np.clip(np.searchsorted(staves[:, 0], name.y * self.scale) - 1, 0, len(staves) - 1))
            at = round(upper[own]) - height
            if at >= (lower[own - 1] if own else self.layout.view - self.layout.head - self.top):
                found.append((at, name.text))
        return found

    def _write(self, image: Pixels, left: int) -> None:
        for writing in self.writings:
            x = writing.x * self.scale - left
            if -TILE < x < 2 * TILE:
                mask = letters(writing.text, max(1, round(writing.size * self.scale)), writing.bold)
                x -= {"end": mask.shape[1], "middle": mask.shape[1] / 2}.get(writing.anchor, 0)
                top = self.top + round(writing.y * self.scale) - round(mask.shape[0] * 0.8)
                blend(image, top, round(x), mask, mixed_with(QUIET, GROUND, 0.2))


def _longer(shape: Shape, by: float) -> Shape:
    """A line of a staff that goes on to the left of the first measure."""
    row = _rows(shape)[0]
    outline = Outline(np.array([[shape.left - by, row], [shape.right, row]]))
    return replace(shape, outline=outline, left=shape.left - by, part="")


def _rows(shape: Shape) -> tuple[float, float]:
    ys = np.asarray(shape.outline.vertices)[:, 1]
    return float(ys.min()), float(ys.max())


def _shown(score: ScoreTick, scene: Scene, start: float, stop: float) -> tuple[ScoreTick, int, float]:
    """The bars around what is shown, in the key that holds there; the tick of their start, the second of their end.

    All of the piece, where that is not much longer, or where these bars hold nothing but rests or drums.
    """
    bars, quarter = bars_of(score), score.ticks_per_quarter
    first = max(0, int(np.searchsorted(scene.bars, start, side="right")) - 1 - BARS_BEFORE)
    last = min(len(bars), int(np.searchsorted(scene.bars, stop)) + BARS_AFTER)
    if last - first + BARS_BEFORE > len(bars):
        return score, 0, float(scene.bars[-1])
    shift, until = bars[first].start, bars[last - 1].end
    part = excerpt_of(score, shift / quarter, (until - shift) / quarter)
    for own, track in zip(part.tracks, score.tracks, strict=True):
        for note in track.notes:
            if note.time < shift < note.time + note.duration:  # held from before
                rest = min(note.time + note.duration, until) - shift
                own.notes.append(NoteTick(0, rest, note.pitch, note.velocity))
    if all(track.is_drum or not len(track.notes) for track in part.tracks):
        return score, 0, float(scene.bars[-1])
    if not states_key(part):
        sharps, minor = key_of(score)
        part.key_signatures = type(part.key_signatures)([KeySignatureTick(0, sharps, minor)])
        if not sharps and not minor:
            mark_c_major(part)
    return part, shift, float(scene.bars[last])


def _engrave(score: ScoreTick) -> tuple[str, list[dict[str, Any]], dict[str, int]]:
    """Verovio's picture of a piece as one system, when which notes start and end, and the pitch of each note."""
    import verovio

    piece = score if _is_written(score) else on_readable_grid(score)
    try:
        sheet = musicxml(piece, "")
    except Exception:  # music21 raises what it meets, as for a duration that takes several notes in 9/8
        try:
            sheet = musicxml(on_readable_grid(score), "")
        except Exception:
            raise EtudeError("it cannot be written as a score. Show it with view=roll.") from None
    # tempo marks are of another font, and chords have a lane of their own
    sheet = re.sub(r"<direction\b(?:(?!</direction>).)*<metronome.*?</direction>", "", sheet, flags=re.DOTALL)
    sheet = re.sub(r"<harmony\b.*?</harmony>", "", sheet, flags=re.DOTALL)
    verovio.enableLog(verovio.LOG_OFF)
    engraver = verovio.toolkit()
    engraver.setOptions(
        {
            "adjustPageHeight": True, "adjustPageWidth": True, "breaks": "none", "footer": "none", "header": "none",
            "pageHeight": 60000, "pageWidth": 100000, "mnumInterval": 0, "svgViewBox": True, "xmlIdSeed": 1,
            "spacingStaff": 6, "spacingSystem": 4,
            "pageMarginLeft": 0, "pageMarginRight": 0, "pageMarginTop": 20, "pageMarginBottom": 20,
        }
    )  # fmt: skip
    if not engraver.loadData(sheet):
        raise EtudeError("it cannot be engraved. Show it with view=roll.")
    timemap = engraver.renderToTimemap()
    names = {note for mark in timemap for note in mark.get("on", [])}
    pitches = {note: int(engraver.getMIDIValuesForElement(note)["pitch"]) for note in sorted(names)}
    return str(engraver.renderToSVG(1)), timemap, pitches


def _is_written(score: ScoreTick) -> bool:
    """Whether the notes of a piece lie where written ones do, as those of a performance do not."""
    quarter, places = score.ticks_per_quarter, [int(note.time) for track in score.tracks for note in track.notes]
    steps = [step for step in (*READABLE, *FINE) if step * quarter % GRID == 0]
    on = sum(any(place % (step * quarter // GRID) == 0 for step in steps) for place in places)
    return on >= ON_GRID * len(places)
