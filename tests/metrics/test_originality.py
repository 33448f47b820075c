"""Originality: copies are found and named, and every count agrees with brute force."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from conftest import make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from metrics.made_pieces import Note, line, made, piece, table
from symusic.core import ScoreTick

from etude.metrics import originality
from etude.metrics.notes import Notes, top_lines
from etude.metrics.originality import (
    RUN,
    STEPS,
    TRANSPOSITIONS,
    Copied,
    Line,
    Lines,
    Reference,
    compare,
    flagged,
    onsets,
    windows,
)

few = hypothesis(deadline=None, max_examples=40)
WINDOW = 16


def points_of(*scores: ScoreTick) -> Notes:
    return table(*scores, resolution=STEPS, bars=1000)


def search(pieces: Sequence[ScoreTick], train: Sequence[ScoreTick], window: int = WINDOW) -> list[Copied]:
    return compare(points_of(*pieces), Reference.of(points_of(*train)), window)


def moved(score: ScoreTick, quarters: float, semitones: int) -> ScoreTick:
    found = score.shift_time(round(quarters * score.ticks_per_quarter))
    for track in found.tracks:
        track.shift_pitch(semitones, inplace=True)
    return found


TRAIN = [make_piece(seed) for seed in range(5)]


# --- windows and points


def test_points_are_onsets_with_unisons_once_and_without_drums() -> None:
    found = onsets(points_of(piece(line(60, 62), line(60, 55), drums=line(36)), ScoreTick(24), piece(line(70))))
    assert [points.tolist() for points in found] == [[[0, 60], [4, 55], [4, 62]], [], [[0, 70]]]
    assert onsets(points_of()) == ()


@pytest.mark.parametrize(
    ("count", "starts"), [(7, []), (8, [0]), (16, [0]), (17, [0, 1]), (24, [0, 8]), (40, [0, 8, 16, 24])]
)
def test_windows_half_overlap_and_reach_the_end(count: int, starts: list[int]) -> None:
    points = np.stack([np.arange(count) * 3 + 5, np.full(count, 60)], axis=1)
    found = windows(points, WINDOW)
    assert [start for start, _ in found] == [int(points[first, 0]) // 4 * 4 for first in starts]
    for (start, part), first in zip(found, starts, strict=True):
        assert (part + np.array([start, 0])).tolist() == points[first : first + WINDOW].tolist()
        assert len(part) == min(count, WINDOW) and 0 <= part[0, 0] < STEPS


# --- the score


def brute_score(points: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """The most points that a translation by steps and up to an octave carries onto one piece."""
    own, best = [tuple(point) for point in points.tolist()], 0
    for other in others:
        theirs = {tuple(point) for point in other.tolist()}
        shifts = {a - b for (a, _), (b, _) in product(theirs, own)}
        for shift, semitones in product(shifts, range(-TRANSPOSITIONS, TRANSPOSITIONS + 1)):
            best = max(best, sum((step + shift, pitch + semitones) in theirs for step, pitch in own))
    return best / len(own)


scores = st.lists(made(most=8, longest=150, lowest=40, highest=80), min_size=1, max_size=3)


@few
@given(scores, scores)
def test_the_score_is_that_of_all_translations(ours: list[ScoreTick], train: list[ScoreTick]) -> None:
    window = 6
    found, others = search(ours, train, window), onsets(points_of(*train))
    for one, points in zip(found, onsets(points_of(*ours)), strict=True):
        parts = windows(points, window)
        if not parts:
            assert math.isnan(one.score) and (one.start, one.length, one.nearest) == (-1, -1, -1)
            continue
        assert one.score == pytest.approx(max(brute_score(part, others) for _, part in parts))
        part = next(
            part
            for start, part in parts
            if start == one.start
            and part[-1, 0] + 1 == one.length
            and (brute_score(part, others) == pytest.approx(one.score))
        )
        theirs = {tuple(point) for point in others[one.nearest].tolist()}
        hits = sum((step + one.where, pitch + one.semitones) in theirs for step, pitch in part.tolist())
        assert hits / len(part) == pytest.approx(one.score), "piece, place and transposition carry the points there"


@pytest.mark.parametrize(("quarters", "semitones"), [(0, 0), (3, 5), (3, -12), (7, 12), (1, -1)])
def test_a_copy_is_found_with_its_piece_its_place_and_its_key(quarters: int, semitones: int) -> None:
    (found,) = search([moved(TRAIN[3], quarters, semitones)], TRAIN)
    assert (found.score, found.nearest, found.semitones) == (1, 3, -semitones)
    assert found.where == found.start - quarters * STEPS
    assert found.runs_found == 1 and found.run == max(
        (top_lines(points_of(TRAIN[3])).track == track).sum() for track in range(4)
    )
    line_ = Line.of(search([make_piece(seed) for seed in (90, 91, 92)], TRAIN))
    assert flagged(found, line_) and line_.highest < 0.9


def test_what_only_a_part_of_the_piece_copies_is_named_by_its_place() -> None:
    own = make_piece(50)
    for track, copied in zip(own.tracks, TRAIN[2].tracks, strict=True):
        track.notes.extend(moved(TRAIN[2], 20, 2).tracks[list(TRAIN[2].tracks).index(copied)].notes)
    (found,) = search([own], TRAIN)
    assert (found.score, found.nearest, found.semitones) == (1, 2, -2)
    assert found.start >= 20 * STEPS and found.where == found.start - 20 * STEPS and found.length <= 16 * STEPS


@pytest.mark.parametrize("quarters", [0.25, 1 / 3, 0.5, 0.75, 5.5])
def test_a_copy_after_a_pickup_is_one(quarters: float) -> None:
    (found,) = search([moved(TRAIN[1], quarters, 2)], TRAIN)
    assert (found.score, found.nearest, found.semitones, found.runs_found) == (1, 1, -2, 1)
    assert found.where == found.start - round(quarters * STEPS)


def test_a_window_that_starts_long_before_a_piece_names_that_piece() -> None:
    """Its last notes are the first ones of the second piece; its middle is in the silence before."""
    lead = [(float(place), 1.0, 100 - 7 * (place % 5)) for place in range(40)]
    tune = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76]
    sample = piece([*lead, *line(*tune, start=40)])
    first = piece([(0.0, 1.0, 30), (1.0, 1.0, 33)])
    second = piece(line(*tune))
    (found,) = compare(points_of(sample), Reference.of(points_of(first, second)), 50)
    assert (found.nearest, found.where, found.semitones) == (1, -40 * STEPS, 0) and found.score == 10 / 50


def test_no_window_meets_two_pieces() -> None:
    a, b = line(60, 62, 64, 65, 67, 69, 71, 72), line(50, 53, 52, 55, 54, 57, 56, 59)
    sample = piece([*a, *[(start + 8, length, pitch) for start, length, pitch in b]])
    (found,) = search([sample], [piece(a), piece(b)])
    assert found.score == 0.5


def test_the_order_of_the_reference_does_not_change_what_is_found() -> None:
    ours = [make_piece(20), moved(TRAIN[4], 2, 1), ScoreTick(24)]
    found, backwards = search(ours, TRAIN), search(ours, TRAIN[::-1])
    for one, other in zip(found, backwards, strict=True):
        assert one.score == pytest.approx(other.score, nan_ok=True) and one.run == other.run
        assert one.runs_found == pytest.approx(other.runs_found, nan_ok=True)
    assert backwards[1].nearest == 0 and found[1].nearest == 4
    assert str(search(ours, TRAIN)) == str(found), "the same twice"
    for score, other in zip(ours, found, strict=True):
        assert str(search([score], TRAIN)[0]) == str(other), "each piece by itself"


def test_a_piece_is_not_compared_with_itself_where_that_is_left_out() -> None:
    pieces = [TRAIN[0], TRAIN[1], moved(TRAIN[0], 3, 2)]
    notes = points_of(*pieces)
    reference = Reference.of(notes)
    assert [one.nearest for one in compare(notes, reference, WINDOW)] == [0, 1, 0]
    found = compare(notes, reference, WINDOW, leave_out_own=True)
    assert [one.nearest for one in found][::2] == [2, 0] and [one.score for one in found][::2] == [1, 1]
    assert found[0].runs_found == found[2].runs_found == 1
    alone = search([TRAIN[1]], pieces[::2])[0]
    assert (found[1].score, found[1].run, found[1].runs_found) == (alone.score, alone.run, alone.runs_found)
    (single,) = compare(points_of(TRAIN[0]), Reference.of(points_of(TRAIN[0])), WINDOW, leave_out_own=True)
    assert math.isnan(single.score) and single.run == 0 and single.runs_found == 0


def test_of_many_pieces_those_with_common_runs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [moved(TRAIN[3], 1, 1), moved(TRAIN[0], 0, -2)]
    whole = search(ours, TRAIN)
    monkeypatch.setattr(originality, "COMPARED", 1)
    assert search(ours, TRAIN) == whole, "the copied piece is the one that is compared"
    notes = points_of(*TRAIN, ours[0])
    found = compare(notes, Reference.of(notes), WINDOW, leave_out_own=True)
    assert (found[3].nearest, found[5].nearest) == (5, 3)
    monkeypatch.setattr(originality, "COMPARED", 300)
    monkeypatch.setattr(originality, "QUARTERS", 20)
    assert search(ours, TRAIN) == whole, "so it is where the reference is long"
    monkeypatch.setattr(originality, "QUARTERS", 1)
    assert search(ours, TRAIN) == whole, "one piece is compared, however long it is"


# --- runs


def brute_runs(ours: Notes, theirs: Notes, pieces: int) -> tuple[list[int], list[float]]:
    def steps(notes: Notes) -> list[tuple[int, list[tuple[int, int]]]]:
        lines = top_lines(notes)
        found = []
        for track in sorted(set(lines.track.tolist())):
            own = lines.track == track
            pairs = zip(np.diff(lines.start[own]).tolist(), np.diff(lines.pitch[own]).tolist(), strict=True)
            found.append((int(lines.piece[own][0]), list(pairs)))
        return found

    known = {
        tuple(run[first : first + size])
        for _, run in steps(theirs)
        for size in range(1, len(run) + 1)
        for first in range(len(run) - size + 1)
    }
    longest, shares = [0] * pieces, [math.nan] * pieces
    for place in range(pieces):
        runs = [run for owner, run in steps(ours) if owner == place]
        for run in runs:
            for first in range(len(run)):
                size = 0
                while first + size < len(run) and tuple(run[first : first + size + 1]) in known:
                    size += 1
                longest[place] = max(longest[place], size + 1 if size else 0)
        own = {tuple(run[first : first + RUN]) for run in runs for first in range(len(run) - RUN + 1)}
        if own:
            shares[place] = len(own & known) / len(own)
    return longest, shares


tunes = st.lists(st.tuples(st.sampled_from([0.5, 1.0]), st.sampled_from([60, 62])), max_size=20)
voices = st.lists(tunes, max_size=2)


def played(tracks: list[list[tuple[float, int]]]) -> ScoreTick:
    placed: list[list[Note]] = []
    for tune in tracks:
        starts = np.cumsum([0.0, *(length for length, _ in tune)]).tolist()
        placed.append([(start, length, pitch) for start, (length, pitch) in zip(starts, tune, strict=False)])
    return piece(*placed)


@few
@given(st.lists(voices, max_size=3), st.lists(voices, max_size=2))
def test_common_runs_are_those_of_all_pairs(
    ours: list[list[list[tuple[float, int]]]], theirs: list[list[list[tuple[float, int]]]]
) -> None:
    mine, other = points_of(*map(played, ours)), points_of(*map(played, theirs))
    longest, shares = originality.common_runs(Lines.of(mine), Lines.of(other), len(ours))
    expected = brute_runs(mine, other, len(ours))
    assert longest.tolist() == expected[0] and shares.tolist() == pytest.approx(expected[1], nan_ok=True)


@few
@given(st.integers(1, 90), st.integers(0, 40), st.integers(0, 3))
def test_the_length_of_a_long_run_is_exact(size: int, before: int, after: int) -> None:
    tune = np.random.default_rng(1).integers(40, 80, 200).tolist()
    ours, theirs = tune[before : before + size], [20, *tune[: before + size], 21]
    (found,) = search([piece(line(*ours, *[1] * after))], [piece(line(*theirs))])
    assert found.run == (size if size > 1 else 0)


def test_a_run_is_found_in_any_key_and_voice_and_not_across_voices() -> None:
    tune = [60, 62, 64, 60, 67, 65, 64, 72]
    train = [piece(line(40, 45), line(*(pitch + 3 for pitch in tune), start=2))]
    assert search([piece(line(*tune))], train)[0].run == 8
    split = [piece(line(*tune[:4]), line(*tune[4:]))]
    assert search([piece(line(*tune))], split)[0].run == 4


# --- edges


def test_edges_of_originality() -> None:
    assert search([], TRAIN) == []
    empty, few_notes, drums = search([ScoreTick(24), piece(line(60, 62)), piece(drums=line(*[36] * 40))], TRAIN)
    for one in (empty, few_notes, drums):
        assert math.isnan(one.score) and (one.nearest, one.start, one.length) == (-1, -1, -1)
        assert math.isnan(one.runs_found) and not flagged(one, Line.of([]))
    assert few_notes.run == 2 and empty.run == drums.run == 0
    (nothing,) = search([TRAIN[0]], [])
    assert math.isnan(nothing.score) and nothing.run == 0 and nothing.runs_found == 0
    (silent,) = search([TRAIN[0]], [ScoreTick(24), TRAIN[0]])
    assert (silent.score, silent.nearest) == (1, 1)


def test_other_meters_and_extreme_pitches() -> None:
    waltz = piece(line(*range(0, 40)), line(*range(88, 128)), meter=(3, 4))
    (found,) = search([waltz], [TRAIN[0], waltz])
    assert (found.score, found.nearest, found.where) == (1, 1, found.start)


def test_what_comes_long_after_the_start_of_a_window_takes_no_memory() -> None:
    dense, late = [[step, 60] for step in range(40)], [[step * 4000, 61] for step in range(1, 30)]
    ((start, points),) = windows(np.array(dense + late), 69)
    assert start == 0 and points.tolist() == dense
    assert windows(np.array(dense[:10] + late), 39) == [], "less than half of a window stays"


def test_a_copy_to_the_note_is_flagged_whatever_real_pieces_score() -> None:
    whole = Copied(1.0, 0, 1, 0, 0, 0, 9, 0.5)
    assert flagged(whole, Line(0, 0.5, 1, 1.0, 9, 3)) and flagged(whole, Line.of([]))


def test_the_finished_pieces_are_counted() -> None:
    done: list[int] = []
    compare(points_of(*TRAIN[:3]), Reference.of(points_of(TRAIN[4])), WINDOW, report=done.append)
    assert done == [1, 2, 3]


def test_the_line_of_real_music() -> None:
    def scored(value: float, run: int) -> Copied:
        return Copied(value, 0, 1, 0, 0, 0, run, 0.5)

    real = [scored(place / 100, place) for place in range(101)] + [scored(math.nan, 200)]
    found = Line.of(real)
    assert found == Line(0.025, 0.5, 0.975, 1.0, 200, 101) and Line.from_dict(found.as_dict()) == found
    below = Line.of(real[:50])
    assert not flagged(real[49], below) and flagged(real[50], below) and not flagged(real[-1], below)
    none = Line.of([])
    assert none.pieces == 0 and math.isnan(none.highest) and not flagged(real[0], none)
    again = Line.from_dict({name: None if value != value else value for name, value in none.as_dict().items()})
    assert math.isnan(again.highest) and again.longest_run == 0
