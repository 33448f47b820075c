"""What the import of etude sets in the process, before anything else loads."""

import os
import subprocess
import sys

import pytest

ASKED = """
import resource
{imported}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
size = 48 << 20
kept = b"x" * size; del kept
before = faults()
for _ in range(5):
    kept = b"x" * size; del kept
print((faults() - before) * resource.getpagesize() / (5 * size))
"""


def cleared(imported: str, **variables: str) -> float:
    """The share of freed memory that the system had to clear and map anew when it was asked for again."""
    away = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | variables
    command = [sys.executable, "-c", ASKED.format(imported=imported)]
    return float(subprocess.run(command, env=away, capture_output=True, text=True, check=True).stdout)


def test_freed_memory_is_kept_for_the_next_step() -> None:
    if cleared("") < 0.5:
        pytest.skip("this C library keeps freed memory by itself: there is nothing to be seen")
    assert cleared("import etude") < 0.01
    assert cleared("import etude", MALLOC_MMAP_THRESHOLD_="1000000") > 0.5  # what the user sets goes first
