"""What each piece is asked to be like: the wish itself, and a key that goes with it."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import VOICES, make_piece
from representations.bands import learned
from symusic.core import ScoreTick

from etude.models.conditional import Conditional
from etude.representations.attributes import NAMES, Attributes, measured
from etude.sampling.control_tokens import orders
from etude.sampling.tokens import predicted

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
TRAIN = [make_piece(seed, 8 + seed) for seed in range(12)]


class Arrays:
    """Stands in for the store: its train pieces."""

    def __init__(self, representation: Any, pieces: list[ScoreTick]) -> None:
        self.encoded = [representation.encode(piece) for piece in pieces]

    def offsets(self, split: str) -> np.ndarray:
        return np.cumsum([0, *map(len, self.encoded)])

    def piece(self, split: str, place: int) -> np.ndarray:
        return self.encoded[place]


@pytest.fixture(scope="module")
def representation() -> Attributes:
    made: Attributes = learned("attributes", *TRAIN, voices=PROGRAMS)
    return made


def told(representation: Attributes, forced: np.ndarray) -> list[list[int]]:
    """The control tokens that have to follow a bar in each piece."""
    found = []
    for row in forced:
        token, own = representation.types.index("Bar"), []
        while row[token] >= 0:
            token = int(row[token])
            own.append(token)
        found.append(own)
    return found


def test_without_a_wish_and_with_a_key_all_pieces_are_asked_the_same(representation: Attributes) -> None:
    store: Any = Arrays(representation, TRAIN)
    for control in ({}, {"key": "D minor"}, {"key": "C", "top": "highest"}):
        forced = orders(representation, store, control, 1, 5)
        assert forced.shape == (1, representation.vocabulary)
        assert told(representation, forced) == [representation.requested(control)]


def test_a_wish_without_a_key_gets_that_of_a_piece_that_is_so(representation: Attributes) -> None:
    store: Any = Arrays(representation, TRAIN)
    modes = {measured(piece).mode for piece in TRAIN}
    for control in [{"mode": mode} for mode in modes] + [{"density": "highest"}]:
        asked = told(representation, orders(representation, store, control, 1, 40))
        requested, silent = representation.requested(control), representation.requested({})
        said = [representation.said(piece) for piece in TRAIN]
        told_of = [place for place, token in enumerate(requested) if token != silent[place]]
        fits = {(one[0], one[1]) for one in said if all(one[place] == requested[place] for place in told_of)}
        sample_pieces = {(one[0], one[1]) for one in asked}
        assert sample_pieces <= fits and len(sample_pieces) > 1, "of several pieces"
        assert all(one[2:] == requested[2:] for one in asked)


def test_a_piece_is_asked_the_same_alone_and_among_others_and_by_the_seed(representation: Attributes) -> None:
    store: Any = Arrays(representation, TRAIN)
    many, few, other = (
        told(representation, orders(representation, store, {"density": "lowest"}, seed, count))
        for seed, count in ((1, 9), (1, 3), (2, 9))
    )
    assert many[:3] == few and many != other


def test_a_wish_that_no_train_piece_is_like_is_asked_as_it_is(representation: Attributes) -> None:
    store: Any = Arrays(representation, TRAIN[:1])
    own = representation.said(TRAIN[0])[NAMES.index("mode")]
    other = next(mode for mode in ("major", "minor") if representation.requested({"mode": mode})[1] != own)
    (asked,) = {tuple(one) for one in told(representation, orders(representation, store, {"mode": other}, 1, 4))}
    assert list(asked) == representation.requested({"mode": other})


def test_a_prime_keeps_its_key_where_no_mode_is_wished_for(representation: Attributes) -> None:
    store: Any = Arrays(representation, TRAIN)
    prime = TRAIN[4]
    requested, own = representation.requested({"density": "lowest"}), representation.said(prime)
    forced = orders(representation, store, {"density": "lowest"}, 1, 5, prime)
    assert told(representation, forced) == [[*own[:2], *requested[2:]]] and own[0] != representation.controls[0][0]
    minor = orders(representation, store, {"mode": "minor"}, 1, 5, prime)
    assert told(representation, minor) == [representation.requested({"mode": "minor"})]
    assert told(representation, orders(representation, store, {}, 1, 5, prime)) == [representation.requested({})]


@torch.no_grad()
def test_guidance_leads_away_from_what_is_written_without_a_wish(representation: Attributes) -> None:
    torch.manual_seed(0)
    model = Conditional(representation.item_spec, representation.controls, 16, 1, 2, 16, 0.0).eval()
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape))
    requested = representation.requested({"key": "D minor", "top": "highest"})
    tokens = [1, representation.types.index("Bar"), *requested]
    found = {}
    for guidance in (1.0, 1.5, 3.0):
        state = None
        for token in tokens:
            probabilities, state = predicted(model, torch.tensor([token, token]), state, guidance)
        found[guidance] = probabilities[0]
        assert probabilities[0].exp().sum().item() == pytest.approx(1)
    state = None
    for token in model.silent[torch.tensor(tokens)].tolist():
        without, state = predicted(model, torch.tensor([token, token]), state, 1.0)
    led = {guidance: (one - without[0]) - (one - without[0]).mean() for guidance, one in found.items()}
    for guidance in (1.5, 3.0):
        assert torch.allclose(led[guidance], guidance * led[1.0], atol=1e-4)
    assert led[1.0].abs().max() > 1e-3
