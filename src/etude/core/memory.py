"""How much memory this machine has, and amounts of memory as text."""

import os
from pathlib import Path

CONTROL_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # limits of a container


def total_memory() -> int:
    """The bytes of memory that a process can have here: those of the machine, or of its container if that has fewer."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in map(Path, CONTROL_GROUPS):
        try:
            text = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal() and int(text):
            found.append(int(text))
    return min(found)


def in_words(size: int) -> str:
    """An amount of memory with its unit, in powers of 1000: ``1.6 GB``."""
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB", "EB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.3g} {unit}" if amount < 1000 else f"{amount:.0f} {unit}"
