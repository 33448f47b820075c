"""The table of notes against loops over notes, and its edges."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from metrics.made_pieces import line, made, piece, table
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.metrics.notes import Axis, Notes, bar_length, nearest_step, spans_of_pitches, top_lines

few = hypothesis(deadline=None, max_examples=60)
pieces = st.lists(made(), max_size=3)


def rows(notes: Notes) -> list[tuple[int, ...]]:
    columns = (notes.piece, notes.track, notes.start, notes.end, notes.pitch)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@few
@given(pieces, st.integers(4, 24), st.integers(1, 3))
def test_each_note_stands_where_a_loop_puts_it(scores: list[ScoreTick], resolution: int, bars: int) -> None:
    expected, number = [], 0
    for place, score in enumerate(scores):
        meter = score.time_signatures[0] if len(score.time_signatures) else TimeSignatureTick(0, 4, 4)
        measure = max(1, round(Fraction(4 * meter.numerator * resolution, meter.denominator)))
        for track in score.tracks:
            for note in track.notes:
                onset, off = (
                    int(Fraction(time * resolution, score.ticks_per_quarter) + Fraction(1, 2))
                    for time in (note.time, note.end)
                )
                if onset < measure * bars:
                    expected.append((place, number, onset, min(max(off, onset + 1), measure * bars), note.pitch))
            number += 1
    found = table(*scores, resolution=resolution, bars=bars)
    assert Counter(rows(found)) == Counter(expected)
    assert [row[:3] + row[4:] for row in rows(found)] == sorted(row[:3] + row[4:] for row in expected)
    assert found.count().tolist() == [sum(row[0] == place for row in expected) for place in range(len(scores))]
    assert found.length.tolist() == [
        max((row[3] for row in expected if row[0] == place), default=0) for place in range(len(scores))
    ]
    assert len(found) == len(scores) and found.drum.sum() == sum(
        bool(track.is_drum) * sum(row[1] == at for row in expected)
        for at, track in enumerate(track for score in scores for track in score.tracks)
    )


def test_no_pieces_and_an_empty_piece() -> None:
    assert len(table()) == 0 and table().count().tolist() == []
    found = table(ScoreTick(24), piece([]))
    assert len(found) == 2 and found.length.tolist() == [0, 0] and found.measure.tolist() == [48, 48]
    assert len(found.start) == len(top_lines(found).start) == len(spans_of_pitches(found)[0]) == 0


@pytest.mark.parametrize(("meter", "steps"), [(None, 48), ((3, 4), 36), ((6, 8), 36), ((2, 2), 48), ((1, 128), 1)])
def test_bars_come_from_the_first_time_signature(meter: tuple[int, int] | None, steps: int) -> None:
    score = piece(line(60), meter=meter)
    if meter:
        score.time_signatures.append(TimeSignatureTick(96, 7, 8))
    assert bar_length(score, 12) == steps and table(score).measure.tolist() == [steps]


def test_an_earlier_time_signature_that_stands_later_in_the_file_is_the_first() -> None:
    score = ScoreTick(24)
    score.time_signatures.append(TimeSignatureTick(96, 3, 4))
    score.time_signatures.append(TimeSignatureTick(0, 2, 4))
    assert bar_length(score, 12) == 24


def test_halves_go_upwards() -> None:
    assert [nearest_step(time, 24, 12) for time in range(6)] == [0, 1, 1, 2, 2, 3]


def test_only_the_opening_bars_are_kept_and_a_note_is_cut_at_their_end() -> None:
    score = piece([(0, 3, 60), (3, 4, 62), (7, 1, 90)], fermatas=[3, 4])
    assert rows(table(score, bars=1)) == [(0, 0, 0, 36, 60), (0, 0, 36, 48, 62)]
    assert table(score, bars=1).held.tolist() == [[0, 36]]
    assert len(table(score, bars=2).start) == 3 and table(score, bars=2).held.tolist() == [[0, 36], [0, 48]]


def test_a_note_before_the_start_is_left_out_and_the_rest_stays() -> None:
    score = piece(line(60, 62))
    score.tracks[0].notes.append(NoteTick(-24, 12, 50, 80))
    assert rows(table(score)) == [(0, 0, 0, 12, 60), (0, 0, 12, 24, 62)]


def test_rows_and_pitched_keep_pieces_and_lengths() -> None:
    notes = table(piece(line(60), drums=line(36, 38)), piece(drums=line(36)))
    assert notes.pitched.count().tolist() == [1, 0] and notes.pitched.length.tolist() == [24, 12]
    assert notes.drum.tolist() == [False, True, True, True] and notes.track.tolist() == [0, 1, 1, 2]


@few
@given(pieces)
def test_spans_are_where_a_pitch_sounds(scores: list[ScoreTick]) -> None:
    notes = table(*scores)
    piece_, pitch, start, end = spans_of_pitches(notes)
    sounding: set[tuple[int, int, int]] = set()
    for a, b, first, last in zip(piece_, pitch, start, end, strict=True):
        own = {(int(a), int(b), step) for step in range(first, last)}
        assert own and not own & sounding, "spans do not meet"
        sounding |= own
    pitched = notes.pitched
    columns = (pitched.piece, pitched.pitch, pitched.start, pitched.end)
    assert sounding == {(int(a), int(b), s) for a, b, c, d in zip(*columns, strict=True) for s in range(c, d)}


@few
@given(pieces)
def test_top_lines_are_the_highest_notes_of_each_track(scores: list[ScoreTick]) -> None:
    notes = table(*scores)
    pitched = notes.pitched
    highest: dict[tuple[int, int], int] = {}
    for track, start, pitch in zip(pitched.track, pitched.start, pitched.pitch, strict=True):
        highest[int(track), int(start)] = max(int(pitch), highest.get((int(track), int(start)), 0))
    lines = top_lines(notes)
    assert (
        dict(zip(zip(lines.track.tolist(), lines.start.tolist(), strict=True), lines.pitch.tolist(), strict=True))
        == highest
    )
    assert len(lines.start) == len(highest)


@few
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_an_axis_counts_the_spans_over_each_place(sizes: list[int], data: st.DataObject) -> None:
    axis = Axis.of(np.array(sizes))
    spans = data.draw(
        st.lists(st.tuples(st.integers(0, len(sizes) - 1), st.integers(0, 8), st.integers(0, 8)), max_size=8)
    )
    kept = [(a, min(b, c), max(b, c)) for a, b, c in spans if max(b, c) <= sizes[a]]
    columns = np.array(kept, dtype=np.int64).reshape(-1, 3).T
    expected = [
        sum(a == one and b <= place < c for a, b, c in kept) for one, size in enumerate(sizes) for place in range(size)
    ]
    assert axis.cover(*columns).tolist() == expected
    assert axis.places == sum(sizes) and axis.owner.tolist() == [
        one for one, size in enumerate(sizes) for _ in range(size)
    ]
    assert axis.sums(np.array(expected)).sum() == sum(expected)


def test_a_track_of_drums_alone_has_no_line() -> None:
    score = ScoreTick(24)
    score.tracks.append(TrackTick("", is_drum=True))
    score.tracks[0].notes.append(NoteTick(0, 24, 36, 80))
    assert not len(top_lines(table(score)).start) and table(score).length.tolist() == [12]
