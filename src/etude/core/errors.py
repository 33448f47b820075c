"""Errors for the person who reads them: what was wrong, where, and what to do."""

import difflib
from collections.abc import Iterable


class EtudeError(Exception):
    """A fault with a known cause. Its text is a sentence and is shown without a traceback."""


class Pruned(Exception):
    """A training that a sweep ended early, because others were better at the same step. This is no fault."""

    model_name = ""  # of the training, once it is known

    def __init__(self, step: int, metric: str, value: float) -> None:
        """Args: the step of the last validation, what it measured, and the figure."""
        super().__init__(step, metric, value)
        self.step, self.metric, self.value = step, metric, value


def closest(name: str, known: Iterable[str]) -> str:
    """A hint with the closest match and all existing names, as ``Did you mean "lstm"? There are: gan, lstm.``."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f'Did you mean "{near[0]}"? ' if near else ""
    return f"{guess}There are: {', '.join(names)}."
