"""What the fields of ABC say: meters, unit lengths, tempos, keys, orders of sections; and the spelling of notes."""

import re
from fractions import Fraction
from functools import lru_cache

from etude.core.errors import EtudeError
from etude.scores.reading import SHARPS
from etude.scores.written import MODE_NAMES, MODES, Meter, reduced

TICKS = 40320  # a quarter note; halves down to 1/128, thirds, fifths, sevenths and ninths of it are whole numbers
Time = int | Fraction  # in ticks
MOST_SECTIONS = 1_000
FASTEST = 10_000  # quarter notes a minute

LENGTH = r"\d*+/*+\d*+"
ACCIDENTAL = r"[\^_=]{1,3}(?:\d{1,3}(?:/\d{0,3})?|/\d{0,3})?"  # ^ ^^ = _ __, ^/ and ^3/2 are microtones
PITCH = rf"({ACCIDENTAL})?([A-Ga-g])([,']*)"
NOTE = re.compile(PITCH)

LETTERS = "CDEFGAB"
STEPS = {letter: place for place, letter in enumerate(LETTERS)} | {
    letter.lower(): place + 7 for place, letter in enumerate(LETTERS)
}  # diatonic steps from middle C
SEMITONES = (0, 2, 4, 5, 7, 9, 11)
TONIC = re.compile(
    rf"([A-G])([#b♯♭]?)\s*((?i:{'|'.join(MODES)})[A-Za-z]*|[mM](?![A-Za-z=]))?"
    rf"|([a-g])([#b♯♭]?)\s*((?i:{'|'.join(MODES)})[A-Za-z]*|[mM](?![A-Za-z=]))?(?![A-Za-z=])"
)
METER = re.compile(r"\(?(\d{1,3}(?:\s*\+\s*\d{1,3})*)\)?\s*/\s*(\d{1,3})")
TEMPO = re.compile(
    r"(\d{1,3}\s*/\s*\d{1,3}(?:\s+\d{1,3}\s*/\s*\d{1,3})*)\s*=\D{0,8}?(\d{1,5}(?:\.\d{1,5})?)(?![\d.]*\s*/)"
)
OLD_TEMPO = re.compile(r"(?:C\s*(\d{0,2})\s*=\s*)?(\d{1,5}(?:\.\d{1,5})?)(?:\s|$)")
ROOT = re.compile(r"(^\(?|/)([A-G])([#b]?)")
ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def times(value: Time, numerator: int, denominator: int) -> Time:
    """A share of a time, as a whole number where it is one."""
    whole, rest = divmod(value * numerator, denominator)
    return whole + Fraction(rest, denominator) if rest else int(whole)


@lru_cache(maxsize=4096)
def ratio(text: str) -> tuple[int, int]:
    """A length such as ``3/2``, ``/``, ``//`` or ``/4``."""
    number, slashes, denominator = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    if len(number) > 6 or len(denominator) > 3 or len(slashes) > 8 or (denominator and not int(denominator)):
        raise EtudeError(f"a note is {text[:20]} units long. That is no length")
    below = 2 ** (len(slashes) - 1) * int(denominator) if denominator else 2 ** len(slashes)
    return int(number or 1), below


