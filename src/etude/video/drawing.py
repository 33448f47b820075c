"""Verovio's SVG as shapes, and shapes as pixels, by the parts of matplotlib: the wheels that etude has draw no SVG."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.svgLib.path import parse_path
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path as Outline
from matplotlib.transforms import Affine2D, Transform
from numpy.typing import NDArray

from etude.scores.engraving import LINKS, SVG
from etude.video.harmony import Colour
from etude.video.picture import Pixels

UNSEEN = ("placeholder",)  # classes of what Verovio hides
# Parts of the start of the system: brackets and names; staves of the first measure; clefs and keys on them
PARTS = START, LINES, SIGNS = "start", "lines", "signs"
NUMBER = r"[-+]?(?:\d*\.\d+|\d+\.?)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Shape:
    """A shape in the units of the drawing: its outline, the width of its stroke, whether it is filled, its note."""

    outline: Outline
    stroke: float
    filled: bool
    note: str  # the id of the note that it belongs to; "" of none
    is_head: bool
    left: float
    right: float
    part: str = ""  # what it is of the start of the system: one of PARTS; "" of all that follows


@dataclass(frozen=True)
class Writing:
    """A text: the point that it starts, ends or has its middle at, by ``anchor``, and its height."""

    text: str
    x: float
    y: float
    size: float
    anchor: str
    bold: bool
    part: str = ""  # as of a shape


@dataclass(frozen=True)
class Drawing:
    """A picture of a score: shapes in the order in which they are painted, texts, width and height."""

    shapes: list[Shape]
    writings: list[Writing]
    width: float
    height: float


def drawing_of(svg: str) -> Drawing:
    """The shapes of a picture that Verovio made: paths, polygons, lines, ellipses, boxes, and the signs of its font."""
    root = ET.fromstring(svg)
    signs = {node.get("id"): node for node in root.iter(f"{{{SVG}}}g") if node.get("id", "").startswith("E")}
    page = next(node for node in root.iter(f"{{{SVG}}}svg") if node.get("class") == "definition-scale")
    _, _, width, height = map(float, page.get("viewBox", "0 0 1 1").split())
    parts = _parts(page)
    shapes: list[Shape] = []
    writings: list[Writing] = []
    for node, place, note, head in _walk(page, Affine2D(), "", False):
        part = parts.get(node, "")
        kind = node.tag.removeprefix(f"{{{SVG}}}")
        if kind == "text":
            writings += _writings(node, place, part)
            continue
        if kind == "use":
            sign = signs.get(node.get(f"{{{LINKS}}}href", "")[1:])
            for path in sign.iter(f"{{{SVG}}}path") if sign is not None else ():
                own = _transform(path.get("transform", "")) + _transform(node.get("transform", "")) + place
                shapes.append(_shape(_outline(path.get("d", "")).transformed(own), 0.0, True, note, head, part))
            continue
        outline = _outline_of(kind, node)
        if outline is not None:
            filled = node.get("fill") != "none" and node.get("fill-opacity") != "0"
            stroke = float(node.get("stroke-width", "1").removesuffix("px"))
            shapes.append(_shape(outline.transformed(place), stroke, filled, note, head, part))
    return Drawing(shapes, writings, width, height)


def _shape(outline: Outline, stroke: float, filled: bool, note: str, head: bool, part: str) -> Shape:
    xs = np.asarray(outline.vertices)[:, 0]
    return Shape(outline, stroke, filled, note, head, float(xs.min()) - stroke, float(xs.max()) + stroke, part)


def _parts(page: ET.Element) -> dict[ET.Element, str]:
    """What the nodes at the start of the system are: see ``Shape.part``."""
    found: dict[ET.Element, str] = {}
    for system in (node for node in page.iter() if "system" in _classes(node)):
        measures = [node for node in system if "measure" in _classes(node)]
        for child in system:
            if child not in measures:
                found.update(dict.fromkeys(child.iter(), START))
        for staff in (node for node in measures[0] if "staff" in _classes(node)) if measures else ():
            for child in staff:
                if child.tag == f"{{{SVG}}}path":
                    found[child] = LINES
                elif set(_classes(child)) & {"clef", "keySig"}:
                    found.update(dict.fromkeys(child.iter(), SIGNS))
    return found


def _classes(node: ET.Element) -> list[str]:
    return node.get("class", "").split()


def _walk(
    node: ET.Element, place: Transform, note: str, head: bool
) -> Iterator[tuple[ET.Element, Transform, str, bool]]:
    """What is painted below a node: where it lies, the note that it belongs to, and whether it is a notehead."""
    for child in node:
        classes = _classes(child)
        if set(classes) & set(UNSEEN):
            continue
        if child.tag == f"{{{SVG}}}g":
            inside = _transform(child.get("transform", "")) + place
            own = child.get("id", "") if "note" in classes else note
            yield from _walk(child, inside, own, head or "notehead" in classes)
        elif child.tag not in (f"{{{SVG}}}desc", f"{{{SVG}}}style", f"{{{SVG}}}defs"):
            yield child, place, note, head


def _transform(text: str) -> Affine2D:
    """The transform that an attribute names; the last one named is applied first, as SVG has it."""
    made = Affine2D()
    for name, values in reversed(re.findall(r"(\w+)\(([^)]*)\)", text)):
        numbers = [float(number) for number in re.findall(NUMBER, values)]
        if name == "translate":
            made.translate(numbers[0], numbers[1] if len(numbers) > 1 else 0)
        elif name == "scale":
            made.scale(numbers[0], numbers[-1])
        elif name == "rotate":
            x, y = numbers[1:3] if len(numbers) > 2 else (0.0, 0.0)
            made.rotate_deg_around(x, y, numbers[0])
    return made


@lru_cache(maxsize=4096)
def _outline(text: str) -> Outline:
    """An SVG path."""
    pen = DecomposingRecordingPen({})
    parse_path(text, pen)
    points: list[tuple[float, float]] = []
    codes: list[int] = []
    of = {"moveTo": (Outline.MOVETO,), "lineTo": (Outline.LINETO,), "curveTo": (Outline.CURVE4,) * 3,
          "qCurveTo": (Outline.CURVE3,) * 2}  # fmt: skip
    for name, values in pen.value:
        if name == "closePath":
            points.append(points[-1])
            codes.append(int(Outline.CLOSEPOLY))
        elif name in of:
            points += values
            codes += [int(code) for code in of[name]]
    return Outline(np.array(points, float).reshape(-1, 2), codes)


def _outline_of(kind: str, node: ET.Element) -> Outline | None:
    def number(name: str) -> float:
        return float(node.get(name, "0").removesuffix("px"))

    if kind == "path" and node.get("d"):
        return _outline(node.get("d", ""))
    if kind in ("polygon", "polyline"):
        points = np.array(re.findall(NUMBER, node.get("points", "")), float).reshape(-1, 2)
        return Outline(points, closed=False) if kind == "polyline" else Outline([*points, points[0]], closed=True)
    if kind == "rect":
        x, y, width, height = number("x"), number("y"), number("width"), number("height")
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        return Outline(corners, closed=True)
    if kind == "ellipse":
        move = Affine2D().scale(number("rx"), number("ry")).translate(number("cx"), number("cy"))
        return Outline.unit_circle().transformed(move)
    return None


def _writings(node: ET.Element, place: Transform, part: str) -> list[Writing]:
    """The text of a node in one line, without the signs of Verovio's font, which DejaVu has not."""
    parts = [(part.text or "", float(part.get("font-size", "0px").removesuffix("px"))) for part in node.iter()]
    text = "".join(part for part, _ in parts if part.strip("\n ") or part == " ")
    text = "".join(letter for letter in text if not "\ue000" <= letter <= "\uf8ff").strip()
    size = max((size for part, size in parts if part.strip()), default=0.0)
    if not text or not size:
        return []
    x, y = place.transform((float(node.get("x", "0")), float(node.get("y", "0"))))
    return [Writing(text, float(x), float(y), size, node.get("text-anchor", "start"), False, part)]


