"""The vector of a piece, and the space in which vectors compare."""

import math

import numpy as np
import pytest
from conftest import make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from metrics.made_pieces import line, made, piece, table
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from symusic.core import ScoreTick

from etude.metrics.features import AXES, CHORD_KINDS, LENGTHS, STEPS, UNITS, Space, features

few = hypothesis(deadline=None, max_examples=25)
PLACES = ("on_quarters", "on_eighths", "on_sixteenths")


def of(score: ScoreTick) -> dict[str, float]:
    return dict(zip(UNITS, features(table(score))[0].tolist(), strict=True))


def test_pitches_steps_lengths_and_places_of_a_melody() -> None:
    found = of(piece([(0, 1, 60), (1, 0.5, 60), (1.5, 0.25, 62), (1.75, 0.25, 65), (2, 2, 60), (4, 3, 72)]))
    pitches = [60, 60, 62, 65, 60, 72]
    assert found["mean_pitch"] == pytest.approx(np.mean(pitches))
    assert found["pitch_deviation"] == pytest.approx(np.std(pitches))
    assert [found[name] for name in STEPS] == pytest.approx([1 / 5, 1 / 5, 1 / 5, 1 / 5, 1 / 5])
    assert [found[name] for name in LENGTHS] == pytest.approx([2 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6])
    assert [found[name] for name in PLACES] == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    assert of(piece([(0, 1, 60), (1 / 3, 1, 62)]))["on_quarters"] == 0.5, "a triplet is on no such place"


def test_the_lines_of_tracks_do_not_join() -> None:
    assert of(piece(line(60), line(62)))["seconds"] != of(piece(line(60, 62)))["seconds"] == 1
    assert of(piece(line(60, 64), line(48, 49)))["seconds"] == 0.5


def test_chords_and_intervals() -> None:
    major_then_other = piece([(0, 3, 60)], [(0, 3, 64)], [(0, 3, 67)], [(3, 1, 60)], [(3, 1, 61)], [(3, 1, 62)])
    found = of(major_then_other)
    assert found["major_triads"] == 0.75 and found["unnamed_chords"] == 0.25
    assert found["interval_class_3"] == pytest.approx(3 / 12) and found["interval_class_1"] == pytest.approx(2 / 12)
    assert sum(found[f"interval_class_{size}"] for size in range(1, 7)) == pytest.approx(1)
    assert found["chord_changes"] == pytest.approx(1 / 4)
    seventh = of(piece(*([(0, 1, pitch)] for pitch in (60, 64, 67, 70))))
    assert seventh["sevenths"] == 1 and seventh["major_triads"] == 0


@few
@given(st.lists(made(), min_size=1, max_size=3))
def test_shares_add_up_and_each_piece_is_measured_by_itself(scores: list[ScoreTick]) -> None:
    whole = features(table(*scores))
    assert whole.shape == (len(scores), len(UNITS))
    for place, score in enumerate(scores):
        assert whole[place] == pytest.approx(features(table(score))[0], nan_ok=True)
        found = dict(zip(UNITS, whole[place].tolist(), strict=True))
        for names in (
            STEPS,
            LENGTHS,
            [f"interval_class_{size}" for size in range(1, 7)],
            [*CHORD_KINDS, "unnamed_chords"],
        ):
            total = sum(found[name] for name in names)
            assert math.isnan(total) or total == pytest.approx(1)
        assert all(math.isnan(found[name]) or 0 <= found[name] <= 1 for name, unit in UNITS.items() if "share" in unit)
        assert np.isnan(whole[place]).all() == (table(score).count()[0] == 0), "nan in all only without notes"


def test_edges_of_features() -> None:
    assert features(table()).shape == (0, len(UNITS))
    drums = of(piece(drums=line(36, 38)))
    assert math.isnan(drums["mean_pitch"]) and math.isnan(drums["chord_changes"]) and drums["quarters"] == 1
    one = of(piece(line(60)))
    assert one["mean_pitch"] == 60 and one["pitch_deviation"] == 0 and math.isnan(one["seconds"])


def vectors(seed: int, count: int = 30, width: int = 14) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(count, width)) @ draw.normal(size=(width, width)) + 5


def test_the_space_is_that_of_sklearn() -> None:
    train, other = vectors(0), vectors(1)
    space = Space.fit(train)
    scaler = StandardScaler().fit(train)
    assert space.standardise(train) == pytest.approx(scaler.transform(train))
    assert space.standardise(other) == pytest.approx(np.clip(scaler.transform(other), -10, 10))
    ours = space.project(space.standardise(train))
    theirs = PCA(AXES).fit_transform(scaler.transform(train))
    assert np.abs(ours) == pytest.approx(np.abs(theirs))
    strongest = np.abs(space.axes).argmax(axis=0)
    assert (space.axes[strongest, np.arange(AXES)] > 0).all(), "the sign of an axis is fixed"


def test_an_unknown_value_is_the_mean_and_a_piece_without_any_is_left_out() -> None:
    train = vectors(0)
    train[3, 2] = math.nan
    train[:, 5] = 7
    empty = np.full((1, train.shape[1]), math.nan)
    space = Space.fit(np.concatenate([train, empty]))
    assert space.mean == pytest.approx(Space.fit(train).mean)
    assert space.mean[2] == pytest.approx(np.nanmean(train[:, 2])) and space.deviation[5] == 1
    found = space.standardise(np.concatenate([train[:4], empty]))
    assert found.shape == (4, train.shape[1]) and found[3, 2] == 0 and not found[:, 5].any()
    far = train[:1] + 1e6
    assert space.standardise(far).max() == 10


def test_a_column_that_is_never_known_and_few_pieces_are_no_fault() -> None:
    train = vectors(0, count=3)
    train[:, 1] = math.nan
    space = Space.fit(train)
    assert space.axes.shape == (train.shape[1], 3) and not np.isnan(space.project(space.standardise(train))).any()
    none = Space.fit(train[:0])
    assert none.project(none.standardise(train)).shape == (3, 0)


def test_a_space_comes_back_from_a_report_and_ignores_the_order_of_pieces() -> None:
    train = features(table(*(make_piece(seed) for seed in range(12))))
    space, backwards = Space.fit(train), Space.fit(train[::-1])
    again = Space.of(space.as_dict())
    assert all(np.array_equal(getattr(again, name), getattr(space, name)) for name in ("mean", "deviation", "axes"))
    ours, theirs = (one.project(one.standardise(train)) for one in (space, backwards))
    assert ours == pytest.approx(theirs, abs=1e-6)
