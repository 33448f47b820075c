"""Meters as the MidiTok representations write them: the same bar lines, in beats that their grid divides finely enough.

MidiTok divides the beat that a meter names: four positions of a half note are eighths, so a meter in half or whole
notes is counted in quarter notes. And it lets a change of meter wait for the next bar line, so a bar that a change cuts
short gets a meter of its own.
"""

from itertools import pairwise

from symusic.core import ScoreTick, TimeSignatureTick, TimeSignatureTickList

QUARTER = 4  # the denominator of the longest beat that is written
FINEST = 16  # the finest denominator of a bar that is cut short, where its own meter has no finer one
MOST = 255  # the largest numerator that a MIDI file can hold

Meter = tuple[int, int]  # numerator and denominator


def in_quarters(meter: Meter) -> Meter:
    """A meter in half or whole notes counted in quarter notes, 2/2 as 4/4; others as they are."""
    above, below = meter
    while below < QUARTER and 2 * above <= MOST:
        above, below = 2 * above, 2 * below
    return above, below


def with_written_meters(score: ScoreTick) -> ScoreTick:
    """The piece with the meters that are written, which share its notes; the piece itself where they are its own.

    A bar that is cut short off the grid of sixteenths keeps its meter, and MidiTok moves the change after it.
    """
    stated = [sign for sign in score.time_signatures if sign.numerator > 0 and sign.denominator > 0]
    signs = sorted(((sign.time, (sign.numerator, sign.denominator)) for sign in stated), key=lambda sign: sign[0])
    if not signs:
        return score
    if signs[0][0] > 0:
        signs.insert(0, (0, (4, 4)))
    found: dict[int, Meter] = {}  # by tick
    for (start, meter), (end, _) in pairwise([*signs, signs[-1]]):
        found[start] = in_quarters(meter)
        if (cut := _cut(end - start, meter, score.ticks_per_quarter)) is not None:
            length, short = cut
            found[end - length] = short
    if list(found.items()) == signs:
        return score
    piece = score.copy(deep=False)
    piece.time_signatures = TimeSignatureTickList([TimeSignatureTick(time, *found[time]) for time in found])
    return piece


def _cut(ticks: int, meter: Meter, quarter: int) -> tuple[int, Meter] | None:
    """Length and meter of what is left after the whole bars in ``ticks``; None of nothing, or off the grid."""
    above, below = meter
    left = ticks * below % (4 * quarter * above)  # in ticks times ``below``
    length, off = divmod(left, below)
    if not length or off:
        return None
    finest = max(FINEST, below)
    while below <= finest:
        beats, off = divmod(length * below, 4 * quarter)
        if not off:
            meter = in_quarters((beats, below))
            return (length, meter) if meter[0] <= MOST else None
        below *= 2
    return None
