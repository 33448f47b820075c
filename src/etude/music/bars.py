"""The bars of a piece, as its time signatures have them."""

from dataclasses import dataclass

from symusic.core import ScoreTick


@dataclass(frozen=True)
class Bar:
    """A bar: its first tick, the tick after its last, and the meter that it is in. One that is cut short is shorter."""

    start: int
    end: int
    beats: int
    unit: int

    @property
    def length(self) -> int:
        """In ticks."""
        return self.end - self.start

    @property
    def meter(self) -> str:
        """As ``3/4``."""
        return f"{self.beats}/{self.unit}"


def end_of(score: ScoreTick) -> int:
    """The tick at which the last note ends; 0 in a piece without notes."""
    return max((int(note.time + note.duration) for track in score.tracks for note in track.notes), default=0)


def bars_of(score: ScoreTick, count: int = 1) -> list[Bar]:
    """The bars from tick 0 to the one in which the last note ends, or to the bar ``count`` if that is later.

    The piece is in 4/4 until it states a meter. A meter that changes within a bar starts a new one.
    """
    signs = sorted((int(sign.time), sign.numerator, sign.denominator) for sign in score.time_signatures)
    end, quarter = end_of(score), score.ticks_per_quarter
    beats, unit, place, start = 4, 4, 0, 0
    bars: list[Bar] = []
    while start < end or len(bars) < count:
        while place < len(signs) and signs[place][0] <= start:
            beats, unit = signs[place][1], max(1, signs[place][2])
            place += 1
        stop = start + max(1, 4 * quarter * beats // unit)
        change = signs[place][0] if place < len(signs) else stop
        if change < stop and (change < end or len(bars) + 1 < count):
            stop = change
        bars.append(Bar(start, stop, beats, unit))
        start = stop
    return bars


def bar_lines(score: ScoreTick) -> list[int]:
    """The ticks at which bars start, and the end of the last bar, so that n bars have n + 1 lines; see ``bars_of``."""
    bars = bars_of(score)
    return [*(bar.start for bar in bars), bars[-1].end]
