"""The control tokens that each piece must have: those requested, and where no key is, one that goes with them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.representations.attributes import NAMES, Attributes
from etude.representations.base.representation import Observed


def forced_controls(
    representation: Attributes,
    observed: Observed,
    control: Mapping[str, Any],
    seed: int,
    numbers: Sequence[int],
    prime: ScoreTick | None = None,
) -> NDArray[np.int64]:
    """The token that must follow each token in each piece, -1 where any may: (pieces, V); (1, V) if equal for all.

    Where control attributes are requested without a key, each piece gets the key and mode of a random train piece with
    these attributes: a mode or a mood is heard in some key, and a model has learned little of it without one. A prime
    keeps its own key, where no mode is requested.

    Args:
        representation: with control tokens.
        observed: the controls of train pieces.
        control: as ``Attributes.requested_tokens`` reads it.
        seed: of the draws.
        numbers: of the pieces, each with its own draws.
        prime: what the pieces start with, if anything.
    """
    requested = representation.requested_tokens(control)
    key, mode = NAMES.index("key"), NAMES.index("mode")
    neutral = [tokens[0] for tokens in representation.controls]
    places = [place for place, token in enumerate(requested) if token != neutral[place]]
    if not places or requested[key] != neutral[key]:
        return representation.forced_tokens(requested)[None]
    if prime is not None:
        own = representation.control_tokens(prime)
        if requested[mode] == neutral[mode]:
            requested[key], requested[mode] = own[key], own[mode]
        return representation.forced_tokens(requested)[None]
    train = observed["controls"].astype(np.int64)
    known = (train[:, key] != neutral[key]) & (train[:, mode] != neutral[mode])
    fit = np.flatnonzero(known & (train[:, places] == np.array(requested)[places]).all(axis=1))
    made = []
    for number in numbers:
        own = list(requested)
        if len(fit):
            example = train[fit[np.random.default_rng((seed, number, 2)).integers(len(fit))]]
            own[key], own[mode] = int(example[key]), int(example[mode])
        made.append(representation.forced_tokens(own))
    return np.stack(made)


def meets(representation: Attributes, score: ScoreTick, control: Mapping[str, Any]) -> bool:
    """Whether a piece has the key, mode and levels that the control attributes name."""
    neutral = {tokens[0] for tokens in representation.controls}
    pairs = zip(representation.requested_tokens(control), representation.control_tokens(score), strict=True)
    return all(actual == requested for requested, actual in pairs if requested not in neutral)
