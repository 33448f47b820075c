"""Errors of other processes: torch's report of them holds the sentence for the user."""

import traceback

from etude.core.errors import EtudeError
from etude.training.processes import find_cause


def report_of(error: Exception) -> RuntimeError:
    """What torch raises where another process raised ``error``."""
    lines = "".join(traceback.format_exception(error))
    return RuntimeError(f"\n\n-- Process 1 terminated with the following error:\n{lines}")


def test_the_sentence_of_another_process_is_found() -> None:
    found = find_cause(report_of(EtudeError("train/nats_per_token is nan at step 6.")))
    assert isinstance(found, EtudeError) and str(found) == "train/nats_per_token is nan at step 6."


def test_other_errors_stay_as_they_are() -> None:
    error = report_of(ValueError("shapes differ"))
    assert find_cause(error) is error
