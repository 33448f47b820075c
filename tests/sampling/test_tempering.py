"""Two temperatures: what they leave as it is, and what they change."""

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from representations.bands import learned

from etude.sampling.filters import softmax
from etude.sampling.tempering import Tempering

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
GRID = learned("voicegrid", *(make_piece(seed) for seed in range(3)), voices=PROGRAMS)
FIRST = 5  # the tokens from here on are pitches
SCORES = arrays(float, (2, GRID.vocabulary), elements=st.floats(-30, 0))
WARMTH = st.floats(0.05, 5)


@settings(max_examples=60, deadline=None)
@given(SCORES, WARMTH, WARMTH)
def test_each_temperature_has_its_own_tokens(scores: np.ndarray, temperature: float, rhythm: float) -> None:
    tempered = softmax(Tempering(GRID, rhythm).temper(scores, temperature))
    plain = softmax(scores)
    together = np.column_stack([plain[:, :FIRST], plain[:, FIRST:].sum(axis=1)])  # a pitch, or one of the others
    expected = softmax(np.log(np.maximum(together, 1e-300)) / rhythm)
    found = np.column_stack([tempered[:, :FIRST], tempered[:, FIRST:].sum(axis=1)])
    assert np.allclose(found, expected, atol=1e-9)
    if found[:, -1].min() > 1e-200:
        within = tempered[:, FIRST:] / found[:, -1:]
        assert np.allclose(within, softmax(scores[:, FIRST:] / temperature), atol=1e-6)


def test_one_temperature_is_a_division() -> None:
    scores = np.random.default_rng(1).normal(size=(3, GRID.vocabulary))
    assert np.array_equal(Tempering(GRID, None).temper(scores, 0.7), scores / 0.7)
    assert np.array_equal(Tempering(None, 1.0).temper(scores, 0.7), scores / 0.7), "tokens that tell no pitches"


def test_what_cannot_be_drawn_stays_so() -> None:
    scores = np.full((1, GRID.vocabulary), -np.inf)
    scores[0, [3, FIRST + 2]] = -1.0
    assert np.isfinite(Tempering(GRID, 1.0).temper(scores, 0.1)).sum() == 2
    scores[0, FIRST + 2] = -np.inf  # no pitch at all
    assert np.isfinite(Tempering(GRID, 1.0).temper(scores, 0.1)).sum() == 1


@pytest.mark.parametrize("merges", [None, "notes"])
def test_notes_that_differ_in_their_pitch_alone_are_of_one_kind(merges: str | None) -> None:
    pieces = [make_piece(seed) for seed in range(4)]
    remi = learned("remi", *pieces, voices=PROGRAMS, merges=merges, vocabulary=2000)
    scores = np.random.default_rng(2).normal(size=(1, remi.vocabulary))
    changed = Tempering(remi, 1.0).temper(scores, 0.2) - scores
    pitched = [place for place, parts in enumerate(remi.parts) if any(remi.types[part] == "Pitch" for part in parts)]
    others = sorted({*range(remi.vocabulary)} - {*pitched})
    assert len(pitched) > 5 and np.allclose(changed[0, others], 0), "the rhythm stays"
    lengths: dict[tuple, list[int]] = {}
    for place in pitched:
        rest = tuple(part for part in remi.parts[place] if remi.types[part] != "Pitch")
        lengths.setdefault(rest, []).append(place)
    plain, tempered = softmax(scores)[0], softmax(scores + changed)[0]
    for places in lengths.values():
        assert tempered[places].sum() == pytest.approx(plain[places].sum())
        if len(places) > 1:
            assert tempered[places].max() > plain[places].max()
