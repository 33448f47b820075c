"""Seeds that depend on several numbers."""

import numpy as np


def seed_of(*numbers: int) -> int:
    """A seed for torch, in [0, 2**63), that depends on all ``numbers``."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