@lru_cache(maxsize=256)
def accidental(text: str) -> int:
    """The semitones of an accidental; those of a microtone are rounded."""
    sign = text.count("^", 0, 3) - text.count("_", 0, 3)
    number, slash, denominator = text.lstrip("^_=").partition("/")
    if not number and not slash:
        return sign
    below = int(denominator or 2) if slash else 1
    return int((Fraction(sign * int(number or 1), below or 1) + Fraction(1, 2)) // 1)


def alterations(sharps: int) -> tuple[int, ...]:
    """The semitones by which a signature changes C, D, ... B."""
    return tuple((sharps - SHARPS.index(letter) + 6) // 7 for letter in LETTERS)


def key_of(letter: str, sign: str, mode: str) -> tuple[int, str | None]:
    """The sharps of a key, and its mode."""
    kind = "min" if mode in ("m", "M") else mode[:3].lower() or "maj"
    sharps = SHARPS.index(letter) - 1 + MODES[kind] + {"#": 7, "♯": 7, "b": -7, "♭": -7}.get(sign, 0)
    return reduced(sharps), MODE_NAMES[kind]


def step_of(letter: str, marks: str) -> int:
    """Diatonic steps from middle C of a note such as ``c'``."""
    return STEPS[letter] + 7 * (marks.count("'") - marks.count(",")) if marks else STEPS[letter]


def pitch_of(step: int) -> int:
    """The MIDI pitch of a diatonic step from middle C."""
    return 60 + 12 * (step // 7) + SEMITONES[step % 7]


def spelling(step: int) -> str:
    """How a diatonic step from middle C is written."""
    octave, place = divmod(step, 7)
    return LETTERS[place] + "," * -octave if octave < 1 else LETTERS[place].lower() + "'" * (octave - 1)


def moved_root(letter: str, sign: str, semitones: int) -> str:
    """The root of a chord symbol, transposed."""
    return ROOTS[(SEMITONES[STEPS[letter]] + {"#": 1, "b": -1}.get(sign, 0) + semitones) % 12]


def meter_of(text: str) -> Meter | None:
    """A meter; ``None`` where there is none: ``M:none``, or words. Sums are added up."""
    text = text[:100].strip()
    if text in ("C", "C|", "c", "c|"):
        return Meter(4, 4) if len(text) == 1 else Meter(2, 2)
    beats, unit = 0, 1
    for place, found in enumerate(METER.finditer(text)):
        if place and "+" not in text:
            break  # two meters in turn: the bars have what they have
        upper, lower = sum(map(int, found[1].split("+"))), int(found[2])
        if not upper or lower not in (1, 2, 4, 8, 16, 32, 64):
            return None
        scale = max(unit, lower)
        beats, unit = beats * (scale // unit) + upper * (scale // lower), scale
    return Meter(beats, unit) if 0 < beats < 256 else None


def unit_of(text: str) -> Time | None:
    """A unit note length such as ``1/8``; ``None`` where the text is none."""
    found = re.match(r"(\d{1,3})?\s*(?:/\s*(\d{1,3}))?(?!\d)", text)
    if found is None or not found[0]:
        return None
    number, denominator = int(found[1] or 1), int(found[2] or 1)
    return times(4 * TICKS, number, denominator) if number and denominator else None


def tempo_of(text: str, unit: Time) -> float | None:
    """Quarter notes a minute; ``None`` where the field has words only."""
    text = re.sub('"[^"]*"', " ", text[:200]).strip()
    found = TEMPO.search(text)
    if found:
        beats = re.findall(r"(\d+)\s*/\s*(\d+)", found[1])
        if len(beats) > 8 or any(not int(below) for _, below in beats):
            return None
        length, number = 4 * sum(Fraction(int(above), int(below)) for above, below in beats), float(found[2])
    else:
        found = OLD_TEMPO.match(text)  # so many unit notes a minute
        if not found:
            return None
        length, number = Fraction(unit) / TICKS * int(found[1] or 1), float(found[2])
    pace = float(length) * number
    return pace if 1 <= pace <= FASTEST else None


def numbers_of(text: str) -> tuple[int, ...]:
    """The numbers of an ending: ``1,3`` or ``1-3``."""
    found: set[int] = set()
    for first, last in re.findall(r"(?<!\d)(\d{1,2})(?:-(\d{1,2}))?(?!\d)", text):
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found - {0}))


def order_of(text: str) -> str:
    """The sections of ``A2(BC)2.D``, one letter each: AABCBCD."""
    levels: list[list[str]] = [[]]
    absurd = len(text) > MOST_SECTIONS
    for item in re.findall(r"[A-Za-z]|\d{1,3}|[()]", text[:MOST_SECTIONS]):
        if item == "(":
            levels.append([])
        elif item == ")" and len(levels) > 1:
            group = "".join(levels.pop())
            levels[-1].append(group)
        elif item.isdecimal() and levels[-1]:
            absurd = absurd or len(levels[-1][-1]) * int(item) > MOST_SECTIONS
            levels[-1][-1] *= 1 if absurd else int(item)
        elif item.isalpha():
            levels[-1].append(item)
    found = "".join(map("".join, levels))
    if absurd or len(found) > MOST_SECTIONS:
        raise EtudeError(f"P:{text[:40]} asks for more than {MOST_SECTIONS} sections")
    return found
