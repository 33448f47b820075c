"""Chord symbols: in Harte's notation, as block chords, and as markers of a piece."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from symusic.core import ScoreTick as Score
from symusic.core import TextMetaTick as TextMeta

from etude.core.errors import EtudeError
from etude.music.columns import Columns

VOICE = "Chords"  # the voice of the block chords, where the settings name it
MARKER = "chord:"  # the start of a marker's text
VELOCITY = 80
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
DEGREES = (0, 2, 4, 5, 7, 9, 11)  # of the major scale, in semitones
DEGREE_OF = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "#5", "6", "b7", "7")  # of semitones above the root
ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SHORTHANDS = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
    "maj6": (0, 4, 7, 9), "min6": (0, 3, 7, 9), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11), "dim7": (0, 3, 6, 9), "hdim7": (0, 3, 6, 10), "9": (0, 4, 7, 10, 2),
    "maj9": (0, 4, 7, 11, 2), "min9": (0, 3, 7, 10, 2), "5": (0, 7), "1": (0,), "": (0, 4, 7),
}  # fmt: skip
HARTE = re.compile(r"(?P<root>[A-G][b#]*)(:(?P<short>[a-z]*[0-9]*)(\((?P<more>[^)]*)\))?)?(/(?P<bass>[b#]*[0-9]+))?")


@dataclass(frozen=True)
class Tones:
    """What a chord consists of, as pitch classes: root, all of them, bass."""

    root: int
    classes: frozenset[int]
    bass: int

    @property
    def relative(self) -> frozenset[int]:
        """The pitch classes in semitones above the root."""
        return frozenset((pitch - self.root) % 12 for pitch in self.classes)


@dataclass(frozen=True)
class Symbol:
    """A chord symbol: its start in ticks, its text, its pitches (none: no chord)."""

    time: int
    text: str
    pitches: tuple[int, ...]


def voicing(root: int, classes: Iterable[int], bass: int) -> tuple[int, ...]:
    """Voice a block chord in close position: the root between F#3 and F4, below it a bass that is not the root.

    Args:
        root: pitch class.
        classes: pitch classes of the chord.
        bass: pitch class.

    Returns:
        MIDI pitches, ascending.
    """
    low = 54 + (root - 54) % 12
    pitches = {low + (pitch - root) % 12 for pitch in classes} | {low, low - (root - bass) % 12}
    return tuple(sorted(pitches))


def harte(text: str) -> tuple[int, ...]:
    """The block chord of a symbol such as ``F#:maj7/5``; ``N`` and ``X`` (no chord, an unknown one) give none.

    Raises:
        EtudeError: the text is no such symbol.
    """
    tones = tones_of(text)
    return () if tones is None else voicing(tones.root, tones.classes, tones.bass)


def tones_of(text: str) -> Tones | None:
    """The pitch classes of a symbol such as ``F#:maj7/5``; None for ``N`` and ``X`` (no chord, an unknown one).

    Source: Harte, Sandler, Abdallah, Gómez: Symbolic Representation of Musical Chords, ISMIR 2005.

    Raises:
        EtudeError: the text is no such symbol.
    """
    if text in ("N", "X"):
        return None
    found = HARTE.fullmatch(text)
    if found is None or (found["short"] or "") not in SHORTHANDS:
        raise EtudeError(f'"{text}" is no chord symbol')
    root = STEPS[found["root"][0]] + _sharps(found["root"])
    classes = {(root + step) % 12 for step in SHORTHANDS[found["short"] or ""]}
    for degree in re.split(r"[,\s]+", found["more"] or ""):
        if re.fullmatch(r"\*?[b#]*[0-9]+", degree):
            pitch = (root + _degree(degree.lstrip("*"))) % 12
            classes = classes - {pitch} if degree.startswith("*") else classes | {pitch}
    bass = root + (_degree(found["bass"]) if found["bass"] else 0)
    return Tones(root % 12, frozenset(classes), bass % 12)


def _sharps(text: str) -> int:
    return text.count("#") - text[1:].count("b") if text[:1] in STEPS else text.count("#") - text.count("b")


def _degree(text: str) -> int:
    number = int(text.lstrip("b#")) - 1
    return DEGREES[number % 7] + 12 * (number // 7) + _sharps(text)


def mark(score: Score, symbols: Sequence[Symbol]) -> None:
    """Add the symbols, which are in order of time, to the piece's markers."""
    for symbol in symbols:
        score.markers.append(TextMeta(symbol.time, MARKER + symbol.text))


def text_of(tones: Tones | None) -> str:
    """The symbol in Harte's notation of a chord's pitch classes, ``N`` for None: the opposite of ``tones_of``.

    A chord that no shorthand names is written as its degrees, as ``C:1(3,#4)``.
    """
    if tones is None:
        return "N"
    kinds = {frozenset(step % 12 for step in steps): name for name, steps in reversed(SHORTHANDS.items()) if name}
    kind = kinds.get(tones.relative | {0})
    if kind is None:
        kind = f"1({','.join(DEGREE_OF[step] for step in sorted(tones.relative - {0}))})"
    bass = "" if tones.bass == tones.root else f"/{DEGREE_OF[(tones.bass - tones.root) % 12]}"
    return f"{ROOTS[tones.root]}:{kind}{bass}"


def transpose_text(text: str, semitones: int) -> str:
    """A chord symbol of any notation, transposed: its root, and a bass that is a note, as in ``Am7/G``."""

    def move(found: re.Match[str]) -> str:
        sharps = sum({"#": 1, "♯": 1}.get(sign, -1) for sign in found[3])
        return found[1] + ROOTS[(STEPS[found[2]] + sharps + semitones) % 12]

    return re.sub(r"(^|/)([A-G])([b#♭♯]*)", move, text) if semitones else text


def symbols_of(score: Score) -> list[Symbol]:
    """The chord symbols among a piece's markers, in order of time; of several at one time, the last.

    Raises:
        EtudeError: a marker is no chord symbol.
    """
    found: dict[int, Symbol] = {}
    for marker in sorted(score.markers, key=lambda marker: marker.time):
        if marker.text.startswith(MARKER):
            text = marker.text.removeprefix(MARKER)
            found[marker.time] = Symbol(int(marker.time), text, harte(text))
    return list(found.values())


def block_chords(symbols: Sequence[Symbol], end: int) -> Columns:
    """The symbols as notes: each chord lasts until the next symbol, the last until ``end`` (ticks)."""
    stops = [*(symbol.time for symbol in symbols[1:]), max(end, symbols[-1].time)] if symbols else []
    rows = [
        (symbol.time, stop - symbol.time, pitch)
        for symbol, stop in zip(symbols, stops, strict=True)
        for pitch in symbol.pitches
    ]
    notes = np.array(rows, np.int32).reshape(-1, 3)
    velocities = np.full(len(notes), VELOCITY, np.int8)
    onset, length, pitch = (np.ascontiguousarray(notes[:, place]) for place in range(3))
    return Columns(onset, length, pitch.astype(np.int8), velocities)
