"""Seeds that depend on a purpose and several numbers."""

import hashlib


def seed_of(purpose: str, *numbers: int) -> int:
    """A seed for torch, in [0, 2**63), that depends on ``purpose`` and all ``numbers``.

    Streams of different purposes are independent, even with equal numbers.
    """
    text = " ".join([purpose, *map(str, numbers)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
