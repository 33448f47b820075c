"""Descriptors against values worked out manually, and their edge cases."""

import math

import muspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.metrics.descriptors import UNITS, columns, descriptors, grid, to_muspy

Note3 = tuple[int, int, int]  # onset, duration, pitch
DRUMS = ("drum_in_pattern_rate", "drum_pattern_consistency")


def piece(
    *voices: list[Note3], signature: tuple[int, int] | None = (4, 4), ticks: int = 24, drums: bool = False
) -> ScoreTick:
    """A piece of (onset, duration, pitch) in ticks, one list of notes a voice."""
    score = ScoreTick(ticks)
    if signature:
        score.time_signatures.append(TimeSignatureTick(0, *signature))
    for notes in voices:
        track = TrackTick("", program=68, is_drum=drums)
        for onset, duration, pitch in notes:
            track.notes.append(NoteTick(onset, duration, pitch, 80))
        score.tracks.append(track)
    return score


def scale(first: int, steps: tuple[int, ...] = (0, 2, 4, 5, 7, 9, 11, 12)) -> list[Note3]:
    return [(24 * place, 24, first + step) for place, step in enumerate(steps)]


def test_every_metric_of_muspy_is_there() -> None:
    assert set(muspy.metrics.__all__) <= set(UNITS)


def test_two_bars_in_two_voices() -> None:
    tonic_and_fifth = [(0, 96, 48), (96, 48, 55)]  # a bar and a half
    found = descriptors(piece(scale(60), tonic_and_fifth), 12, 16)
    assert found["n_pitches_used"] == 10
    assert found["n_pitch_classes_used"] == 7
    assert found["pitch_range"] == 24
    assert found["polyphony"] == pytest.approx((8 + 6) / 8)
    assert found["polyphony_rate"] == 0  # never more than two pitches at once
    assert found["scale_consistency"] == found["pitch_in_scale_rate"] == 1
    assert found["mean_duration_quarters"] == pytest.approx((8 + 4 + 2) / 10)
    assert found["notes_per_bar"] == 5
    assert found["pitch_entropy"] == pytest.approx(math.log2(10))
    assert all(math.isnan(found[name]) for name in DRUMS)


def test_same_rhythm_in_each_bar_is_a_perfect_groove_and_another_is_not() -> None:
    bars = [(0, 24, 60), (24, 71, 62), (96, 24, 60), (120, 71, 62)]  # ends a tick before the bar line
    assert descriptors(piece(bars), 24, 16)["groove_consistency"] == 1
    moved = [(0, 24, 60), (24, 71, 62), (96, 24, 60), (132, 59, 62)]
    assert descriptors(piece(moved), 24, 16)["groove_consistency"] == pytest.approx(1 - 2 / 96)


def test_bars_come_from_the_first_time_signature() -> None:
    assert grid(piece(scale(60), signature=(3, 4)), 12, 1).measure == 36
    assert grid(piece(scale(60), signature=(6, 8)), 12, 1).measure == 36
    assert grid(piece(scale(60), signature=None), 12, 1).measure == 48
    assert grid(piece([(0, 1, 60)], signature=(1, 128)), 4, 1).measure == 1


def test_only_the_opening_bars_are_measured_and_a_note_is_cut_at_their_end() -> None:
    score = piece([(0, 72, 60), (72, 96, 62), (168, 24, 90)])
    ((_, _, notes),) = grid(score, 24, 1).notes
    assert notes.tolist() == [[0, 72, 60], [72, 96, 62]]
    assert descriptors(score, 24, 1)["pitch_range"] == 2
    assert descriptors(score, 24, 2)["pitch_range"] == 30


def test_short_notes_are_kept_on_a_coarse_grid() -> None:
    score = piece([(0, 1, 60), (1, 1, 64), (479, 1, 67)], ticks=480)
    assert sorted(note.pitch for note in to_muspy(grid(score, 4, 16)).tracks[0].notes) == [60, 64, 67]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200), st.integers(0, 127)), min_size=1, max_size=12),
    st.integers(4, 24),
    st.sampled_from([24, 96, 480]),
)
def test_no_note_inside_the_opening_is_lost(notes: list[Note3], resolution: int, ticks: int) -> None:
    opening = grid(piece(notes, ticks=ticks), resolution, 1000)
    ((_, _, kept),) = opening.notes
    assert len(kept) == len(notes)
    assert (kept[:, 1] > kept[:, 0]).all()
    assert opening.length == kept[:, 1].max()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200), st.integers(30, 90)), min_size=1, max_size=12))
def test_transposition_and_a_finer_tick_change_nothing(notes: list[Note3]) -> None:
    found = descriptors(piece(notes), 12, 4)
    assert set(found) == set(UNITS)
    fine = descriptors(piece([(4 * onset, 4 * length, pitch) for onset, length, pitch in notes], ticks=96), 12, 4)
    assert fine == pytest.approx(found, nan_ok=True)
    higher = descriptors(piece([(onset, length, pitch + 12) for onset, length, pitch in notes]), 12, 4)
    assert higher == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize("score", [ScoreTick(24), piece([]), piece([], []), piece([(960, 24, 60)])])
def test_a_piece_without_notes_in_its_opening_gives_nan(score: ScoreTick) -> None:
    found = descriptors(score, 12, 4)
    assert set(found) == set(UNITS)
    assert all(math.isnan(value) for value in found.values())


def test_drums_have_drum_measures_and_no_pitch() -> None:
    found = descriptors(piece([(0, 6, 36), (24, 6, 38), (40, 6, 42)], drums=True), 12, 4)
    assert found["drum_in_pattern_rate"] == pytest.approx(2 / 3)  # the last one is on a triplet
    assert found["drum_pattern_consistency"] == 1
    assert math.isnan(found["pitch_range"]) and math.isnan(found["polyphony"])
    assert found["notes_per_bar"] == 3


def test_one_note_and_a_twelve_tone_row_raise_nothing() -> None:
    assert descriptors(piece([(0, 24, 60)]), 12, 16)["pitch_entropy"] == 0
    row = descriptors(piece([(24 * place, 24, 60 + place) for place in range(12)]), 12, 16)
    assert math.isnan(row["pitch_in_scale_rate"])  # no key stands out
    assert row["scale_consistency"] == pytest.approx(7 / 12)


def test_columns_keep_the_order_of_the_pieces() -> None:
    rows = [descriptors(piece(scale(60)[:count]), 12, 16) for count in (3, 1)]
    assert columns(rows)["n_pitches_used"].tolist() == [3, 1]
