"""Descriptors against muspy's own values, values worked out manually, and their edges."""

import math

import muspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from metrics.made_pieces import line, made, piece, table
from symusic.core import ScoreTick

from etude.metrics.descriptors import (
    UNITS,
    Values,
    descriptors,
    difference_to_muspy,
    entropy,
    muspy_values,
    pitch_class_times,
    ratio,
    to_muspy,
)
from etude.metrics.notes import Notes

DRUMS = ("drum_in_pattern_rate", "drum_pattern_consistency")
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def of(score: ScoreTick, resolution: int = 12, bars: int = 16) -> dict[str, float]:
    """The descriptors of one piece."""
    return row(descriptors(table(score, resolution=resolution, bars=bars)), 0)


def row(found: Values, place: int) -> dict[str, float]:
    return {name: float(values[place]) for name, values in found.items()}


def muspy_s_own(notes: Notes, place: int) -> tuple[dict[str, float], list[float]]:
    """Metrics of muspy, of a piece that is built without ``to_muspy``; and the in-scale rate of each key."""
    own = notes.piece == place
    music = muspy.Music(resolution=notes.resolution)
    for number in sorted(set(notes.track[own].tolist())):
        part = own & (notes.track == number)
        music.tracks.append(
            muspy.Track(
                is_drum=bool(notes.drum[part].all()),
                notes=[
                    muspy.Note(int(start), int(pitch), int(end - start), 80)
                    for start, end, pitch in zip(notes.start[part], notes.end[part], notes.pitch[part], strict=True)
                ],
            )
        )
    measure, metrics = int(notes.measure[place]), muspy.metrics
    found = {}
    for name in metrics.__all__:
        function = getattr(metrics, name)
        if name == "pitch_in_scale_rate":
            continue
        given_ = {
            "empty_measure_rate": (measure,),
            "groove_consistency": (measure,),
            "drum_in_pattern_rate": ("duple",),
        }
        found[name] = float(function(music, *given_.get(name, ())))
    rates = [metrics.pitch_in_scale_rate(music, key, mode) for key in range(12) for mode in ("major", "minor")]
    return found, rates


def test_every_metric_of_muspy_is_there() -> None:
    assert set(muspy.metrics.__all__) == set(list(UNITS)[:14])


