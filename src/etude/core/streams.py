"""Standard input, output and error where they are missing, or take nothing."""

import os
import sys
from contextlib import suppress


def open_missing() -> None:
    """Have input, output and error lead nowhere where the process was started without them, as by ``2>&-``.

    The next file that is opened would get the number of the missing one, and a library would print into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
        setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def tell(text: str) -> None:
    """Print the last words of a process on standard error, if it takes any.

    A terminal that has closed, a full disk or a pipe without a reader takes none; the exit status still tells.
    """
    with suppress(OSError, ValueError):  # ValueError: it was closed
        print(text, file=sys.stderr, flush=True)
