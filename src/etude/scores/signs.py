"""Signs after the start of a measure: where they hold, and the bars that those within a measure make of it."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import NamedTuple

from etude.core.errors import EtudeError
from etude.scores.written import Bar, Jump, Mark, Sheet

AT_END = Fraction(10**6)  # an onset beyond any measure
MOST_CUTS = 1000
CLOSING = ("fine", "jump", "times", "after_jump")  # signs that hold at the end of their bar


class Sign(NamedTuple):
    """A sign after the start of a measure: an attribute of ``Bar`` and its value."""

    bar: int
    onset: Fraction
    name: str
    value: bool | int | str | Jump


def place_signs(sheet: Sheet, signs: Sequence[Sign], full: Collection[int]) -> None:
    """Let signs after the start of a measure hold.

    A segno, a coda or a repeat within a measure makes two bars of it. A Fine or a jump holds at the end of its measure,
    for many programs write them before the last note, unless the measure is full and the rest of it as long as the
    pickup of the piece. Of several signs of a coda, where nothing else leads to it, the first is where it is left for.

    Args:
        sheet: the score, whose bars have their lengths.
        signs: of all parts.
        full: the places of the bars that are as long as their meter.

    Raises:
        EtudeError: more than MOST_CUTS stand within measures.
    """
    pickup = None if not sheet.bars or 0 in full else sheet.bars[0].length
    codas = {(place, Fraction(0)) for place, bar in enumerate(sheet.bars) if bar.coda}
    codas |= {(sign.bar, sign.onset) for sign in signs if sign.name == "coda"}
    within = {"segno", "repeat", "times", "after_jump"}
    if len(codas) == 1 or any(bar.to_coda for bar in sheet.bars):
        within.add("coda")
    cuts = []
    for sign in signs:
        bar = sheet.bars[sign.bar]
        rest = bar.length - sign.onset
        if rest > 0 and (sign.name in within or (sign.name in CLOSING and sign.bar in full and rest == pickup)):
            cuts.append(sign)
        elif sign.name in CLOSING:
            setattr(bar, sign.name, sign.value)
        elif sign.bar + 1 < len(sheet.bars):
            setattr(sheet.bars[sign.bar + 1], sign.name, sign.value)
    if len(cuts) > MOST_CUTS:
        raise EtudeError(f"it has more than {MOST_CUTS} repeats and signs within measures")
    if cuts:
        _cut(sheet, cuts)


def _cut(sheet: Sheet, signs: Sequence[Sign]) -> None:
    """Make several bars of those with signs within them."""
    starts: dict[int, list[Fraction]] = {}
    for place, onset in sorted({(sign.bar, sign.onset) for sign in signs}):
        starts.setdefault(place, [Fraction(0)]).append(onset)
    if 0 in starts:
        sheet.upbeat = sheet.bars[0].length
    first = [0, *accumulate(len(starts.get(place, (0,))) for place in range(len(sheet.bars)))]

    def at(place: int, onset: Fraction) -> tuple[int, Fraction]:
        own = starts.get(place, [Fraction(0)])
        piece = bisect_right(own, onset) - 1
        return first[place] + piece, onset - own[piece]

    bars: list[Bar] = []
    for place, bar in enumerate(sheet.bars):
        bounds = list(pairwise([*starts.get(place, [Fraction(0)]), bar.length]))
        bars += [Bar(end - start, endings=bar.endings) for start, end in bounds]
        opening, closing = bars[first[place]], bars[-1]
        opening.repeat, opening.segno, opening.coda = bar.repeat, bar.segno, bar.coda
        closing.times, closing.after_jump = bar.times, bar.after_jump
        closing.to_coda, closing.fine, closing.jump = bar.to_coda, bar.fine, bar.jump
    for sign in signs:
        after, _ = at(sign.bar, sign.onset)
        setattr(bars[after - 1 if sign.name in CLOSING else after], sign.name, sign.value)
    sheet.bars = bars
    for part in sheet.parts:
        held, part.notes = part.notes, {}
        for place, notes in held.items():
            for note in notes:
                own, stop = starts.get(place, []), note.onset + note.length
                within = own[bisect_right(own, note.onset) : bisect_left(own, stop)]
                for start, end in pairwise([note.onset, *within, stop]):
                    bar_now, onset = at(place, start)
                    tied, held_on = note.tied or end < stop, note.held or start > note.onset
                    fermata = note.fermata and start == note.onset
                    part.add(
                        bar_now,
                        replace(note, onset=onset, length=end - start, tied=tied, held=held_on, fermata=fermata),
                    )
        part.keys = [Mark(*at(mark.bar, mark.onset), mark.value) for mark in part.keys]
        part.symbols = [Mark(*at(mark.bar, mark.onset), mark.value) for mark in part.symbols]
    sheet.meters = [Mark(*at(mark.bar, mark.onset), mark.value) for mark in sheet.meters]
    sheet.tempos = [Mark(*at(mark.bar, mark.onset), mark.value) for mark in sheet.tempos]
