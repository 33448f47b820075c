"""What may be drawn, and the draw."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.sampling.filters import draw, min_p_filter, softmax, top_k_filter, top_p_filter


@hypothesis(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=12), st.floats(0.05, 1))
def test_the_nucleus_keeps_the_likeliest_up_to_top_p(weights: list[float], top_p: float) -> None:
    probabilities = np.array([weights]) / np.sum(weights)
    kept = top_p_filter(probabilities, top_p)
    assert kept.sum() == pytest.approx(1)
    inside = kept[0] > 0
    assert probabilities[0][inside].sum() >= top_p - 1e-9
    if inside.sum() > 1:
        assert probabilities[0][inside].sum() - probabilities[0][inside].min() < top_p + 1e-9
    assert not (~inside).any() or probabilities[0][inside].min() >= probabilities[0][~inside].max() - 1e-12


def test_the_likeliest_and_the_likely_are_kept() -> None:
    probabilities = np.array([[0.1, 0.4, 0.1, 0.4], [0.7, 0.0, 0.1, 0.2]])
    assert top_k_filter(probabilities, 3) == pytest.approx(
        np.array([[0.1, 0.4, 0, 0.4], [0.7, 0, 0.1, 0.2]]) / [[0.9], [1]]
    )
    assert top_k_filter(probabilities, 9) == pytest.approx(probabilities)
    assert min_p_filter(probabilities, 0.25) == pytest.approx(
        np.array([[0.1, 0.4, 0.1, 0.4], [0.7, 0, 0, 0.2]]) / [[1], [0.9]]
    )
    assert min_p_filter(probabilities, 1.0) == pytest.approx(np.array([[0, 0.5, 0, 0.5], [1, 0, 0, 0]]))


def test_shares_of_scores_add_up_and_what_is_barred_has_none() -> None:
    probabilities = softmax(np.array([[1000.0, 1000.0, -np.inf], [0.0, np.log(3), -np.inf]]))
    assert probabilities == pytest.approx(np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]]))


@hypothesis(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=2, max_size=6).filter(any), st.floats(0, 1 - 2**-53))
def test_what_has_no_share_is_never_drawn(weights: list[float], rng: float) -> None:
    assert weights[draw(np.array([weights]), np.array([rng]))[0]] > 0


def test_tokens_are_drawn_by_their_shares() -> None:
    rng = (np.arange(1000) + 0.5) / 1000
    sample_pieces = draw(np.tile([0.2, 0.0, 0.5, 0.3], (1000, 1)), rng)
    assert np.bincount(sample_pieces, minlength=4).tolist() == [200, 0, 500, 300]
