"""The score of a piece for the page: engraved, its notes known by time, parallels marked by colour and by a sign."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import verovio  # here: it knows where its fonts are in the thread that imports it first
from symusic.core import ScoreTick

from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.metrics.voice_leading import pitches_of
from etude.scores.engraving import LINKS, SVG, engrave
from etude.studio.rules import FIFTHS, OCTAVES, Fault, find_faults

SCALE = 40  # per cent of Verovio's size of a staff
NARROWEST, WIDEST = 280, 2000  # pixels of a page's width
SIGNS = {FIFTHS: "5", OCTAVES: "8"}  # over the notes of a parallel
MARKED = "parallel"  # the class of its notes
# accidentals of the music font in chord symbols, a font that the page has not -> letters (SMuFL 1.4, figured bass)
LETTERS = str.maketrans({"\uea63": "♭♭", "\uea64": "♭", "\uea65": "♮", "\uea66": "♯", "\uea67": "×"})
SYMBOL = "320px"  # size of the letters of chord symbols, which stand closely
PLAIN, SIGNED = 1.0, 4.5  # distance of chord symbols from the staff, in Verovio's units; over the signs of parallels
ABOVE = 260  # of Verovio's units, from the middle of a note head to the sign over it
TEMPO = re.compile(r"<direction\b(?:(?!</direction>).)*<metronome.*?</direction>", re.DOTALL)


@dataclass(frozen=True)
class Head:
    """A note of the score: its id in the picture, its staff from 0, and when it sounds, in quarter notes."""

    name: str
    staff: int
    start: float
    end: float


def picture(
    score: ScoreTick, title: str, width: int, voices: Mapping[str, int] | None, steps: int = 4, feel: str = ""
) -> Json:
    """Engrave a piece: ``svg``, and its ``notes`` as [id, staff, start, end] with times in quarter notes.

    The picture has no styles of its own, so that a page whose policy forbids them can show it.

    Args:
        score: the piece.
        title: of the piece.
        width: of the page, in pixels.
        voices: whose parallels are marked (name -> program), one staff each; None: nobody's.
        steps: frames a quarter note in which parallels are looked for.
        feel: a word over the start.

    Raises:
        EtudeError: it cannot be written as a score.
    """
    if all(track.is_drum or not len(track.notes) for track in score.tracks):
        raise EtudeError("There is no score of a piece without notes.")
    verovio.enableLog(verovio.LOG_OFF)
    verovio.setDefaultResourcePath(str(Path(verovio.__file__).parent / "data"))  # it is another one in each thread
    engraver = verovio.toolkit()
    engraver.setOptions(
        {
            "adjustPageHeight": True,
            "breaks": "auto",
            "footer": "none",
            "harmDist": SIGNED if voices is not None else PLAIN,
            "header": "none",
            "pageHeight": 60000,
            "pageMarginLeft": 30,
            "pageMarginRight": 30,
            "pageMarginTop": 30,
            "pageMarginBottom": 30,
            "pageWidth": max(NARROWEST, min(WIDEST, width)) * 100 // SCALE,
            "scale": SCALE,
            "svgViewBox": True,
            "xmlIdSeed": 1,
        }
    )
    if not engraver.loadData(TEMPO.sub("", engrave(score, title, feel))):
        raise EtudeError("The score cannot be engraved: Verovio cannot read it.")
    for prefix, space in (("", SVG), ("xlink", LINKS)):
        ET.register_namespace(prefix, space)
    root = ET.fromstring(engraver.renderToSVG(1))
    heads = _heads(root, engraver.renderToTimemap({}))
    if voices is not None:
        _mark(root, heads, find_faults(pitches_of(score, voices, steps)), steps)
    _make_plain(root)
    for harmony in _groups(root, "harm"):
        for part in harmony.iter(f"{{{SVG}}}tspan"):
            if part.get("font-size"):
                part.set("font-size", SYMBOL)
    notes = [[head.name, head.staff, head.start, head.end] for head in heads]
    return {"svg": ET.tostring(root, encoding="unicode"), "notes": notes}


def _make_plain(root: ET.Element) -> None:
    """Take away styles, descriptions and the music font of texts: only the drawing stays."""
    for parent in list(root.iter()):
        sizes = [child.get("font-size") for child in parent if not child.get("font-family")]
        for child in list(parent):
            if child.text and (letters := child.text.translate(LETTERS)) != child.text:
                child.text = letters
                child.attrib.pop("font-family", None)
                child.set("font-size", next(filter(None, sizes), child.get("font-size", "")))  # that of the letters
            if child.tag in (f"{{{SVG}}}style", f"{{{SVG}}}desc"):
                parent.remove(child)


def _heads(root: ET.Element, timemap: Iterable[Json]) -> list[Head]:
    """The notes of the picture, in the order of time."""
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    for entry in timemap:
        starts |= dict.fromkeys(entry.get("on", ()), entry["qstamp"])
        ends |= dict.fromkeys(entry.get("off", ()), entry["qstamp"])
    found = []
    for measure in _groups(root, "measure"):
        for staff, group in enumerate(_groups(measure, "staff")):
            for note in _groups(group, "note"):
                name = note.get("id", "")
                if name in starts:
                    found.append(Head(name, staff, starts[name], ends.get(name, starts[name])))
    return sorted(found, key=lambda head: (head.start, head.staff, head.name))


def _groups(root: ET.Element, kind: str) -> list[ET.Element]:
    return [node for node in root.iter(f"{{{SVG}}}g") if kind in node.get("class", "").split()]


def _mark(root: ET.Element, heads: list[Head], faults: Iterable[Fault], steps: int) -> None:
    """Give the notes of parallels a class, and the ones into which they move a sign above the head."""
    by_name = {node.get("id"): node for node in _groups(root, "note")}
    for fault in faults:
        if fault.kind not in SIGNS:
            continue
        for frame in (fault.frame - 1, fault.frame):
            middle = (frame + 0.5) / steps
            for head in heads:
                if head.staff in fault.voices and head.start <= middle < head.end:
                    note = by_name[head.name]
                    kinds = note.get("class", "").split()
                    if MARKED not in kinds:
                        note.set("class", " ".join([*kinds, MARKED]))
                    if frame == fault.frame:
                        _sign(note, SIGNS[fault.kind])


def _sign(note: ET.Element, text: str) -> None:
    used = next((node for node in note.iter(f"{{{SVG}}}use")), None)
    found = re.search(r"translate\((-?\d+), (-?\d+)\)", used.get("transform", "") if used is not None else "")
    if found is None or any(node.text == text and node.get("class") == "sign" for node in note):
        return
    before = sum(node.get("class") == "sign" for node in note)
    place = {"x": str(int(found[1]) + 110), "y": str(int(found[2]) - ABOVE - 300 * before)}
    sign = ET.SubElement(
        note, f"{{{SVG}}}text", {"class": "sign", "font-size": "380", "text-anchor": "middle", **place}
    )
    sign.text = text
