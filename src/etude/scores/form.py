"""The form of a score: in which order its bars are played, with repeats, endings, D.C., D.S., Coda and sections."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etude.core.errors import EtudeError
from etude.scores.written import SIGN, Bar, Sheet

MOST_JUMPS = 100
MOST = 16_000  # bars that are played; a score that asks for more is damaged
TOO_LONG = f"its repeats make more than {MOST} bars of it. Read it with ingest.repeats=written"


@dataclass
class Strain:
    """Bars that are played ``times`` times, each time with the ending of that time. Bars are places in Sheet.bars."""

    body: list[int] = field(default_factory=list)
    endings: list[tuple[tuple[int, ...], list[int]]] = field(default_factory=list)
    times: int = 1

    def turn(self, number: int) -> list[int]:
        """The bars of one time, counted from 1."""
        return self.body + [bar for numbers, bars in self.endings if number in numbers for bar in bars]

    def turns(self) -> list[int]:
        """The bars of all times."""
        return [bar for number in range(1, self.times + 1) for bar in self.turn(number)]


def played(sheet: Sheet) -> list[int]:
    """The places of the bars in the order in which they are played.

    A repeat without a start goes back to the end of the one before, as notation has no repeats within repeats. An
    ending that is no other's is the last. After D.C. or D.S., each of which is taken once, no repeat is played again,
    unless it says so, and the last of the endings is. Each of the sections that a file puts in an order has its own
    repeats.

    Raises:
        EtudeError: more than MOST bars are played.
    """
    order: list[int] = []
    for section in [range(len(sheet.bars))] if sheet.sections is None else sheet.sections:
        strains = _strains(sheet.bars, section)
        if len(order) + sum(strain.times * (len(strain.body) + 1) for strain in strains) > max(
            MOST, 2 * len(sheet.bars)
        ):
            raise EtudeError(TOO_LONG)
        once = [bar for strain in strains for bar in strain.turns()]
        again = []
        for strain in strains:
            turns = strain.turns()
            twice = any(sheet.bars[bar].after_jump for bar in turns)
            again += turns if twice else strain.turn(strain.times)
        order += _jump(sheet.bars, once, again)
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
    jumps = [bar.jump for bar in sheet.bars if bar.jump is not None]
    nowhere = 0 if segno else sum(jump.to == "segno" for jump in jumps)
    return nowhere + (0 if coda or not jumps else sum(bool(bar.to_coda) for bar in sheet.bars))


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
            if strain.times == bars[place - 1].times == 1 in bars[ending[0]].endings:
                more = list(_run(bars, range(place, section.stop), ()))
                closed = more and bars[more[-1]].times > 1 and more[-1] + 1 < section.stop
                if closed and bars[more[-1] + 1].endings and not bars[more[0]].repeat:
                    ending += more  # its bracket is shorter than it
                    place += len(more)
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
    """``order`` up to the last time of the first bar with a jump; from there on ``again``, to Fine or by the Coda.

    What follows the Coda may jump back again. D.S. goes to the sign of its name, else to the last before it.
    """
    found, taken = list[int](), set[int]()
    rest = order
    while (back := next((bar for bar in rest if bars[bar].jump and bar not in taken), None)) is not None and (
        jump := bars[back].jump
    ):
        stop = len(rest) - rest[::-1].index(back)
        found += rest[:stop]
        taken.add(back)
        if len(found) > max(MOST, 2 * len(bars)) or len(taken) > MOST_JUMPS:
            raise EtudeError(TOO_LONG)
        at = again.index(back) if back in again else len(again)
        signs = [place for place, bar in enumerate(again) if bars[bar].segno] if jump.to == "segno" else []
        named = [place for place in signs if bars[again[place]].segno == jump.sign != SIGN]
        before = [place for place in signs if place <= at < len(again)]
        start = named[0] if named else before[-1] if before else signs[0] if signs else 0
        rest = again[start : at + 1] + rest[stop:] if start <= at < len(again) else again[start:]
        fine = next((place for place, bar in enumerate(rest) if bars[bar].fine), None)
        leave, coda = next(_ways_to_coda(bars, rest), (None, None))
        if leave is not None and (fine is None or jump.until == "coda" or (leave < fine and jump.until != "fine")):
            rest = rest[: leave + 1] + rest[coda:]
            fine = next((place for place in range(leave + 1, len(rest)) if bars[rest[place]].fine), None)
            if any(bars[bar].jump and bar not in taken for bar in rest[leave:]):
                continue
        if fine is not None:
            return found + rest[: fine + 1]
    return found + rest


def _ways_to_coda(bars: Sequence[Bar], rest: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The places that go to a coda, with the places of the codas: that of the same name, else the next."""
    codas = [place for place, bar in enumerate(rest) if bars[bar].coda]
    for place, bar in enumerate(rest):
        name = bars[bar].to_coda
        if name and codas and codas[-1] > place:
            after = codas[bisect_right(codas, place) :]
            yield place, next((at for at in after if bars[rest[at]].coda == name != SIGN), after[0])
