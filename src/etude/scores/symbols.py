"""Chord symbols of scores, from text (``Am7``) or from MusicXML's ``harmony``; music21 knows the chords."""

import re
from functools import lru_cache
from typing import Any

from etude.music.chords import voicing
from etude.scores.written import Figure

# quoted text that is a chord, not a fingering, a dynamic or "D.C."
CHORD = re.compile(
    r"\(?[A-G][#b]?(m|min|-|M|maj|dim|aug|\+|o|sus|add)*(2|4|5|6|7|9|11|13)*((sus|maj|add|b|#)[0-9]+)*(/[A-G][#b]?)?\)?"
)
NONE = ("NC", "N.C.", "No Chord")
Degree = tuple[str, int, int]  # "add", "alter" or "subtract", the degree, semitones


@lru_cache(maxsize=4096)
def figure_of(text: str) -> Figure | None:
    """The chord that a text names; ``None`` where it names none."""
    text = text.strip()
    if text in NONE:
        return Figure("N", ())
    if not CHORD.fullmatch(text):
        return None
    from music21 import common, harmony  # a second; only scores with chord symbols take it

    try:
        return _figure(harmony.ChordSymbol(common.cleanedFlatNotation(text.strip("()"))))
    except Exception:  # music21 raises what it meets; the text is not a chord then
        return None


@lru_cache(maxsize=4096)
def chord_of(kind: str, text: str, root: str, bass: str, degrees: tuple[Degree, ...], shift: int = 0) -> Figure | None:
    """The chord of MusicXML's ``harmony``; ``None`` where it states no root.

    Args:
        kind: as ``minor-seventh``; ``none`` for no chord.
        text: how the score writes the kind, or "".
        root: as ``B-``, in music21's spelling.
        bass: likewise, or "" for the root.
        degrees: that are added, altered or left out.
        shift: semitones from the written to the sounding chord.
    """
    if kind == "none":
        return Figure("N", ())
    if not root:
        return None
    from music21 import harmony
    from music21.pitch import Pitch

    kind = harmony.CHORD_ALIASES.get(kind, kind)
    try:
        chord = harmony.ChordSymbol(root=Pitch(root), bass=Pitch(bass) if bass else None, kind=kind, kindStr=text)
        for change, degree, interval in degrees:
            step = harmony.ChordStepModification(change, degree)
            step.interval = interval
            chord.addChordStepModification(step)
        return _figure(chord.transpose(shift) if shift else chord)
    except Exception:  # as above
        return Figure(root.replace("-", "b") + text, ())


def _figure(chord: Any) -> Figure:
    if not chord.pitches:
        return Figure("N", ())
    classes = [pitch.pitchClass for pitch in chord.pitches]
    pitches = voicing(chord.root().pitchClass, classes, chord.bass().pitchClass)
    return Figure(str(chord.figure).replace("-", "b"), pitches)
