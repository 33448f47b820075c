"""The entry point: known faults are one sentence with status 2, others have a status that no answer has."""

import sys
from collections.abc import Sequence

import pytest

from etude.cli import entry
from etude.core.errors import EtudeError


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (EtudeError("a.mid\x1b[2J is no score"), 2, "etude: a.mid�[2J is no score\n"),
        (ZeroDivisionError("by nothing"), 70, "ZeroDivisionError: by nothing\netude: this is a fault of etude"),
        (KeyboardInterrupt(), 130, "etude: interrupted"),
    ],
)
def test_faults_have_statuses(
    fault: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(arguments: Sequence[str]) -> int:
        raise fault

    monkeypatch.setattr(entry, "run", run)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == status and said in capsys.readouterr().err


def test_the_status_of_a_command_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "run", lambda arguments: 1)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("mix", "No file is half-written: each is as it was before, or complete."),
        ("arrange", "No file is half-written: each is as it was before, or complete."),
        ("train", "A training goes on from its last epoch when the same command is given again."),
    ],
)
def test_an_interruption_says_what_is_left(
    command: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: Sequence[str]) -> int:
        sys.argv = ["etude", "of Hydra"]  # which has changed them by then
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "run", run)
    monkeypatch.setattr(sys, "argv", ["etude", command, "output=a.wav"])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 130 and capsys.readouterr().err == f"etude: interrupted. {said}\n"
