"""etude: a reproducible laboratory for symbolic music generation."""

import ctypes
import os
import sys

# How long torch's threads spin while they wait for each other; it changes no result. To be set before torch loads.
# Tokens a second in training an LSTM with two threads on two cores, idle | with one other busy process:
# default 16,300 | 600, this 15,500 | 7,300, no spinning 7,600 | 7,700 (one thread: 10,300 | 9,900).
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# With it, MKL sums a row of a product in the same order whichever thread does it and however many rows there are, from
# a few on (Transformer.rows): a piece is the same alone and in any batch. AMD's processors need it.
os.environ.setdefault("MKL_CBWR", "AUTO")

# Memory that a training step frees is kept for the next one. glibc hands the large pieces back to the system, which has
# to clear them page by page when they are asked for again: 140,000 page faults a second in training `lstm`, an eighth
# of the processor's time. The peak may be a sixth higher. Where the user sets it, that goes first.
if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # other C libraries have none
        mallopt(-4, 0)  # M_MMAP_MAX: no piece is mapped by itself
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes
