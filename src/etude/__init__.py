"""etude: a reproducible laboratory for symbolic music generation."""

import os

# How long torch's threads spin while they wait for each other; it changes no result. To be set before torch loads.
# Tokens a second in training an LSTM with two threads on two cores, idle | with one other busy process:
# default 16,300 | 600, this 15,500 | 7,300, no spinning 7,600 | 7,700 (one thread: 10,300 | 9,900).
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# With it, MKL sums a row of a product in the same order whichever thread does it and however many rows there are, from
# a few on (Transformer.rows): a piece is the same alone and in any batch. AMD's processors need it.
os.environ.setdefault("MKL_CBWR", "AUTO")
