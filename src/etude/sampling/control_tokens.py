"""What each piece is asked to be like: the wish, and where it names no key, one that goes with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts.token_store import Store
from etude.representations.attributes import NAMES, Attributes

PIECES = 20_000  # of train that are looked at, spread evenly, at most


def orders(
    representation: Attributes,
    store: Store,
    control: Mapping[str, Any],
    seed: int,
    count: int,
    prime: ScoreTick | None = None,
) -> NDArray[np.int64]:
    """The token that has to follow each token in each piece, -1 where any may: (count, V); without a wish (1, V).

    A wish that names no key leaves it to chance: it is that of a train piece that is what was wished for, drawn for
    each piece. What a mode or a mood sounds like is heard in a key, and a model has learned little of it without one.
    A prime keeps its own key, where no mode is wished for.

    Args:
        representation: with control tokens.
        store: its data.
        control: as ``Attributes.wished`` reads it.
        seed: of the draws.
        count: number of pieces.
        prime: what they begin with, where anything is given.
    """
    requested = representation.requested(control)
    key, mode = NAMES.index("key"), NAMES.index("mode")
    silent = [tokens[0] for tokens in representation.controls]
    told = [place for place, token in enumerate(requested) if token != silent[place]]
    if not told or requested[key] != silent[key]:
        return representation.forced(requested)[None]
    if prime is not None:
        own = representation.said(prime)
        if requested[mode] == silent[mode]:
            requested[key], requested[mode] = own[key], own[mode]
        return representation.forced(requested)[None]
    pieces = len(store.offsets("train")) - 1
    looked = range(0, pieces, -(-pieces // PIECES))
    said = np.stack([store.piece("train", place)[2 : 2 + len(NAMES)] for place in looked]).astype(np.int64)
    known = (said[:, key] != silent[key]) & (said[:, mode] != silent[mode])
    fit = np.flatnonzero(known & (said[:, told] == np.array(requested)[told]).all(axis=1))
    made = []
    for place in range(count):
        own = list(requested)
        if len(fit):
            sample_pieces = said[fit[np.random.default_rng((seed, place, 2)).integers(len(fit))]]
            own[key], own[mode] = int(sample_pieces[key]), int(sample_pieces[mode])
        made.append(representation.forced(own))
    return np.stack(made)