def paint(
    shapes: Sequence[Shape], colours: Sequence[Colour], scale: float, origin: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Paint shapes, in their order, each in its colour, smooth at the edges.

    Args:
        shapes: what is painted.
        colours: of each.
        scale: pixels of a unit.
        origin: the point of the drawing, in pixels, that is the upper left corner.
        size: height and width in pixels.

    Returns:
        (height, width, 4): red, green, blue, and how much is covered.
    """
    height, width = size
    renderer = RendererAgg(width, height, 72)
    context = renderer.new_gc()
    place = Affine2D().scale(scale).translate(-origin[0], -origin[1]).scale(1, -1).translate(0, height)
    for shape, colour in zip(shapes, colours, strict=True):
        face = tuple(level / 255 for level in colour)
        context.set_foreground((*face, 1.0))
        # lines keep a width at which they are seen, as on paper
        context.set_linewidth(max(shape.stroke * scale, 0.7) if shape.stroke else 0.0)
        renderer.draw_path(context, shape.outline, place, (*face, 1.0) if shape.filled else None)
    return np.asarray(renderer.buffer_rgba()).copy()


def over(image: Pixels, top: int, layer: NDArray[np.uint8]) -> None:
    """Lay a painted layer, (height, width, 4), over a picture of its width, from a row on."""
    part = image[top : top + layer.shape[0]]
    cover = layer[..., 3:].astype(np.int32)
    colour = layer[..., :3].astype(np.int32)
    part[:] = part + (colour - part) * cover // 255
