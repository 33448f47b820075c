"""Chords as text: one symbol, or a progression written bar by bar, as ``C | Am F | V7 I``."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from etude.core.errors import EtudeError
from etude.music.bars import Bar
from etude.music.chords import Tones, tones_of
from etude.music.key import Mode

DEGREE = "[b#]?(vii|VII|vi|VI|iv|IV|v|V|iii|III|ii|II|i|I)"
ROMAN = re.compile(rf"({DEGREE}|N|Ger|Fr|It)(o|ø|\+)?[0-9b#]*(/{DEGREE})?")
STAYS = (".", "%")  # in place of a chord: the last one continues
NONE = ("-", "N", "NC", "N.C.")  # nothing is given
SIGNS = {"♯": "#", "♭": "b", "Δ7": "maj7", "Δ": "maj7", "ø7": "m7b5", "ø": "m7b5", "°": "dim", "6/9": "6add9"}
# Qualities that music21 refuses or reads with other notes -> semitones above the root
QUALITIES = {
    "maj9": (0, 2, 4, 7, 11), "maj11": (0, 2, 4, 5, 7, 11), "maj13": (0, 2, 4, 7, 9, 11), "mmaj7": (0, 3, 7, 11),
    "mmaj9": (0, 2, 3, 7, 11), "69": (0, 2, 4, 7, 9), "m69": (0, 2, 3, 7, 9), "9sus4": (0, 2, 5, 7, 10),
    "9sus": (0, 2, 5, 7, 10), "13sus4": (0, 2, 5, 7, 9, 10), "13sus": (0, 2, 5, 7, 9, 10),
    "13b9": (0, 1, 4, 7, 9, 10), "13#11": (0, 2, 4, 6, 7, 9, 10),
    "alt": (0, 1, 3, 4, 8, 10), "7alt": (0, 1, 3, 4, 8, 10),
}  # fmt: skip
MAJOR = re.compile(r"(Maj|MAJ|Ma|MA|M|ma)(?=[0-9]|$)")  # ways to write the maj of CM7
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
TONICS = ("C", "D-", "D", "E-", "E", "F", "F#", "G", "A-", "A", "B-", "B")


@dataclass(frozen=True)
class Chord:
    """A chord in time: its symbol, where it starts and ends, its root, its pitch classes, that of its bass."""

    symbol: str
    start: int
    end: int
    root: int
    classes: frozenset[int]
    bass: int

    def transpose(self, semitones: int) -> "Chord":
        """Transpose the chord; its symbol stays as it was given."""
        classes = frozenset((pitch + semitones) % 12 for pitch in self.classes)
        root, bass = (self.root + semitones) % 12, (self.bass + semitones) % 12
        return replace(self, root=root, classes=classes, bass=bass)


def read_chords(text: str, bars: Sequence[Bar], key: tuple[int, Mode]) -> list[Chord]:
    """Read chord symbols, bar by bar: ``"C | Am F | V7 I"``.

    The symbols between two ``|`` share the bar evenly. ``.`` continues the last chord, ``-`` gives none. A Roman
    numeral is read in the key, anything else as a chord symbol (``F#m7``, ``Bb/D``).

    Args:
        text: the chords.
        bars: of the piece; as many as ``bars_in`` counts are read, and the rest has no chords.
        key: the tonic's pitch class and the mode.

    Returns:
        The chords in order, in ticks.

    Raises:
        EtudeError: a symbol is no chord, or the chords continue after the bars.
    """
    written = _split(text)
    if len(written) > len(bars):
        raise EtudeError(
            f"chords has {len(written)} bars, but the melody ends before bar {len(bars) + 1} starts. Leave out bars."
        )
    found: list[Chord] = []
    for symbols, bar in zip(written, bars, strict=False):
        for place, symbol in enumerate(symbols):
            since, until = (bar.start + round(bar.length * part / len(symbols)) for part in (place, place + 1))
            if symbol in NONE:
                continue
            if symbol in STAYS:
                if found and found[-1].end == since:
                    found[-1] = replace(found[-1], end=until)
                continue
            root, classes, bass = chord_named(symbol, key)
            found.append(Chord(symbol, since, until, root, classes, bass))
    return found


def repeated(text: str, count: int) -> str:
    """A progression played again from its start until it has ``count`` bars; a longer one stays as it is."""
    bars = _split(text)
    return " | ".join(" ".join(bars[place % len(bars)]) for place in range(max(count, len(bars))))


def _split(text: str) -> list[list[str]]:
    return [bar.split() for bar in text.strip().removeprefix("|").removesuffix("|").split("|")]


@lru_cache(maxsize=4096)
def chord_named(symbol: str, key: tuple[int, Mode] = (0, "major")) -> tuple[int, frozenset[int], int]:
    """The root of a chord, its pitch classes, and the pitch class of its lowest note.

    Args:
        symbol: as ``Am7``, ``Bb/D`` or, in a key, a Roman numeral.
        key: the tonic's pitch class and the mode.

    Raises:
        EtudeError: the symbol is no chord.
    """
    if ":" in symbol:
        with suppress(EtudeError):
            tones = tones_of(symbol)
            if tones is not None:
                return tones.root, tones.classes, tones.bass
    from music21 import harmony, roman  # its import takes a second
    from music21.key import Key

    chord: Any
    try:
        if ROMAN.fullmatch(symbol):
            chord = roman.RomanNumeral(
                symbol.replace("b", "-") if symbol[0] == "b" else symbol, Key(TONICS[key[0]], key[1])
            )
        else:
            plain = symbol.replace("(", "").replace(")", "")  # C(add9)
            for sign, means in SIGNS.items():
                plain = plain.replace(sign, means)
            plain = re.sub(r"^([A-G][b#]*)-", r"\1m", plain)  # C-7 is C minor seventh
            root = re.fullmatch(r"([A-G])(b+|#+|)(.*?)(/([A-G])(b+|#+|))?", plain)
            if root is None:
                raise ValueError
            if (steps := QUALITIES.get(MAJOR.sub("maj", root[3]).replace("min", "m"))) is not None:
                return _built(_class(root[1], root[2]), steps, _class(root[5], root[6]) if root[4] else None)
            figure = root[1] + root[2].replace("b", "-") + MAJOR.sub("maj", root[3])
            chord = harmony.ChordSymbol(figure + (f"/{root[5]}{root[6].replace('b', '-')}" if root[4] else ""))
        classes = frozenset(pitch.pitchClass for pitch in chord.pitches)
        of_root, bass = chord.root().pitchClass, chord.bass().pitchClass
    except Exception:  # music21 raises many kinds for what it cannot read
        raise EtudeError(
            f'chords: "{symbol}" is no chord. Give symbols such as C, F#m7 or Bb/D, or Roman numerals such as ii6 or '
            "V7, with | between bars."
        ) from None
    if not classes:
        raise EtudeError(f'chords: "{symbol}" has no notes.')
    return of_root, classes, bass


def tones_named(text: str) -> Tones | None:
    """The pitch classes of a chord symbol in Harte's or any other notation; None for what is no chord."""
    with suppress(EtudeError):
        return tones_of(text)
    with suppress(EtudeError):
        return Tones(*chord_named(text))
    return None


def _class(letter: str, accidentals: str) -> int:
    """The pitch class of a letter with its sharps or flats."""
    return (STEPS[letter] + accidentals.count("#") - accidentals.count("b")) % 12


def _built(root: int, steps: Sequence[int], bass: int | None) -> tuple[int, frozenset[int], int]:
    """A chord as ``chord_named`` gives it; a bass of its own is one of its notes."""
    classes = {(root + step) % 12 for step in steps}
    return root, frozenset(classes | ({bass} if bass is not None else set())), root if bass is None else bass
