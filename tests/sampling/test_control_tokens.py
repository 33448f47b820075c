"""The control tokens of each piece: those requested, and a key that goes with them."""

import numpy as np
import pytest
import torch
from conftest import VOICES, make_piece
from representations.bands import learned
from symusic.core import ScoreTick

from etude.models.conditional import Conditional
from etude.representations.attributes import NAMES, Attributes, measure
from etude.representations.base.representation import Observed
from etude.sampling.control_tokens import forced_controls
from etude.sampling.tokens import predict

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
TRAIN = [make_piece(seed, 8 + seed) for seed in range(12)]


def observed(representation: Attributes, pieces: list[ScoreTick]) -> Observed:
    """What sampling knows of these train pieces."""
    return representation.observe([representation.encode(piece) for piece in pieces])


@pytest.fixture(scope="module")
def representation() -> Attributes:
    made: Attributes = learned("attributes", *TRAIN, voices=PROGRAMS)
    return made


def controls_of(representation: Attributes, forced: np.ndarray) -> list[list[int]]:
    """The control tokens that must follow a bar in each piece."""
    found = []
    for row in forced:
        token, own = representation.types.index("Bar"), []
        while row[token] >= 0:
            token = int(row[token])
            own.append(token)
        found.append(own)
    return found


def test_without_a_request_and_with_a_key_all_pieces_have_the_same(representation: Attributes) -> None:
    train = observed(representation, TRAIN)
    for control in ({}, {"key": "D minor"}, {"key": "C", "top": "highest"}):
        forced = forced_controls(representation, train, control, 1, range(5))
        assert forced.shape == (1, representation.vocabulary)
        assert controls_of(representation, forced) == [representation.requested_tokens(control)]


def test_a_request_without_a_key_gets_that_of_a_piece_that_meets_it(representation: Attributes) -> None:
    train = observed(representation, TRAIN)
    modes = {measure(piece).mode for piece in TRAIN}
    for control in [{"mode": mode} for mode in modes] + [{"density": "highest"}]:
        asked = controls_of(representation, forced_controls(representation, train, control, 1, range(40)))
        requested, neutral = representation.requested_tokens(control), representation.requested_tokens({})
        actual = [representation.control_tokens(piece) for piece in TRAIN]
        places = [place for place, token in enumerate(requested) if token != neutral[place]]
        fits = {(one[0], one[1]) for one in actual if all(one[place] == requested[place] for place in places)}
        sample_pieces = {(one[0], one[1]) for one in asked}
        assert sample_pieces <= fits and len(sample_pieces) > 1, "of several pieces"
        assert all(one[2:] == requested[2:] for one in asked)


def test_a_piece_has_the_same_alone_and_among_others_and_by_the_seed(representation: Attributes) -> None:
    train = observed(representation, TRAIN)
    many, few, other = (
        controls_of(representation, forced_controls(representation, train, {"density": "lowest"}, seed, range(count)))
        for seed, count in ((1, 9), (1, 3), (2, 9))
    )
    assert many[:3] == few and many != other


def test_a_request_that_no_train_piece_meets_stays_as_it_is(representation: Attributes) -> None:
    train = observed(representation, TRAIN[:1])
    own = representation.control_tokens(TRAIN[0])[NAMES.index("mode")]
    other = next(mode for mode in ("major", "minor") if representation.requested_tokens({"mode": mode})[1] != own)
    (asked,) = {
        tuple(one)
        for one in controls_of(representation, forced_controls(representation, train, {"mode": other}, 1, range(4)))
    }
    assert list(asked) == representation.requested_tokens({"mode": other})


def test_a_prime_keeps_its_key_where_no_mode_is_requested(representation: Attributes) -> None:
    train = observed(representation, TRAIN)
    prime = TRAIN[4]
    requested, own = representation.requested_tokens({"density": "lowest"}), representation.control_tokens(prime)
    forced = forced_controls(representation, train, {"density": "lowest"}, 1, range(5), prime)
    assert (
        controls_of(representation, forced) == [[*own[:2], *requested[2:]]] and own[0] != representation.controls[0][0]
    )
    minor = forced_controls(representation, train, {"mode": "minor"}, 1, range(5), prime)
    assert controls_of(representation, minor) == [representation.requested_tokens({"mode": "minor"})]
    assert controls_of(representation, forced_controls(representation, train, {}, 1, range(5), prime)) == [
        representation.requested_tokens({})
    ]


@torch.no_grad()
def test_guidance_leads_away_from_the_unconditional_prediction(representation: Attributes) -> None:
    torch.manual_seed(0)
    model = Conditional(representation.item_spec, representation.controls, 16, 1, 2, 16, 0.0).eval()
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape))
    requested = representation.requested_tokens({"key": "D minor", "top": "highest"})
    tokens = [1, representation.types.index("Bar"), *requested]
    found = {}
    for guidance in (1.0, 1.5, 3.0):
        state = None
        for token in tokens:
            probabilities, state = predict(model, torch.tensor([token, token]), state, guidance)
        found[guidance] = probabilities[0]
        assert probabilities[0].exp().sum().item() == pytest.approx(1)
    state = None
    for token in model.neutral[torch.tensor(tokens)].tolist():
        without, state = predict(model, torch.tensor([token, token]), state, 1.0)
    led = {guidance: (one - without[0]) - (one - without[0]).mean() for guidance, one in found.items()}
    for guidance in (1.5, 3.0):
        assert torch.allclose(led[guidance], guidance * led[1.0], atol=1e-4)
    assert led[1.0].abs().max() > 1e-3
