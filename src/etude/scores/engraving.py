"""A piece as a score: MusicXML for notation programs, its voices spelled in their key, and a picture of it."""

import re
from fractions import Fraction

from symusic.core import ScoreTick as Score

from etude.core.errors import EtudeError
from etude.music.key import best_key, sharps_of

GRID = 24  # steps of a quarter to which notes are moved: sixteenths, triplets and what they are made of
NAMES = ("F", "C", "G", "D", "A", "E", "B")  # up the circle of fifths
LOW_CLEF = 55  # mean pitch below which a part is written in the bass clef


def musicxml(score: Score, title: str) -> str:
    """A piece as MusicXML; the same piece and title give the same text.

    A part a track, in the clef of its mean pitch. Notes are moved to the next twenty-fourth of a quarter. Pitches are
    spelled by the first key signature, or by the key that fits best. Fermatas, drums and velocities are left out.

    Args:
        score: the piece.
        title: of the piece.
    """
    from music21 import clef, instrument, key, metadata, meter, note, stream, tempo  # a second
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    piece = score.resample(GRID, min_dur=1)
    sharps, minor = key_of(piece)
    whole = stream.Score()
    whole.metadata = metadata.Metadata(title=title)
    end = Fraction(max(piece.end(), 1), GRID)
    for place, track in enumerate(track for track in piece.tracks if not track.is_drum):
        part = stream.Part(id=f"P{place + 1}")
        part.partName = track.name or f"Part {place + 1}"
        player = instrument.instrumentFromMidiProgram(track.program)
        player.partId, player.instrumentId = f"P{place + 1}", f"I{place + 1}"
        player.partName, player.transposition = part.partName, None  # pitches are those that sound
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
        for played in sorted(track.notes, key=lambda played: (played.time, played.pitch)):
            name, octave = spelled(played.pitch, sharps, bool(minor))
            written = note.Note(name, octave=octave)
            written.quarterLength = Fraction(played.duration, GRID)
            part.insert(Fraction(played.time, GRID), written)
        rest = end - Fraction(part.highestTime)
        if rest > 0:
            part.append(note.Rest(quarterLength=rest))
        whole.insert(0, part.makeRests(fillGaps=True).makeNotation())
    text = GeneralObjectExporter(whole).parse().decode()
    return re.sub(r"\s*<(encoding-date|creator)\b.*?</\1>", "", text)  # a clock, and music21 as composer


def picture(sheet: str) -> str:
    """The score of some MusicXML as SVG, engraved by Verovio, on one page as high as it takes; without its tempo.

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
        raise EtudeError("the score cannot be engraved: Verovio does not read its MusicXML")
    return str(engraver.renderToSVG(1))


def key_of(score: Score) -> tuple[int, int]:
    """The sharps (less the flats) of the key in which a piece begins, and 1 in minor.

    Where it states none, or C major alone, which many MIDI files say of any music, the key that fits best.
    """
    stated = [(sign.key, sign.tonality) for sign in score.key_signatures]
    if any(sign != (0, 0) for sign in stated):
        return stated[0]
    durations = [0.0] * 12
    for track in score.tracks:
        if not track.is_drum:
            for played in track.notes:
                durations[played.pitch % 12] += played.duration
    found = best_key(durations)
    return (0, 0) if found is None else (sharps_of(*found), int(found[1] == "minor"))


def spelled(pitch: int, sharps: int, minor: bool) -> tuple[str, int]:
    """The name of a MIDI pitch as music21 has it (``B-``), with the accidental that is usual in a key, and its octave.

    Of the twelve fifths that begin three below the major tonic (two in minor) the one that it is: in C major sharps on
    F, C, G and flats on B and E, so that leading notes of the near keys are spelled as such.
    """
    lowest = sharps - (2 if minor else 3)
    place = (pitch * 7 - lowest) % 12 + lowest  # on the line of fifths, C is 0
    step, accidentals = NAMES[(place + 1) % 7], (place + 1) // 7
    octave = (pitch - accidentals) // 12 - 1  # of the natural, so that a C flat is in the octave below its sound
    return f"{step}{'#' * accidentals}{'-' * -accidentals}", octave


def tonic_of(sharps: int, minor: int) -> str:
    """The tonic of a key as music21 names it: ``tonic_of(-2, 1)`` is ``G``."""
    place = sharps + (3 if minor else 0)
    step, accidentals = NAMES[(place + 1) % 7], (place + 1) // 7
    return f"{step}{'#' * accidentals}{'-' * -accidentals}"
