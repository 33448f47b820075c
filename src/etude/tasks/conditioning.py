"""What a piece is asked to be like: the requests of the stage ``control``, and whether a piece meets one."""

from collections.abc import Iterator, Sequence
from typing import Any

from symusic.core import ScoreTick

from etude.representations.attributes import MODES, UNITS, WORDS, Attributes


def control_requests(keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One control attribute at a time: the keys, both modes, and the lowest and highest level of all others."""
    yield from ({"key": key} for key in keys)
    yield from ({"mode": mode} for mode in MODES)
    for name in UNITS:
        yield from ({name: word} for word in (WORDS[0], WORDS[-1]))


def meets(representation: Attributes, score: ScoreTick, control: dict[str, Any]) -> bool:
    """Whether a piece has the key, mode and levels that the control attributes name."""
    neutral = {tokens[0] for tokens in representation.controls}
    pairs = zip(representation.requested_tokens(control), representation.control_tokens(score), strict=True)
    return all(actual == requested for requested, actual in pairs if requested not in neutral)
