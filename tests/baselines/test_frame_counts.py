"""Baselines on frames against values worked out manually."""

import math

import numpy as np
import pytest

from etude.baselines.frame_counts import costs, probabilities

A = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], dtype=np.uint8)
B = np.array([[0, 0], [0, 1]], dtype=np.uint8)


def test_the_first_frame_is_given_and_the_rest_is_counted() -> None:
    counted = probabilities([A, B], 0)
    # of four frames after the first, key 0 sounds in two and key 1 in three, with one of each added
    assert counted[:, 0] == pytest.approx([3 / 6, 4 / 6])
    assert costs([A, B], counted, 0) == pytest.approx(
        [-3 * math.log(1 / 2) - math.log(1 / 3) - 2 * math.log(2 / 3), -math.log(1 / 2) - math.log(2 / 3)]
    )


def test_a_key_is_counted_after_each_of_its_own_states() -> None:
    counted = probabilities([A, B], 1)
    assert counted[0] == pytest.approx([2 / 4, 2 / 4])  # after silence: sounds, silent; after sounding: sounds, silent
    assert counted[1] == pytest.approx([3 / 5, 2 / 3])  # silent, sounds, sounds; sounds
    assert costs([B], counted, 1) == pytest.approx([-math.log(1 / 2) - math.log(3 / 5)])


def test_two_previous_frames_make_four_contexts() -> None:
    counted = probabilities([A], 2)
    # key 0: sounds after (silence, 1), is silent after (1, 1), sounds after (1, 0); the last frame is the lowest bit
    assert counted[0] == pytest.approx([1 / 2, 2 / 3, 2 / 3, 1 / 3])
    assert np.isfinite(costs([A, B], counted, 2)).all()


def test_longer_pasts_cost_less_in_train_where_there_is_enough_of_it() -> None:
    random = np.random.default_rng(1)
    flips = random.random((4000, 3)) < 0.1
    piece = (np.cumsum(flips, axis=0) % 2).astype(np.uint8)  # keys that stay as they are nine times out of ten
    entropy = -3 * (0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    none, last = (costs([piece], probabilities([piece], past), past)[0] / 3999 for past in (0, 1))
    assert none == pytest.approx(3 * math.log(2), rel=0.02) and last == pytest.approx(entropy, rel=0.05)


def test_a_piece_of_one_frame_costs_nothing() -> None:
    for past in (0, 1, 2):
        assert costs([A[:1]], probabilities([A], past), past) == pytest.approx([0.0])
