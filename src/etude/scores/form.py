"""The form of a score: in which order its bars are played, with repeats, endings, D.C., D.S., Coda and sections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etude.core.errors import EtudeError
from etude.scores.written import Bar, Sheet

MOST = 16_000  # bars that are played; a score that asks for more is damaged


@dataclass
class Strain:
    """Bars that are played ``times`` times, each time with the ending of that time. Bars are places in Sheet.bars."""

    body: list[int] = field(default_factory=list)
    endings: list[tuple[tuple[int, ...], list[int]]] = field(default_factory=list)
    times: int = 1

    def turn(self, number: int) -> list[int]:
        """The bars of one time, counted from 1."""
        return self.body + [bar for numbers, bars in self.endings if number in numbers for bar in bars]


def played(sheet: Sheet) -> list[int]:
    """The places of the bars in the order in which they are played.

    A repeat without a start goes back to the end of the one before. An ending that is no other's is the last. After
    D.C. or D.S., which is taken once, no repeat is played again, and the last of the endings is. Each of the sections
    that a file puts in an order has its own repeats.

    Raises:
        EtudeError: more than MOST bars are played.
    """
    order: list[int] = []
    for section in [range(len(sheet.bars))] if sheet.sections is None else sheet.sections:
        strains = _strains(sheet.bars, section)
        if len(order) + sum(strain.times * (len(strain.body) + 1) for strain in strains) > max(
            MOST, 2 * len(sheet.bars)
        ):
            raise EtudeError(f"its repeats make more than {MOST} bars of it. Read it with ingest.repeats=written")
        once = [bar for strain in strains for number in range(1, strain.times + 1) for bar in strain.turn(number)]
        order += _jump(sheet.bars, once, [bar for strain in strains for bar in strain.turn(strain.times)])
    return order


def repeated(sheet: Sheet) -> int:
    """How many bars the repeats add, at most MOST."""
    try:
        return len(played(sheet)) - len(sheet.bars)
    except EtudeError:
        return MOST


def unresolved(sheet: Sheet) -> int:
    """How many bars end with D.S. or with a sign to the coda, without a segno or a coda in the score."""
    segno, coda = (any(getattr(bar, name) for bar in sheet.bars) for name in ("segno", "coda"))
    jumps = any(bar.jump for bar in sheet.bars)
    return sum((bar.jump == "segno" and not segno) + (bar.to_coda and jumps and not coda) for bar in sheet.bars)


def _strains(bars: Sequence[Bar], section: range) -> list[Strain]:
    strains: list[Strain] = []
    place = section.start
    while place < section.stop:
        strain = Strain(list(_run(bars, range(place, section.stop), ())))
        place += len(strain.body)
        strain.times = bars[place - 1].times if strain.body else 1
        while strain.times == 1 or strain.endings:
            going = place < section.stop and bars[place].endings and not (bars[place].repeat and strain.turn(1))
            if not going:
                break
            ending = list(_run(bars, range(place, section.stop), bars[place].endings))
            place += len(ending)
            strain.endings.append((bars[ending[0]].endings, ending))
            strain.times = max(strain.times, *bars[ending[0]].endings, bars[place - 1].times)
        strains.append(strain)
    return strains


def _run(bars: Sequence[Bar], places: range, endings: tuple[int, ...]) -> Iterator[int]:
    """The places from the first on that have these endings, up to the end or the start of a repeat."""
    for place in places:
        if bars[place].endings != endings or (bars[place].repeat and place > places.start):
            return
        yield place
        if bars[place].times > 1:
            return


def _jump(bars: Sequence[Bar], order: list[int], again: list[int]) -> list[int]:
    """``order`` up to the last time of the first bar with a jump; from there on ``again``, to Fine or by the Coda."""
    back = next((bar for bar in order if bars[bar].jump), None)
    if back is None:
        return order
    stop = len(order) - order[::-1].index(back)
    segno = next((place for place, bar in enumerate(again) if bars[bar].segno), 0)
    rest = again[segno if bars[back].jump == "segno" else 0 :]
    for place, bar in enumerate(rest):
        if bars[bar].fine:
            return order[:stop] + rest[: place + 1]
        coda = next((at for at, later in enumerate(rest) if at > place and bars[later].coda), None)
        if bars[bar].to_coda and coda is not None:
            return order[:stop] + rest[: place + 1] + rest[coda:]
    return order[:stop] + rest
