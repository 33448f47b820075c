"""What pieces are asked to be like: the requests of the stage ``control``."""

from collections.abc import Iterator, Sequence
from typing import Any

from etude.representations.attributes import MODES, UNITS, WORDS


def control_requests(keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One control attribute at a time: the keys, both modes, and the lowest and highest level of all others."""
    yield from ({"key": key} for key in keys)
    yield from ({"mode": mode} for mode in MODES)
    for name in UNITS:
        yield from ({name: word} for word in (WORDS[0], WORDS[-1]))
