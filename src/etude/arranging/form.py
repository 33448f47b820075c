"""Form: the phrases of a tune, as somebody gives them (``AABA``) or as its melody shows them, and their energy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from etude.core.errors import EtudeError
from etude.music.bars import Bar
from etude.music.columns import Columns

LENGTHS = (8, 4)  # bars of a phrase that is looked for, the likelier first
ALIKE = 0.5  # share of common notes with which two phrases have one letter, at least
STEPS = 4  # a quarter note, at which notes are compared
LEVELS = {"A": 0.5, "B": 0.75, "C": 0.85}  # energy of a phrase by its letter
OTHERS = 0.65
FIRST, AGAIN, LAST = -0.1, 0.05, 0.1  # what is added for the first phrase, one that comes again at once, the last
LATER = 0.1  # added for each time that the whole tune has been played before


@dataclass(frozen=True)
class Phrase:
    """A phrase: its first bar and the bar after its last, its letter, and its energy from 0 to 1."""

    start: int
    end: int
    letter: str
    energy: float


def given_form(text: str, bars: int) -> list[tuple[int, int, str]]:
    """Phrases by letters, as ``AABA`` for equal ones, or with their bars, as ``A8A8B8A8``: start, end, letter.

    Raises:
        EtudeError: it is no form, or does not fit the number of bars.
    """
    found = re.findall(r"([A-Z])(\d*)", text.upper())
    if not found or "".join(letter + size for letter, size in found) != "".join(text.upper().split()):
        raise EtudeError(f'form = "{text}" is no form. Write letters, as AABA, or letters with bars, as A8A8B4A8.')
    sizes = [size for _, size in found]
    if not any(sizes):
        if len(found) > bars:
            raise EtudeError(f"form = {text} has {len(found)} phrases, and the tune only {bars} bars. Leave some out.")
        lines = [round(bars * place / len(found)) for place in range(len(found) + 1)]
    else:
        if "0" in {str(int(size)) for size in sizes if size}:
            raise EtudeError(f"form = {text} has a phrase of no bars. Leave it out.")
        if not all(sizes) or sum(map(int, filter(None, sizes))) != bars:
            total = sum(map(int, filter(None, sizes)))
            raise EtudeError(
                f"form = {text} has {total} bars in all, and the tune has {bars}. Give each letter its bars so that "
                "they add up, or letters alone for equal phrases."
            )
        lines = [0]
        for size in sizes:
            lines.append(lines[-1] + int(size))
    return [(lines[place], lines[place + 1], letter) for place, (letter, _) in enumerate(found)]


def found_form(notes: Columns, bars: Sequence[Bar], quarter: int) -> list[tuple[int, int, str]]:
    """The phrases that a melody shows: start, end, letter.

    They are as long as the candidate after whose multiples the melody rests or holds its notes longest, in comparison
    to other bar lines. Phrases that share half of their notes, at the same places of the phrase, have one letter.

    Args:
        notes: the melody.
        bars: of the tune.
        quarter: ticks of a quarter note.
    """
    count = len(bars)
    onsets = np.sort(notes.onset.astype(np.int64))
    gaps = np.zeros(count + 1)  # quarter notes between the last onset before a bar line and the next one
    for number, bar in enumerate(bars[1:], start=1):
        before, after = onsets[onsets < bar.start], onsets[onsets >= bar.start]
        if len(before) and len(after):
            gaps[number] = min(8.0, (after[0] - before[-1]) / quarter)
    best, highest = min(LENGTHS[-1], count), 0.0
    for length in LENGTHS:
        lines = list(range(length, count, length))
        if not lines or count < 2 * length:
            continue
        others = [number for number in range(1, count) if number % length]
        stands = float(gaps[lines].mean()) / (float(gaps[others].mean()) + 1e-6 if others else 1.0)
        if stands > highest * 1.1:  # a shorter phrase must stand out more
            best, highest = length, stands
    lines = [*range(0, count, best), count]
    if len(lines) > 2 and lines[-1] - lines[-2] < best / 2:  # what is left is the end of the last phrase
        del lines[-2]
    spans = [(bars[start], bars[end - 1]) for start, end in pairwise(lines)]
    sets = [_places(notes, first.start, last.end, quarter) for first, last in spans]
    letters: list[str] = []
    for place, own in enumerate(sets):
        alike = next((number for number in range(place) if _share(own, sets[number]) >= ALIKE), None)
        new = chr(ord("A") + min(25, len(set(letters))))
        letters.append(new if alike is None else letters[alike])
    return [(start, end, letter) for start, end, letter in zip(lines, lines[1:], letters, strict=False)]


def _places(notes: Columns, start: int, end: int, quarter: int) -> set[tuple[int, int]]:
    inside = (notes.onset >= start) & (notes.onset < end)
    steps = np.rint((notes.onset[inside].astype(np.int64) - start) * STEPS / quarter).astype(int)
    return set(zip(steps.tolist(), notes.pitch[inside].tolist(), strict=True))


def _share(one: set[tuple[int, int]], other: set[tuple[int, int]]) -> float:
    return len(one & other) / max(len(one), len(other), 1)


def with_energy(phrases: Sequence[tuple[int, int, str]], chorus: int, choruses: int) -> list[Phrase]:
    """Phrases with their energy: more for later letters, for what comes again, for the last phrase of all.

    Args:
        phrases: start, end, letter.
        chorus: which time the tune is played, from 0.
        choruses: how many times in all.
    """
    names = list(dict.fromkeys(letter for _, _, letter in phrases))
    made = []
    for place, (start, end, letter) in enumerate(phrases):
        energy = LEVELS.get("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[names.index(letter)], OTHERS)
        if len(names) == 1:  # nothing contrasts: the tune grows
            energy += 0.25 * place / max(1, len(phrases) - 1)
        energy += FIRST if place == 0 and chorus == 0 else 0.0
        energy += AGAIN if place and phrases[place - 1][2] == letter else 0.0
        energy += LAST if place == len(phrases) - 1 and chorus == choruses - 1 else 0.0
        made.append(Phrase(start, end, letter, round(min(1.0, max(0.0, energy + LATER * chorus)), 3)))
    return made
