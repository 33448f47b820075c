"""etude: a reproducible laboratory for symbolic music generation."""

import ctypes
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etude.api import Model, Piece, load, read
    from etude.core.errors import EtudeError

__all__ = ["EtudeError", "Model", "Piece", "load", "read"]

# How long torch's threads spin while they wait for each other; it changes no result. To be set before torch loads.
# Tokens a second in training an LSTM with two threads on two cores, idle | with one other busy process:
# default 16,300 | 600, this 15,500 | 7,300, no spinning 7,600 | 7,700 (one thread: 10,300 | 9,900).
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _strict() -> str:
    """What MKL_CBWR says besides on Intel's CPUs, for which alone it is."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpus:
            return ",STRICT" if "GenuineIntel" in cpus.read(200) else ""
    except OSError:  # another system than Linux
        return ""


# The same bytes on every CPU of one maker with AVX2: without this, libraries choose kernels by the CPU, which sum in
# another order. On an EPYC (family 25, model 1) it costs nothing. ETUDE_CPU=native gives the CPU's own kernels, which
# is faster where there is AVX-512 or AMX (`make full`). MKL_CBWR must be set in either case: with it, MKL sums a row of
# a product in the same order whichever thread does it and however many rows there are, from a few on
# (Transformer.min_batch), so that a piece is the same alone and in any batch. Intel's CPUs do so with STRICT.
if os.environ.get("ETUDE_CPU") == "native":
    os.environ.setdefault("MKL_CBWR", f"AUTO{_strict()}")
else:
    os.environ.setdefault("MKL_CBWR", f"AVX2{_strict()}")
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")

# Memory that a training step frees is kept for the next one. glibc hands the large pieces back to the system, which has
# to clear them page by page when they are asked for again: 140,000 page faults a second in training `lstm`, an eighth
# of the CPU's time. The peak may be a sixth higher. Where the user sets it, that goes first.
if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # other C libraries have none
        mallopt(-4, 0)  # M_MMAP_MAX: no piece is mapped by itself
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes


def __getattr__(name: str) -> Any:
    """The names of the Python door, whose imports take seconds, when one is asked for."""
    if name in __all__:
        return getattr(importlib.import_module("etude.api"), name)
    raise AttributeError(f"module 'etude' has no attribute {name!r}")
