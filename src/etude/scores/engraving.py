"""A piece as a score: MusicXML for notation programs, spelled in its key, and a picture of it."""

import re
from contextlib import suppress
from fractions import Fraction
from typing import Any

from symusic.core import ScoreTick as Score

from etude.core.errors import EtudeError
from etude.music.chords import MARKER
from etude.music.key import best_key, sharps_of
from etude.music.stated_key import states_key

GRID = 24  # steps per quarter note on which notes are placed: sixteenths, triplets and their divisions
NAMES = ("F", "C", "G", "D", "A", "E", "B")  # up the circle of fifths
LOW_CLEF = 55  # mean pitch below which a part is written in the bass clef


def musicxml(score: Score, title: str) -> str:
    """A piece as MusicXML; the same piece and title give the same text.

    Each track is a part, in the clef of its mean pitch. Notes move to the nearest 24th of a quarter note. Pitches are
    spelled by the first key signature, or by the key that fits best. Chord symbols stand over the first part, where
    music21 knows them. Fermatas, drums and velocities are left out.

    Args:
        score: the piece.
        title: of the piece.
    """
    from music21 import clef, instrument, key, metadata, meter, note, stream, tempo  # a second
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    piece = score.resample(GRID, min_dur=1)
    sharps, minor = key_of(piece)
    sheet = stream.Score()
    sheet.metadata = metadata.Metadata(title=_printable(title))
    end = Fraction(max(piece.end(), 1), GRID)
    for place, track in enumerate(track for track in piece.tracks if not track.is_drum):
        part = stream.Part(id=f"P{place + 1}")
        part.partName = _printable(track.name) or f"Part {place + 1}"
        player = instrument.instrumentFromMidiProgram(track.program)
        player.partId, player.instrumentId = f"P{place + 1}", f"I{place + 1}"
        player.partName, player.transposition = part.partName, None  # pitches are sounding ones
        player.partAbbreviation = player.instrumentAbbreviation = part.partName[:1] + "."
        part.insert(0, player)
        pitches = [played.pitch for played in track.notes]
        low = bool(pitches) and sum(pitches) / len(pitches) < LOW_CLEF
        part.insert(0, clef.BassClef() if low else clef.TrebleClef())
        part.insert(0, key.Key(tonic_of(sharps, minor), "minor" if minor else "major"))
        signs = [(sign.time, f"{sign.numerator}/{sign.denominator}") for sign in piece.time_signatures] or [(0, "4/4")]
        for time, sign in signs:
            part.insert(Fraction(time, GRID), meter.TimeSignature(sign))
        if not place:
            for mark in piece.tempos[:1]:
                part.insert(0, tempo.MetronomeMark(number=round(mark.qpm)))
        for symbol in piece.markers if not place else []:
            if symbol.text.startswith(MARKER):
                with suppress(Exception):  # music21 raises what it meets; what it does not know is left out
                    part.insert(Fraction(symbol.time, GRID), _chord(symbol.text.removeprefix(MARKER)))
        for played in sorted(track.notes, key=lambda played: (played.time, played.pitch)):
            name, octave = spell(played.pitch, sharps, bool(minor))
            written = note.Note(name, octave=octave)
            written.quarterLength = Fraction(played.duration, GRID)
            part.insert(Fraction(played.time, GRID), written)
        rest = end - Fraction(part.highestTime)
        if rest > 0:
            part.append(note.Rest(quarterLength=rest))
        sheet.insert(0, part.makeRests(fillGaps=True).makeNotation())
    text = GeneralObjectExporter(sheet).parse().decode()
    return re.sub(r"\s*<(encoding-date|creator)\b.*?</\1>", "", text)  # the time, and music21 as composer


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


def picture(sheet: str) -> str:
    """Engrave MusicXML with Verovio as SVG, on one white page of any height, without its tempo.

    The same text gives the same picture.

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
            "header": "none",
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
    page = str(engraver.renderToSVG(1))
    # without a ground the notes are black on black where a reader's page is dark
    return re.sub(r"(<svg\b[^>]*>)", r'\1<rect width="100%" height="100%" fill="white"/>', page, count=1)


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
