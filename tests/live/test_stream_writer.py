"""Bars of a model of tokens: whole bars under its rules, from any past, also one that somebody has played."""

from typing import Any

import pytest

from etude.live.bars import TICKS, Bar, Note
from etude.live.controls import Controls
from etude.live.stream_writer import StreamWriter
from etude.live.writers import outside, rng_of


def bars_of(
    writer: StreamWriter, count: int, controls: Controls | None = None, past: tuple[Bar, ...] = ()
) -> list[Bar]:
    bars = list(past)
    for number in range(len(past), len(past) + count):
        bars.append(writer.write(bars, controls or Controls(), rng_of(5, number)))
    return bars[len(past) :]


def test_bars_are_whole_and_the_same_again(lstm: Any) -> None:
    first = bars_of(StreamWriter(lstm, 1), 3)
    assert bars_of(StreamWriter(lstm, 1), 3) == first and sum(len(bar.notes) for bar in first) >= 4
    for bar in first:
        assert bar.tokens is not None and bar.length in (4 * TICKS, 3 * TICKS, 6 * TICKS // 2, 2 * TICKS, 5 * TICKS)
        assert all(0 <= note.onset < bar.length and note.length > 0 for note in bar.notes)
        assert bar.notes == tuple(sorted(bar.notes))


def test_a_bar_may_be_written_again_from_the_same_past(lstm: Any) -> None:
    writer = StreamWriter(lstm, 1)
    bars = bars_of(writer, 3)
    writer.write(bars, Controls(temperature=2.0), rng_of(9, 9))
    writer.write([], Controls(), rng_of(5, 0))
    assert writer.write(bars[:2], Controls(), rng_of(5, 2)) == bars[2]


def test_a_scale_is_kept_more_often(lstm: Any) -> None:
    import numpy as np

    writer = StreamWriter(lstm, 1)
    wrong = 0
    for seed in range(3):
        bar = writer.write([], Controls(scale="Db major"), rng_of(seed, 0))
        tilt = outside(np.array([note.pitch for note in bar.notes] or [-1]), "Db major")
        wrong += int((tilt < 0).sum())
    assert wrong <= 3


@pytest.mark.parametrize("pitch", [0, 60, 127])
def test_it_goes_on_from_what_somebody_played(lstm: Any, pitch: int) -> None:
    writer = StreamWriter(lstm, 1)
    played = Bar((Note(0, 24, pitch, 90, 0), Note(48, 24, min(pitch + 4, 127), 90, 0)))
    writer.read([played])
    bar = writer.write([played, Bar(())], Controls(), rng_of(1, 2))
    assert bar.length > 0 and bar == StreamWriter(lstm, 1).write([played, Bar(())], Controls(), rng_of(1, 2))


@pytest.mark.parametrize("since", [12, 24, 60, 90])
@pytest.mark.parametrize("notes", [(), (Note(0, 12, 67, 90, 0),)])
def test_an_opening_stays_and_what_is_written_comes_after_it(lstm: Any, since: int, notes: tuple[Note, ...]) -> None:
    writer = StreamWriter(lstm, 1)
    past = bars_of(writer, 1)
    bar = writer.write(past, Controls(), rng_of(3, 1), Bar(notes, since))
    assert tuple(note for note in bar.notes if note.onset < since) == notes and bar.tokens is None
    assert all(since <= note.onset < bar.length for note in bar.notes if note not in notes)
