"""Constraints on drawn voices, as the tokens that each cell of the grid may have."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.core.errors import EtudeError
from etude.music.key import Mode
from etude.representations.base.grid import FIRST, HOLD

DEGREE = "[b#]?(vii|VII|vi|VI|iv|IV|v|V|iii|III|ii|II|i|I)"
ROMAN = re.compile(rf"({DEGREE}|N|Ger|Fr|It)(o|ø|\+)?[0-9b#]*(/{DEGREE})?")
STAYS, NONE = ".", "-"  # in place of a chord: the last one continues; nothing is given


def keep_given(grid: NDArray[np.integer], given: NDArray[np.bool_], observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The tokens that each cell may have where some cells are given: (frames, voices, V).

    Other cells may have whatever their voice has in train, but hold no given note beyond its end.

    Args:
        grid: tokens (frames, voices).
        given: which of them are given (frames, voices).
        observed: what each voice has in train (voices, V).
    """
    allowed = np.tile(observed, (len(grid), 1, 1))
    allowed[given] = False
    frame, voice = np.nonzero(given)
    allowed[frame, voice, grid[frame, voice]] = True
    ended = np.zeros_like(given)
    ended[:1] = ~given[:1]  # nothing is held before the start
    ended[1:] = given[:-1] & ~given[1:]
    allowed[ended, HOLD] = False
    return allowed


def enter_together(
    allowed: NDArray[np.bool_], grid: NDArray[np.integer], given: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Let the voices that are drawn sound from the first note of the first voice on, which is given.

    Without this a melody that is faster than those of train, or off the beat, may keep them silent to its end.

    Args:
        allowed: the tokens that each cell may have (frames, voices, V).
        grid: tokens (frames, voices).
        given: which of them are given (frames, voices).
    """
    entry = int(np.argmax(grid[:, 0] >= FIRST))
    changed = allowed.copy()
    changed[entry, ~given[entry], :FIRST] = False
    return changed


@dataclass(frozen=True)
class Chord:
    """A given chord: its symbol, its first frame and the frame after its last, its pitch classes, that of its bass."""

    symbol: str
    start: int
    end: int
    classes: frozenset[int]
    bass: int

    def transpose(self, semitones: int) -> "Chord":
        """Transpose the chord; its symbol stays as it was given."""
        classes = frozenset((pitch + semitones) % 12 for pitch in self.classes)
        return replace(self, classes=classes, bass=(self.bass + semitones) % 12)


def keep_to_chords(
    allowed: NDArray[np.bool_], given: NDArray[np.bool_], chords: Sequence[Chord], low: int
) -> NDArray[np.bool_]:
    """``allowed``, with the voices below the first on notes of the chords alone.

    Where a chord starts all of them start a note, the lowest voice on the chord's bass. Given cells stay as they are.

    Args:
        allowed: (frames, voices, V).
        given: cells that are given (frames, voices).
        chords: in any order, no two at a time.
        low: pitch of the token FIRST.
    """
    allowed = allowed.copy()
    classes = (np.arange(allowed.shape[2]) - FIRST + low) % 12
    pitches = np.arange(allowed.shape[2]) >= FIRST
    lowest = allowed.shape[1] - 1
    for chord in chords:
        fits = pitches & np.isin(classes, list(chord.classes))
        for frame in range(chord.start, min(chord.end, len(allowed))):
            for voice in range(1, allowed.shape[1]):
                if given[frame, voice]:
                    continue
                fine = allowed[frame, voice] & (fits | ~pitches)
                if frame == chord.start:
                    fine &= pitches & ((classes == chord.bass) if voice == lowest else fits)
                if not fine.any():
                    raise EtudeError(f"chords: no note of {chord.symbol} is in the range of the voice {voice + 1}.")
                allowed[frame, voice] = fine
    return allowed


def read_chords(text: str, source: ScoreTick, key: tuple[int, Mode], steps: int) -> list[Chord]:
    """Read chord symbols, bar by bar: ``"C | Am F | V7 I"``.

    The symbols between two ``|`` share the bar evenly. ``.`` continues the last chord, ``-`` gives none. A Roman
    numeral is read in the key, anything else as a chord symbol (``F#m7``, ``Bb/D``).

    Args:
        text: the chords.
        source: the piece whose bars count, from its start; 4/4 where it states no meter.
        key: the tonic's pitch class and the mode.
        steps: frames a quarter note.

    Raises:
        EtudeError: a symbol is no chord, or the chords continue after the piece.
    """
    bars = text.strip().removeprefix("|").removesuffix("|").split("|")
    starts = bar_lines(source, len(bars), steps)
    if starts[-2] >= source.end() * steps / source.ticks_per_quarter:
        raise EtudeError(
            f"chords has {len(bars)} bars, but the melody ends before bar {len(bars)} starts. Leave out bars."
        )
    found: list[Chord] = []
    for bar, start, end in zip(bars, starts, starts[1:], strict=False):
        symbols = bar.split()
        for place, symbol in enumerate(symbols):
            since, until = (round(start + (end - start) * part / len(symbols)) for part in (place, place + 1))
            if symbol == NONE:
                continue
            if symbol == STAYS:
                if found and found[-1].end == since:
                    found[-1] = replace(found[-1], end=until)
                continue
            classes, bass = _classes(symbol, key)
            found.append(Chord(symbol, since, until, classes, bass))
    return found


def bar_lines(source: ScoreTick, bars: int, steps: int) -> list[int]:
    """The frames at which the first ``bars`` of a piece start, and the end of the last of them: (bars + 1)."""
    signs = sorted((sign.time, sign.numerator * 4 / sign.denominator) for sign in source.time_signatures)
    quarter = source.ticks_per_quarter
    lines, at = [0.0], 0.0
    while len(lines) <= bars:
        length = next((length for time, length in reversed(signs) if time <= at * quarter), 4.0)
        until = next(
            (time / quarter for time, _ in signs if at * quarter < time < (at + length) * quarter), at + length
        )
        lines.append(until)
        at = until
    return [round(line * steps) for line in lines]


def _classes(symbol: str, key: tuple[int, Mode]) -> tuple[frozenset[int], int]:
    """Pitch classes of a chord, and that of its lowest note."""
    from music21 import harmony, roman  # its import takes a second
    from music21.key import Key

    chord: Any
    try:
        if ROMAN.fullmatch(symbol):
            tonic = ("C", "D-", "D", "E-", "E", "F", "F#", "G", "A-", "A", "B-", "B")[key[0]]
            chord = roman.RomanNumeral(symbol.replace("b", "-") if symbol[0] == "b" else symbol, Key(tonic, key[1]))
        else:
            plain = symbol.replace("(", "").replace(")", "")  # C(add9)
            root = re.fullmatch(r"([A-G])(b*|#*)(.*?)(/([A-G])(b*|#*))?", plain)
            if root is None:
                raise ValueError
            figure = root[1] + root[2].replace("b", "-") + root[3]
            chord = harmony.ChordSymbol(figure + (f"/{root[5]}{root[6].replace('b', '-')}" if root[4] else ""))
        classes, bass = frozenset(pitch.pitchClass for pitch in chord.pitches), chord.bass().pitchClass
    except Exception:  # music21 raises many kinds for what it cannot read
        raise EtudeError(
            f'chords: "{symbol}" is no chord. Give symbols such as C, F#m7 or Bb/D, or Roman numerals such as ii6 or '
            "V7, with | between bars."
        ) from None
    if not classes:
        raise EtudeError(f'chords: "{symbol}" has no notes.')
    return classes, bass
