"""Pieces that the tests of metrics write, from lists of notes and by hypothesis."""

from collections.abc import Sequence

from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TextMetaTick, TimeSignatureTick, TrackTick

from etude.metrics.notes import Notes, tabulate

Note = tuple[float, float, int]  # start and length in quarter notes, pitch


def piece(
    *voices: Sequence[Note],
    drums: Sequence[Note] | None = None,
    meter: tuple[int, int] | None = (4, 4),
    fermatas: Sequence[float] = (),
    ticks: int = 24,
) -> ScoreTick:
    """Voices of notes, and a track of drums."""
    score = ScoreTick(ticks)
    if meter:
        score.time_signatures.append(TimeSignatureTick(0, *meter))
    for notes in (*voices, *([drums] if drums is not None else [])):
        track = TrackTick("voice", is_drum=notes is drums)
        for start, length, pitch in notes:
            track.notes.append(NoteTick(round(ticks * start), round(ticks * length), pitch, 80))
        score.tracks.append(track)
    for time in fermatas:
        score.markers.append(TextMetaTick(round(ticks * time), "fermata"))
    return score


def line(*pitches: int, start: float = 0, length: float = 1) -> list[Note]:
    """One note after another."""
    return [(start + length * place, length, pitch) for place, pitch in enumerate(pitches)]


def table(*scores: ScoreTick, resolution: int = 12, bars: int = 16) -> Notes:
    """The notes of some pieces on a grid."""
    return tabulate(scores, resolution, bars)


@st.composite
def made(draw: st.DrawFn, most: int = 10, longest: int = 220, lowest: int = 0, highest: int = 127) -> ScoreTick:
    """A piece of up to three tracks and a track of drums at 24, 96 or 480 ticks; unisons, rests and no notes occur."""
    ticks = draw(st.sampled_from([24, 96, 480]))
    note = st.tuples(st.integers(0, longest), st.integers(1, 60), st.integers(lowest, highest))
    score = ScoreTick(ticks)
    if meter := draw(st.sampled_from([None, (4, 4), (3, 4), (6, 8), (5, 8), (2, 2)])):
        score.time_signatures.append(TimeSignatureTick(0, *meter))
    drums = draw(st.booleans())
    for number in range(draw(st.integers(0, 3)) + drums):
        track = TrackTick("", is_drum=drums and number == 0)
        for start, length, pitch in draw(st.lists(note, max_size=most)):
            track.notes.append(NoteTick(start * ticks // 24, length * ticks // 24, pitch, 80))
        score.tracks.append(track)
    return score
