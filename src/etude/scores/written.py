"""Music as a score writes it: parts, bars, notes with ties, and the marks that say in which order bars are played.

The readers of notation (MusicXML, Humdrum, ABC) make a ``Sheet``; ``etude.scores.notation`` makes the piece of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
SIGN = "sign"  # the name of a segno or coda that has none


# Sharps that a mode has more than the major key of its tonic, by the first letters of its name
MODES = {"maj": 0, "ion": 0, "lyd": 1, "mix": -1, "dor": -2, "min": -3, "aeo": -3, "phr": -4, "loc": -5}


# The same with their full names; those that are major or minor are called so
MODE_NAMES = {
    "maj": "major", "ion": "major", "lyd": "lydian", "mix": "mixolydian", "dor": "dorian", "min": "minor",
    "aeo": "minor", "phr": "phrygian", "loc": "locrian",
}  # fmt: skip


def is_minor(mode: str) -> bool:
    """Whether the third of a mode is a minor one."""
    return MODES[mode[:3]] < -1


class Meter(NamedTuple):
    """A time signature. An additive one is summed: 3+2/8 is 5/8."""

    beats: int
    unit: int  # a power of two

    @property
    def length(self) -> Fraction:
        """Of a bar, in quarter notes."""
        return Fraction(4 * self.beats, self.unit)


class Key(NamedTuple):
    """A key at sounding pitch."""

    sharps: int  # or minus the flats, from -7 to 7
    mode: str | None  # one of MODE_NAMES' full names; None: not stated


def reduced(sharps: int) -> int:
    """The sharps, or minus the flats, of the same key within -7 to 7."""
    return sharps if abs(sharps) <= 7 else (sharps + 6) % 12 - 6


class Figure(NamedTuple):
    """A chord symbol: its text (``Am7``, ``Bb``, ``N`` for no chord) and its MIDI pitches (none: no chord)."""

    text: str
    pitches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mark(Generic[T]):
    """Something that holds from a place on: a meter, a key, a tempo, a chord symbol."""

    bar: int  # the place in Sheet.bars
    onset: Fraction  # in quarter notes from the start of the bar
    value: T


@dataclass(slots=True)
class Note:
    """A note that sounds: no rest, no grace note, no cue note. Notes that are tied are separate here."""

    onset: Fraction  # in quarter notes from the start of its bar
    length: Fraction  # in quarter notes, above 0
    pitch: int  # MIDI pitch as it sounds; of drums the key in the General MIDI drum kit
    voice: str = ""  # of its part; two voices may hold one pitch at one time
    tied: bool = False  # a tie starts here
    held: bool = False  # a tie ends here: no new stroke, if the note before is there
    fermata: bool = False
    program: int | None = None  # General MIDI, from 0, where it is not that of the part; -1: drums


@dataclass(slots=True)
class Part:
    """A part of the score: one player, or one voice that has a name."""

    name: str = ""
    program: int = 0  # General MIDI, from 0
    drums: bool = False
    notes: dict[int, list[Note]] = field(default_factory=dict)  # place in Sheet.bars -> notes; a silent bar may lack
    keys: list[Mark[Key]] = field(default_factory=list)  # in order
    symbols: list[Mark[Figure]] = field(default_factory=list)  # in order

    def add(self, bar: int, note: Note) -> None:
        """Add a note to a bar."""
        self.notes.setdefault(bar, []).append(note)


class Jump(NamedTuple):
    """D.C. or D.S."""

    to: str  # "capo" or "segno"
    sign: str = SIGN  # the name of the segno
    until: str = ""  # "fine" or "coda", where it is stated: al Fine, al Coda


@dataclass(slots=True)
class Bar:
    """What stands between two bar lines. A repeat or a jump within a bar makes two of it."""

    length: Fraction  # in quarter notes, as it is filled (a pickup is short), by the longest of the parts
    repeat: bool = False  # it starts with |:
    times: int = 1  # how often it ends, counted over the repeats: 2 or more where it ends with :|
    endings: tuple[int, ...] = ()  # the passes in which this ending (1st, 2nd volta) is played; () outside endings
    after_jump: bool = False  # its :| is taken again after a jump back
    segno: str = ""  # at its start: the name of the sign, SIGN where it has none
    coda: str = ""  # the coda starts with it, likewise
    to_coda: str = ""  # at its end: go to the coda of this name, after a jump back
    fine: bool = False  # at its end: stop, after a jump back
    jump: Jump | None = None  # at its end


@dataclass(slots=True)
class Sheet:
    """A written score."""

    bars: list[Bar] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    meters: list[Mark[Meter]] = field(default_factory=list)  # in order; of the score, as the first part states them
    split: bool = False  # the first bar line stands within a bar: what is before it is no pickup
    upbeat: Fraction = Fraction(0)  # the length of a first bar that is cut in several; 0: it is not
    free: bool = False  # there is no meter: each bar is as long as it is filled
    tempos: list[Mark[float]] = field(default_factory=list)  # quarter notes a minute, in order
    sections: list[range] | None = None  # of bars, in the order played, where the file states it (P: or *>[A,A,B])
    changes: Counter[str] = field(default_factory=Counter)  # what was changed or left out, as "grace_notes" -> how many


def fill(part: Part, filled: Sequence[Fraction], bars: Sequence[Bar]) -> int:
    """Let tied notes at the end of bars that are not full last to the bar line.

    Args:
        part: whose notes.
        filled: how far it fills each bar.
        bars: of the sheet.

    Returns:
        How many notes are lengthened.
    """
    count = 0
    for place, notes in part.notes.items():
        end, full = filled[place], bars[place].length
        for note in notes if end < full else []:
            if note.tied and note.onset + note.length == end:
                note.length = full - note.onset
                count += 1
    return count
