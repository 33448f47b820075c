"""A piece as a score: MusicXML for notation programs, spelled in its key, and a picture of it."""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score

from etude.core.errors import EtudeError
from etude.music.chords import MARKER
from etude.music.key import best_key, sharps_of
from etude.music.stated_key import states_key

GRID = 24  # steps per quarter note on which notes are placed: sixteenths, triplets and their divisions
READABLE = (6, 8)  # of these steps, sixteenths or triplets: the grids of a quarter note that a picture has
FINE = (3, 4)  # thirty-seconds and triplets of sixteenths: where notes lie on them exactly
NAMES = ("F", "C", "G", "D", "A", "E", "B")  # up the circle of fifths
SVG, LINKS = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
LOW_CLEF = 55  # mean pitch below which a part is written in the bass clef
KEYBOARDS = 7  # the last General MIDI program of a keyboard, from 0
MIDDLE = 60  # the lowest pitch of the right hand, of a part with two staves
BOTH = 0.15  # share of the notes of such a part that each hand has at least
HAND, RIGHT, LEFT = "\0", "right", "left"  # the end of the name of one hand's notes
LOWEST_CLEF = 41  # mean pitch below which that is the one an octave lower, as for a double bass


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what music21 prints and warns of from the terminal: beams that it cannot join, complex durations."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@_quiet()
def musicxml(score: Score, title: str, feel: str = "") -> str:
    """A piece as MusicXML; the same piece and title give the same text.

    Each track is a part, in the clef of its mean pitch; one of a keyboard that uses both hands has two staves. Notes
    move to the nearest 24th of a quarter note; those of a track that start and end together are a chord. Pitches are
    spelled by the first key signature, or by the key that fits best. Chord symbols stand over the first part, where
    music21 knows them. Fermatas, drums and velocities are left out.

    Args:
        score: the piece.
        title: of the piece.
        feel: a word over the start, as "Swing".
    """
    from music21 import (  # a second
        chord,
        clef,
        expressions,
        instrument,
        key,
        layout,
        metadata,
        meter,
        note,
        stream,
        tempo,
    )
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    piece = _in_two_hands(score.resample(GRID, min_dur=1))
    sharps, minor = key_of(piece)
    sheet = stream.Score()
    sheet.metadata = metadata.Metadata(title=_printable(title))
    end = Fraction(max(piece.end(), 1), GRID)
    above: Any = None  # the staff before, of the right hand
    for place, track in enumerate(track for track in piece.tracks if not track.is_drum):
        hand = track.name.rpartition(HAND)[2] if HAND in track.name else ""
        part = (stream.PartStaff if hand else stream.Part)(id=f"P{place + 1}")
        track.name = track.name.partition(HAND)[0]
        part.partName = _printable(track.name) or f"Part {place + 1}"
        player = instrument.instrumentFromMidiProgram(track.program)
        player.partId, player.instrumentId = f"P{place + 1}", f"I{place + 1}"
        player.partName, player.transposition = part.partName, None  # pitches are sounding ones
        player.partAbbreviation = player.instrumentAbbreviation = part.partName[:1] + "."
        part.insert(0, player)
        pitches = [played.pitch for played in track.notes]
        mean = sum(pitches) / len(pitches) if pitches else LOW_CLEF
        low = clef.Bass8vbClef() if mean < LOWEST_CLEF else clef.BassClef()
        part.insert(0, low if (hand == LEFT or mean < LOW_CLEF) and hand != RIGHT else clef.TrebleClef())
        part.insert(0, key.Key(tonic_of(sharps, minor), "minor" if minor else "major"))
        signs = [(sign.time, f"{sign.numerator}/{sign.denominator}") for sign in piece.time_signatures] or [(0, "4/4")]
        for time, sign in signs:
            part.insert(Fraction(time, GRID), meter.TimeSignature(sign))
        if not place:
            for mark in piece.tempos[:1]:
                part.insert(0, tempo.MetronomeMark(number=round(mark.qpm)))
            if feel:
                word = expressions.TextExpression(feel)  # a TempoText would lose its place
                word.placement, word.style.fontWeight = "above", "bold"
                part.insert(0, word)
        for symbol in piece.markers if not place else []:
            if symbol.text.startswith(MARKER):
                with suppress(Exception):  # music21 raises what it meets; what it does not know is left out
                    part.insert(Fraction(symbol.time, GRID), _chord(symbol.text.removeprefix(MARKER)))
        chords: dict[tuple[int, int, int], list[Any]] = {}  # onset, duration, how many before it are the same note
        seen: Counter[tuple[int, int, int]] = Counter()
        for played in sorted(track.notes, key=lambda played: (played.time, played.pitch)):
            name, octave = spell(played.pitch, sharps, bool(minor))
            same = (played.time, played.duration, played.pitch)
            chords.setdefault((*same[:2], seen[same]), []).append(note.Note(name, octave=octave))
            seen[same] += 1
        for (time, duration, _), found in chords.items():
            written = found[0] if len(found) == 1 else chord.Chord(found)
            written.quarterLength = Fraction(duration, GRID)
            part.insert(Fraction(time, GRID), written)
        rest = end - Fraction(part.highestTime)
        if rest > 0:
            part.append(note.Rest(quarterLength=rest))
        made = part.makeRests(fillGaps=True).makeNotation()
        for measure in made.getElementsByClass(stream.Measure):
            highest = sorted(measure.voices, key=lambda voice: max((p.midi for p in voice.pitches), default=0))
            for number, voice in enumerate(reversed(highest), start=1):  # from 0, two of them are one to Verovio
                voice.id = str(number)
        sheet.insert(0, made)
        if hand == LEFT:
            sheet.insert(0, layout.StaffGroup([above, made], name=part.partName, symbol="brace"))
        above = made
    text = GeneralObjectExporter(sheet).parse().decode()
    return re.sub(r"\s*<(encoding-date|creator)\b.*?</\1>", "", text)  # the time, and music21 as composer


