"""etude: a reproducible laboratory for symbolic music generation."""

import os

# How long torch's threads spin while they wait for each other; it changes no result. To be set before torch loads.
# Tokens a second in training an LSTM with two threads on two cores, idle | with one other busy process:
# default 16,300 | 600, this 15,500 | 7,300, no spinning 7,600 | 7,700 (one thread: 10,300 | 9,900).
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
