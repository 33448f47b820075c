"""Advice leads somewhere: in an empty folder, what each message says is done until the command works."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from etude.cli import main as cli
from etude.core.errors import EtudeError

SMALL = (
    "experiment=smoke",
    "dataset.limit=12",
    "augment.copies=1",
    "generate.pieces=2",
    "generate.max_tokens=80",
    "evaluate.bars=2",
    "mix.sample_rate=8000",
    "tokenize=remi",
)  # what a test can wait for
Run = Callable[[Sequence[str]], tuple[str, str]]


@pytest.fixture
def etude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command in an empty folder, in this process: what it prints, and its error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETUDE_PROGRESS", "0")
    monkeypatch.setenv("ETUDE_WORKERS", "1")
    monkeypatch.setattr("etude.tasks.trained_model.PACKAGED", tmp_path / "none")
    for name in ("HYDRA_FULL_ERROR", "ETUDE_LAUNCH"):
        monkeypatch.setenv(name, "")  # the command sets them: put back after the test

    def run(arguments: Sequence[str]) -> tuple[str, str]:
        try:
            assert (
                cli.run_command(
                    [*arguments, *(part for part in SMALL if part.split("=")[0] not in " ".join(arguments))]
                )
                == 0
            )
        except EtudeError as error:
            return capsys.readouterr().out, str(error)
        return capsys.readouterr().out, ""

    return run


def follow(etude: Run, command: Sequence[str]) -> tuple[str, list[str]]:
    """Do what a command and the messages after it say; what the last one prints, and what was done."""
    done: list[str] = []
    for _ in range(5):
        said, fault = etude(command)
        done.append(" ".join(command))
        if not fault:
            return said, done
        advice = re.search(r"with: (etude (.+)|session\.run=(\S+))$", fault)
        assert advice, f"{command}: {fault} names nothing to do"
        if advice[2]:
            _, more = etude(advice[2].split())
            done.append(f"etude {advice[2]}")
            assert not more, f"{advice[1]}: {more}"
        else:
            command = [*command, advice[1]]
    raise AssertionError(f"the advice leads in a circle: {done}")


def test_from_nothing_to_music_and_on_from_there(etude: Run) -> None:
    said, done = follow(etude, ["generate", "model=ngram"])
    assert len(done) == 4, done  # generate, all, generate, generate with session.run
    for name in ("evaluate", "arrange"):  # what each prints is the next command
        following = re.search(rf"with: etude ({name} .*)", said)
        assert following, said
        said, _ = follow(etude, following[1].split())
