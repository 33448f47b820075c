"""Bars of a model of the voice grid: cells given and written, held over bar lines, imagined to a melody alone."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from etude.live.bars import Bar, Note
from etude.live.controls import Controls
from etude.live.grid_writer import GridWriter
from etude.live.writers import rng_of
from etude.representations.base.grammar import PAD
from etude.representations.base.grid import FIRST, HOLD, REST


def test_bars_are_whole_and_the_same_again(voices: Any) -> None:
    writer, bars = GridWriter(voices, 1), list[Bar]()
    for number in range(2):
        bars.append(writer.write(bars, Controls(temperature=0.8), rng_of(5, number)))
    assert writer.write(bars[:1], Controls(temperature=0.8), rng_of(5, 1)) == bars[1]
    assert GridWriter(voices, 1).write(bars[:1], Controls(temperature=0.8), rng_of(5, 1)) == bars[1]
    for bar in bars:
        assert bar.length == 96 and bar.tokens is not None and len(bar.tokens) == 4 * writer.frames
        for voice in range(4):
            own = [note for note in bar.notes if note.voice == voice]
            assert all(a.onset + a.length <= b.onset for a, b in pairwise(own)), "one pitch at a time"
    assert bars[0].holds == (0, 0, 0, 0), "nothing sounds before"


def test_cells_and_notes_are_the_same_bar(voices: Any) -> None:
    writer = GridWriter(voices, 1)
    grid = np.full((writer.frames, 4), REST)
    grid[0, 0], grid[1:5, 0] = FIRST + 30, HOLD
    grid[:3, 1] = HOLD  # of the bar before
    bar = writer.bar_of(grid)
    (note,) = bar.notes
    assert (note.onset, note.length, note.voice) == (0, 5 * writer.tick, 0)
    assert bar.holds == (0, 3 * writer.tick, 0, 0)
    cells = writer.cells([bar], writer.frames)
    assert np.array_equal(cells[:, 0], grid[:, 0]) and (cells[:, 1:] == REST).all()


def test_given_cells_stay(voices: Any) -> None:
    writer = GridWriter(voices, 1)
    given = np.full((writer.frames, 4), PAD)
    given[:, 0] = REST
    given[:4, 0] = [FIRST + 40, HOLD, HOLD, HOLD]
    bar = writer.fill([], given, Controls(temperature=0.6), rng_of(1, 0))
    assert bar.tokens is not None
    assert np.array_equal(np.array(bar.tokens).reshape(-1, 4)[:, 0], given[:, 0])


@pytest.mark.parametrize("pitch", [0, 127])
def test_a_pitch_that_no_voice_has_is_a_rest(voices: Any, pitch: int) -> None:
    writer = GridWriter(voices, 1)
    played = Bar((Note(0, 24, pitch, 90, 0), Note(48, 24, pitch, 90, 0)))
    assert (writer._given(played, writer.frames)[:, 0] == REST).all()


def test_a_melody_alone_is_harmonised_in_secret_and_the_same_again(voices: Any) -> None:
    played = Bar((Note(0, 24, 67, 90, 0), Note(48, 24, 69, 90, 0)))
    writer = GridWriter(voices, 1)
    writer.read([played])
    imagined = writer.imagine([played])[0]
    assert imagined.shape == (writer.frames, 4)
    bar = writer.write([played], Controls(temperature=0.6), rng_of(1, 1))
    other = GridWriter(voices, 1)
    other.read([Bar((Note(0, 96, 60, 90, 0),))])
    assert other.write([played], Controls(temperature=0.6), rng_of(1, 1)) == bar, "whatever was asked before"
    assert (imagined[:, 1:] >= FIRST).any(axis=0).all()


@pytest.mark.parametrize("notes", [(), (Note(0, 12, 67, 90, 0),)])
def test_an_opening_stays_and_what_is_written_comes_after_it(voices: Any, notes: tuple[Note, ...]) -> None:
    bar = GridWriter(voices, 1).write([], Controls(temperature=0.6), rng_of(3, 0), Bar(notes, 48))
    tops = [(note.onset, note.pitch) for note in bar.notes if not note.voice and note.onset < 48]
    assert tops == [(note.onset, note.pitch) for note in notes]
    if not notes:
        assert all(note.onset >= 48 for note in bar.notes)