@hypothesis(deadline=None, max_examples=60)
@given(st.lists(made(), min_size=1, max_size=3), st.integers(4, 24), st.integers(1, 3))
def test_values_equal_muspy_s_own(scores: list[ScoreTick], resolution: int, bars: int) -> None:
    notes = table(*scores, resolution=resolution, bars=bars)
    found = descriptors(notes)
    for place in range(len(scores)):
        ours = row(found, place)
        if not notes.count()[place]:
            assert all(math.isnan(value) for value in ours.values())
            continue
        theirs, rates = muspy_s_own(notes, place)
        pitched = bool(notes.pitched.count()[place])
        for name, value in theirs.items():
            if not pitched and "rate" not in name and name not in DRUMS and name != "groove_consistency":
                assert math.isnan(ours[name]), name  # muspy has 0, or a range of -127
            elif name == "polyphony_rate" and not pitched:
                assert math.isnan(ours[name])
            else:
                assert ours[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name
        assert math.isnan(ours["pitch_in_scale_rate"]) or any(
            ours["pitch_in_scale_rate"] == pytest.approx(rate) for rate in rates
        )
    assert difference_to_muspy(notes, found) < 1e-9


def test_a_difference_to_muspy_is_found() -> None:
    notes = table(piece(line(*SCALE)), ScoreTick(24), piece(line(60)))
    found = descriptors(notes)
    assert difference_to_muspy(notes, found) < 1e-9
    assert difference_to_muspy(notes, {**found, "polyphony": found["polyphony"] + 0.5}) == pytest.approx(0.5)
    assert difference_to_muspy(notes, {**found, "pitch_range": np.array([12, math.nan, math.nan])}) == math.inf
    assert difference_to_muspy(table(), descriptors(table())) == 0


def test_a_piece_of_muspy_has_its_tracks_and_notes() -> None:
    notes = table(piece(line(50)), piece(line(60, 62), drums=line(36)))
    music = to_muspy(notes, 1)
    assert [(track.is_drum, [note.pitch for note in track.notes]) for track in music.tracks] == [
        (False, [60, 62]),
        (True, [36]),
    ]
    assert music.resolution == 12 and "pitch_range" not in muspy_values(table(piece(drums=line(36))), 0)


def test_two_bars_in_two_voices() -> None:
    found = of(piece(line(*SCALE), [(0, 4, 48), (4, 2, 55)]))
    assert found["n_pitches_used"] == 10
    assert found["n_pitch_classes_used"] == 7
    assert found["pitch_range"] == 24
    assert found["polyphony"] == pytest.approx((8 + 6) / 8)
    assert found["polyphony_rate"] == 0, "never more than two pitches at once"
    assert found["scale_consistency"] == found["pitch_in_scale_rate"] == 1
    assert found["mean_duration_quarters"] == pytest.approx((8 + 4 + 2) / 10)
    assert found["notes_per_bar"] == 5
    assert found["pitch_entropy"] == pytest.approx(math.log2(10))
    assert found["pitch_class_entropy"] == pytest.approx(
        -sum(n / 10 * math.log2(n / 10) for n in (3, 2, 1, 1, 1, 1, 1))
    )
    assert all(math.isnan(found[name]) for name in DRUMS)


def test_rests_and_three_pitches() -> None:
    found = of(piece([(0, 1, 60), (6, 0.5, 60)], [(0, 1, 64)], [(0, 0.5, 67)]))
    assert found["polyphony_rate"] == pytest.approx(6 / 78)  # up to the end of the last note
    assert found["empty_beat_rate"] == pytest.approx(4 / 7)  # a note that ends on a beat counts in the next one, too
    assert found["empty_measure_rate"] == 0
    assert of(piece([(0, 1, 60), (9, 1, 60)]))["empty_measure_rate"] == pytest.approx(1 / 3)


def test_unisons_count_once() -> None:
    alone = of(piece(line(60, 62), line(64, 65)))
    doubled = of(piece(line(60, 62), line(64, 65), line(60, 62)))
    assert doubled["polyphony"] == alone["polyphony"] == 2
    assert doubled["notes_per_bar"] == 6


def test_same_rhythm_in_each_bar_is_a_perfect_groove_and_another_is_not() -> None:
    bars = [(0, 1, 60), (1, 71 / 24, 62), (4, 1, 60), (5, 71 / 24, 62)]  # ends a tick before the bar line
    assert of(piece(bars), 24)["groove_consistency"] == 1
    moved = [*bars[:3], (5.5, 59 / 24, 62)]
    assert of(piece(moved), 24)["groove_consistency"] == pytest.approx(1 - 2 / 96)
    assert math.isnan(of(piece(line(60)))["groove_consistency"]), "less than a bar"


def test_short_notes_are_kept_on_a_coarse_grid() -> None:
    notes = table(piece([(0, 1 / 480, 60), (1 / 480, 1 / 480, 64), (479 / 480, 1 / 480, 67)], ticks=480), resolution=4)
    assert sorted(note.pitch for note in to_muspy(notes, 0).tracks[0].notes) == [60, 64, 67]


@hypothesis(deadline=None, max_examples=25)
@given(made(lowest=30, highest=90), st.integers(-12, 12))
def test_transposition_a_finer_tick_and_the_other_pieces_change_nothing(score: ScoreTick, semitones: int) -> None:
    moved = score.copy()
    for track in moved.tracks:
        if not track.is_drum:
            track.shift_pitch(semitones, inplace=True)
    fine = score.resample(4 * score.ticks_per_quarter, min_dur=1)
    found = descriptors(table(score, piece(line(*SCALE)), moved, fine, score))
    assert set(found) == set(UNITS)
    for place in (2, 3, 4):
        assert row(found, place) == pytest.approx(row(found, 0), nan_ok=True)
    assert row(found, 0) == pytest.approx(of(score), nan_ok=True)


@pytest.mark.parametrize("score", [ScoreTick(24), piece([]), piece([], []), piece([(40, 1, 60)])])
def test_a_piece_without_notes_in_its_opening_gives_nan(score: ScoreTick) -> None:
    found = of(score, bars=4)
    assert set(found) == set(UNITS) and all(math.isnan(value) for value in found.values())


def test_no_pieces_give_no_values() -> None:
    assert {name: len(values) for name, values in descriptors(table()).items()} == dict.fromkeys(UNITS, 0)


def test_drums_have_drum_measures_and_no_pitch() -> None:
    found = of(piece(drums=[(0, 0.25, 36), (1, 0.25, 38), (5 / 3, 0.25, 42)]))
    assert found["drum_in_pattern_rate"] == pytest.approx(2 / 3)  # the last one is on a triplet
    assert found["drum_pattern_consistency"] == 1
    assert math.isnan(found["pitch_range"]) and math.isnan(found["polyphony"]) and math.isnan(found["polyphony_rate"])
    assert found["notes_per_bar"] == 3


def test_one_note_and_a_twelve_tone_row_raise_nothing() -> None:
    one = of(piece(line(60)))
    assert one["pitch_entropy"] == one["pitch_range"] == 0 and one["polyphony"] == one["n_pitches_used"] == 1
    row_ = of(piece(line(*range(60, 72))))
    assert math.isnan(row_["pitch_in_scale_rate"]), "no key stands out"
    assert row_["scale_consistency"] == pytest.approx(7 / 12)


def test_ratios_and_entropies_of_nothing_are_nan() -> None:
    assert ratio(np.array([1, 0]), np.array([0, 4])).tolist() == pytest.approx([math.nan, 0], nan_ok=True)
    assert entropy(np.array([[0, 0], [1, 1], [3, 0]])).tolist() == pytest.approx([math.nan, 1, 0], nan_ok=True)


def test_sounding_times_of_pitch_classes_leave_drums_out() -> None:
    times = pitch_class_times(table(piece([(0, 2, 60), (2, 1, 73)], [(0, 1, 48)], drums=line(36)), ScoreTick(24)))
    assert times[0].tolist() == [36, 12, *[0] * 10] and not times[1].any()
