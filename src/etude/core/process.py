"""The end of a process of etude, a command or a stage: its exit status and its sentence."""

import atexit
import os
import sys

from etude.core import signals, streams

if signals.starts_etude():  # first: what is imported from here on would end in a traceback of Python
    signals.end_at_once("Nothing has been written.")
    streams.open_missing()

import traceback
from collections.abc import Callable
from typing import NoReturn

from etude.core.errors import EtudeError
from etude.core.machine_faults import fault_of
from etude.core.signals import end_children, ended_by_signals, ending, ignore, say
from etude.core.streams import tell

FAULT = "this is a fault of etude; the lines above belong into a report of it."
PATIENCE = 1.0  # seconds that processes which are still there have to end


def run(work: Callable[[], int], left: str) -> NoReturn:
    """Do ``work`` and exit with its status. A known fault prints one sentence, with exit status 2.

    A signal ends it with 128 and its number (130, 143, 129), one sentence, and no process that it has started.

    Args:
        work: gives the exit status.
        left: what is left behind where a signal ends it, in a sentence.
    """
    atexit.register(ignore)  # first, which makes it the last
    with ended_by_signals(left, for_good=True):
        try:
            status = work()
        except SystemExit:
            if ending() is None:
                raise
            status = 0
        except BaseException as error:
            status = _explain(error)
        if (number := ending()) is not None:
            end_children(PATIENCE)
            say(number)
            status = 128 + number
        sys.exit(status)


def _explain(error: BaseException) -> int:
    """Print what is to be said of an error. Returns the exit status."""
    from etude.core.text import visible  # which no stage that ends well needs, and so need not declare

    if ending() is not None:
        return 0  # whatever it is, it comes of the end
    if isinstance(error, KeyboardInterrupt):  # of a process that this one waits for
        number = getattr(error, "number", 2)
        say(number)
        return 128 + int(number)
    if isinstance(error, EtudeError):
        tell(visible(f"etude: {error}"))
        return 2
    if isinstance(error, BrokenPipeError):  # the reader of the output has closed it, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if (sentence := fault_of(error)) is not None:
        tell(visible(f"etude: {sentence}"))
        return 2
    lines = "".join(traceback.format_exception(error))
    tell(f"{lines}etude: {FAULT}")  # a status of its own: 1 is an answer of verify and of originality
    return 70
