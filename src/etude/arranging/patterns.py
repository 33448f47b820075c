"""Patterns: what an instrument plays in a bar, one sign a step, as ``X...x...``; and the same in another meter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from etude.core.errors import EtudeError
from etude.music.bars import Bar

HOLD, REST = "-", "."  # the sign before goes on; silence
Pulses = list[str]  # of a bar, each with its steps
QUARTER, DOTTED = Fraction(1), Fraction(3, 2)  # of a pulse, in quarter notes


@dataclass(frozen=True)
class Event:
    """What a sign of a pattern asks for, in ticks: when it starts, and how long until another sign or a rest."""

    start: int
    end: int
    sign: str


def is_compound(beats: int, unit: int) -> bool:
    """Whether the pulse of a meter is three of its units, as in 6/8."""
    return unit >= 8 and beats % 3 == 0


def pulse_of(meter: str) -> tuple[int, Fraction]:
    """How many pulses a bar has, one that is cut short included, and how long each is in quarter notes.

    Raises:
        EtudeError: the text is no meter.
    """
    beats, slash, unit = meter.partition("/")
    if not (slash and beats.isdecimal() and unit.isdecimal() and int(beats) and int(unit) in (1, 2, 4, 8, 16, 32)):
        raise EtudeError(f'"{meter}" is no meter. Write one as 4/4.')
    length = Fraction(4 * int(beats), int(unit))
    pulse = Fraction(12, int(unit)) if is_compound(int(beats), int(unit)) else QUARTER
    return -(-length // pulse), pulse


def pulses(text: str, meter: str, where: str) -> Pulses:
    """The pulses of a pattern; spaces and ``|`` in it only help to read it.

    Where the last pulse of a bar is cut short, as in 7/8, a pattern may have steps for the beats of its meter instead:
    seven eighths. Its last pulse is filled up with a hold, which sounds in longer bars alone.

    Raises:
        EtudeError: it is empty, or its steps cannot be shared evenly by the pulses of the meter, or by its beats.
            ``where`` names it.
    """
    signs = "".join(text.replace("|", "").split())
    count, pulse = pulse_of(meter)
    beats, unit = map(int, meter.split("/"))
    lacking = count * pulse - Fraction(4 * beats, unit)  # of the last pulse, in quarter notes
    if lacking and signs and len(signs) % beats == 0:
        signs += HOLD * int(lacking * len(signs) / (count * pulse - lacking))
    if lacking and (not signs or len(signs) % count):
        raise EtudeError(
            f'{where} = "{text}" has {len(signs)} steps, and a bar of {meter} has {beats} beats. Give each beat '
            f"equally many steps, as {beats} or {2 * beats} in all."
        )
    if not signs or len(signs) % count:
        raise EtudeError(
            f'{where} = "{text}" has {len(signs)} steps, and a bar of {meter} has {count} pulses. Give each pulse '
            f"equally many steps, as {2 * count} or {4 * count} in all."
        )
    size = len(signs) // count
    return [signs[start : start + size] for start in range(0, len(signs), size)]


def source_meter(meters: Sequence[str], bar: Bar) -> str:
    """The meter, of those that a pattern is written in, from which a bar takes its pulses.

    Its own; else one with pulses of the same kind, the longest that fits in; else the first.
    """
    if bar.meter in meters:
        return bar.meter
    count, _ = pulse_of(bar.meter)
    compound = is_compound(bar.beats, bar.unit)
    alike = [meter for meter in meters if is_compound(*map(int, meter.split("/"))) == compound]
    fitting = [meter for meter in alike if pulse_of(meter)[0] <= count]
    if fitting:
        return max(fitting, key=lambda meter: pulse_of(meter)[0])
    return min(alike, key=lambda meter: pulse_of(meter)[0]) if alike else meters[0]


def events(
    written: Mapping[str, Sequence[str]], bar: Bar, number: int, quarter: int, where: str, to_end: bool = False
) -> list[Event]:
    """What a pattern asks for in a bar.

    Args:
        written: meter -> the patterns of successive bars, which are played in turn.
        bar: the bar, in ticks.
        number: of the bar, from 0, which chooses among successive bars.
        quarter: ticks of a quarter note.
        where: the name of the pattern, for messages.
        to_end: of a pattern in a longer meter take the last pulses, not the first, as a fill needs it.

    Raises:
        EtudeError: a pattern does not fit its meter.
    """
    meter = source_meter(list(written), bar)
    texts = written[meter]
    found = pulses(texts[number % len(texts)], meter, where)
    _, own = pulse_of(meter)
    count, pulse = pulse_of(bar.meter)
    if own == QUARTER and pulse != QUARTER:
        found = [_in_three(signs) for signs in found]
    elif own != QUARTER and pulse == QUARTER:
        found = [_in_two(signs) for signs in found]
    made: list[Event] = []
    first = len(found) - count if to_end else 0
    for place in range(count):
        signs = found[(first + place) % len(found)]
        for step, sign in enumerate(signs):
            start, end = (
                bar.start + round((place + Fraction(at, len(signs))) * pulse * quarter) for at in (step, step + 1)
            )
            if start >= bar.end:
                break
            end = min(end, bar.end)
            if sign == HOLD and made and made[-1].end == start:
                made[-1] = Event(made[-1].start, end, made[-1].sign)
            elif sign not in (HOLD, REST):
                made.append(Event(start, end, sign))
    return made


def _in_three(signs: str) -> str:
    """A pulse of two halves as one of three thirds: the second half moves to the last third."""
    if len(signs) == 1 or len(signs) % 3 == 0:
        return signs
    if len(signs) == 2:
        return signs[0] + (REST if signs[0] == REST else HOLD) + signs[1]
    return signs[0] + signs[len(signs) // 4] + signs[len(signs) // 2]


def _in_two(signs: str) -> str:
    """A pulse of three thirds as one of two halves: the last third moves to the second half."""
    if len(signs) == 1:
        return signs
    third = len(signs) // 3
    if len(signs) % 3 or third == 1:
        return signs[0] + signs[-1]
    return signs[0] + signs[1] + signs[3] + signs[4] if third == 2 else signs[0] + signs[2 * third]