def _in_two_hands(score: Score) -> Score:
    """The piece with each wide keyboard part as two tracks, whose names end in ``HAND`` and the hand."""
    tracks = []
    for track in score.tracks:
        low = sum(played.pitch < MIDDLE for played in track.notes)
        if track.is_drum or track.program > KEYBOARDS or not BOTH <= low / max(1, len(track.notes)) <= 1 - BOTH:
            tracks.append(track)
            continue
        for hand in (RIGHT, LEFT):
            own = track.copy()
            own.name = f"{track.name}{HAND}{hand}"
            own.notes = type(own.notes)([one for one in track.notes if (one.pitch >= MIDDLE) == (hand == RIGHT)])
            tracks.append(own)
    score.tracks = type(score.tracks)(tracks)
    return score


def _chord(text: str) -> Any:
    """A chord symbol, as ``Bbm7``, as music21's ``Harmony``."""
    from music21 import harmony

    chord = harmony.NoChord() if text == "N" else harmony.ChordSymbol(re.sub("(?<=[A-G])b", "-", text))
    if text != "N" and (not chord.pitches or chord.chordKind in ("", "none")):
        raise ValueError(f"{text} is no chord")
    return chord


def _printable(text: str) -> str:
    """A text without what XML cannot hold, as control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def on_readable_grid(score: Score) -> Score:
    """A piece for a picture: each track, or each hand of a keyboard, as one line of chords on sixteenths and triplets.

    Quarter by quarter, the notes of a track move to sixteenths or triplets, whichever their onsets are nearer to.
    Those that lie exactly on thirty-seconds or triplets of sixteenths stay. Notes with one onset last alike, and at
    most until the next onset of their track. Drums are left out.

    Args:
        score: the piece, which is not changed.

    Returns:
        The piece with ``GRID`` ticks a quarter note.
    """
    piece = _in_two_hands(score.resample(GRID, min_dur=1))
    pitched = [track for track in piece.tracks if not track.is_drum]
    for track in pitched:
        onsets: dict[int, list[int]] = {}  # quarter -> where notes start within it
        for played in track.notes:
            onsets.setdefault(played.time // GRID, []).append(played.time % GRID)
        steps = {quarter: _step(found) for quarter, found in onsets.items()}
        chords: dict[int, dict[int, Any]] = {}  # onset -> pitch -> the longest note
        for played in sorted(track.notes, key=lambda played: (played.duration, played.time)):
            chords.setdefault(_move(played.time, steps), {})[played.pitch] = played
        starts = sorted(chords)
        track.notes = type(track.notes)()
        for start, following in zip_longest(starts, starts[1:]):
            ends = [_move(played.time + played.duration, steps) for played in chords[start].values()]
            end = max(start + steps.get(start // GRID, READABLE[0]), *ends)
            length = (end if following is None else min(end, following)) - start
            for pitch, played in sorted(chords[start].items()):
                track.notes.append(Note(start, length, pitch, played.velocity))
    piece.tracks = type(piece.tracks)(pitched)
    return piece


def _move(time: int, steps: Mapping[int, int]) -> int:
    """The nearest place on the grid of the quarter that a time lies in; sixteenths where no note starts in it."""
    quarter, place = divmod(time, GRID)
    step = steps.get(quarter, READABLE[0])
    return quarter * GRID + (place + step // 2) // step * step


def _step(places: Sequence[int]) -> int:
    """The grid of a quarter note that onsets lie on, or else nearest to."""
    exact = (step for step in (*READABLE, *FINE) if not any(place % step for place in places))
    return next(exact, min(READABLE, key=lambda step: sum(min(place % step, -place % step) for place in places)))


def engrave(score: Score, title: str, feel: str = "") -> str:
    """``musicxml`` of an arrangement; on a readable grid where its notes lie so that no notation has them.

    Raises:
        EtudeError: it cannot be written in either way.
    """
    try:
        return musicxml(score, title, feel)
    except Exception:  # music21 raises what it meets, as for a duration that takes several notes in 9/8
        with suppress(Exception):
            return musicxml(on_readable_grid(score), title, feel)
    raise EtudeError(f"{title}: it cannot be written as a score. Give it shorter bars, or notes on a grid.")


def picture(sheet: str, titled: bool = False) -> str:
    """Engrave MusicXML with Verovio as SVG, on one white page of any height, without its tempo.

    The same text gives the same picture. With ``titled`` its title stands over it.

    Raises:
        EtudeError: Verovio cannot read it.
    """
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    engraver = verovio.toolkit()
    engraver.setOptions(
        {
            "adjustPageHeight": True,
            "breaks": "auto",
            "footer": "none",
            "header": "auto" if titled else "none",
            "pageHeight": 60000,
            "pageWidth": 2400,
            "scale": 40,
            "svgViewBox": True,
            "xmlIdSeed": 1,
        }
    )
    untimed = re.sub(r"<direction\b(?:(?!</direction>).)*<metronome.*?</direction>", "", sheet, flags=re.DOTALL)
    if not engraver.loadData(untimed):
        raise EtudeError("the score cannot be engraved: Verovio cannot read its MusicXML")
    page = _shorten(str(engraver.renderToSVG(1)))
    # without a ground the notes are black on black where a reader's page is dark
    return re.sub(
        r"(<svg\b[^>]*>)", r'\1<rect width="100%" height="100%" fill="white" style="stroke:none"/>', page, count=1
    )


def size_of(svg: str) -> tuple[int, int]:
    """Width and height of a picture in the units of its own, of which a page needs the ratio."""
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    if found is None:
        raise EtudeError("the picture of a score has no size: Verovio made no viewBox")
    return int(found[1]), int(found[2])


def _shorten(svg: str) -> str:
    """The same drawing in a third of the size: without names that nothing refers to, and like lines as one."""
    for prefix, space in (("", SVG), ("xlink", LINKS)):
        ET.register_namespace(prefix, space)
    root = ET.fromstring(svg)
    styled = {"measure"}  # the classes that a rule names, and that of bars
    for rules in root.iter(f"{{{SVG}}}style"):
        rules.text = re.sub(r"#\w+ ", "", rules.text or "")
        styled |= set(re.findall(r"g\.(\w+)", rules.text))
    used = {link[1:] for node in root.iter() if (link := node.get(f"{{{LINKS}}}href"))}
    for node in root.iter():
        if node.get("id") not in used:
            node.attrib.pop("id", None)
        if node.tag == f"{{{SVG}}}g" and not styled & set(node.get("class", "").split()):
            node.attrib.pop("class", None)
        if node.text and not node.text.strip():
            node.text = None
        node.tail = None
    _gather(root)
    return ET.tostring(root, encoding="unicode")


def _gather(node: ET.Element) -> None:
    """Draw what lies in groups without a style directly, and neighbouring lines that look alike as one path."""
    children: list[ET.Element] = []
    for child in node:
        _gather(child)
        is_bare = child.tag == f"{{{SVG}}}g" and not child.attrib
        for part in list(child) if is_bare else [child]:
            last = children[-1] if children else None
            if part.tag == f"{{{SVG}}}desc" or (part.tag == f"{{{SVG}}}g" and not len(part) and not part.text):
                continue
            if last is not None and part.tag == last.tag == f"{{{SVG}}}path" and _style(part) == _style(last):
                last.set("d", f"{last.get('d')}{part.get('d')}")
            else:
                children.append(part)
    node[:] = children


def _style(node: ET.Element) -> dict[str, str]:
    return {name: value for name, value in node.attrib.items() if name != "d"}


def key_of(score: Score) -> tuple[int, int]:
    """The sharps (or minus the flats) of the key in which a piece starts, and 1 in minor.

    Where it states none (``etude.music.stated_key``), it is the key that fits best.
    """
    if states_key(score):
        return score.key_signatures[0].key, score.key_signatures[0].tonality
    durations = [0.0] * 12
    for track in score.tracks:
        if not track.is_drum:
            for played in track.notes:
                durations[played.pitch % 12] += played.duration
    found = best_key(durations)
    return (0, 0) if found is None else (sharps_of(*found), int(found[1] == "minor"))


def spell(pitch: int, sharps: int, minor: bool) -> tuple[str, int]:
    """The name of a MIDI pitch in music21's form (``B-``), with the usual accidental of a key, and its octave.

    The name comes from the twelve fifths that start three below the major tonic (two in minor): in C major sharps on
    F, C, G and flats on B and E, so that leading notes of near keys are spelled as such.
    """
    lowest = sharps - (2 if minor else 3)
    place = (pitch * 7 - lowest) % 12 + lowest  # on the line of fifths, C is 0
    step, accidentals = NAMES[(place + 1) % 7], (place + 1) // 7
    octave = (pitch - accidentals) // 12 - 1  # of the natural: a C flat is in the octave below its sound
    return f"{step}{'#' * accidentals}{'-' * -accidentals}", octave


def tonic_of(sharps: int, minor: int) -> str:
    """The tonic of a key in music21's form: ``tonic_of(-2, 1)`` is ``G``."""
    place = sharps + (3 if minor else 0)
    step, accidentals = NAMES[(place + 1) % 7], (place + 1) // 7
    return f"{step}{'#' * accidentals}{'-' * -accidentals}"
