"""Commands and stages that a signal ends: their status, their sentence, their run in MLflow, where they listened.

In small what the rows ``signals``, ``sockets`` and ``limits`` of benchmarks/faults.py do at large.
"""

import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from conftest import ROOT
from ends import HELP, LIMITS, LOOPBACK, Command, end_once, faults_of, limit_row, statuses
from signalled import End, etude, signalled, stage

from etude.artifacts.context import Session
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.files import digest
from etude.stages import tokenize

LONG = (
    "experiment=smoke",
    "trainer=ddp",
    "trainer.devices=2",
    "trainer.steps=null",
    "train.max_steps=100000",
    "train.patience=100000",
    "train.keep=null",
    "models.lstm.hidden=8",
    "models.lstm.layers=1",
)


@pytest.fixture
def project(encoded: Session, tmp_path: Path) -> Path:
    """A project of which nothing is trained, with its params.yaml."""
    root = tmp_path / "project"
    shutil.copytree(encoded.root, root)
    (root / "params.yaml").write_text(compile_params(ROOT / "conf", ["experiment=smoke"]), encoding="utf-8")
    return root


def has(root: Path, pattern: str) -> bool:
    """Whether there is something of a name below a project."""
    return any(root.glob(pattern))


def test_a_training_in_two_processes(project: Path) -> None:
    """Ctrl-C at a terminal, which all processes get: one sentence, a run that is KILLED; and nothing was open."""
    command = etude("train", "model=lstm", *LONG)
    end = signalled(
        command, project, signal.SIGINT, group=True, ready=partial(has, project, ".checkpoints/*/last.ckpt")
    )
    assert end.faults(signal.SIGINT) == [], end
    assert statuses(project) == ["KILLED"] and not list(project.glob(".checkpoints/*/*.part"))
    assert end.listened <= LOOPBACK


def test_a_stage_with_workers(project: Path, encoded: Session, settings: Settings) -> None:
    """The terminal closes: one sentence; and what it goes on to is the same."""
    made = project / "data/tokenize/remi"
    shutil.rmtree(made)
    own = {"ETUDE_WORKERS": "2"}
    command, ready = stage("tokenize", "remi"), partial(has, project, ".shards/*/")
    end = signalled(command, project, signal.SIGHUP, group=True, ready=ready, environment=own)
    assert end.faults(signal.SIGHUP) == [] and not made.exists(), end
    assert end.listened <= LOOPBACK
    tokenize.run(settings, Session(root=project, progress=False), "remi")
    assert digest(made) == digest(encoded.root / "data/tokenize/remi")


def test_a_stage_with_workers_of_dask(project: Path) -> None:
    pytest.importorskip("distributed")
    shutil.rmtree(project / "data/tokenize/remi")
    own = {"ETUDE_WORKERS": "2"}
    command = etude("tokenize", "experiment=smoke", "tokenize=remi", "session.engine=dask")
    ready = partial(has, project, ".shards/*/survey-*/")
    end = signalled(command, project, signal.SIGINT, group=True, ready=ready, environment=own)
    # Dask's own processes may say how they ended, where the machine is slow
    assert [fault for fault in end.faults(signal.SIGINT) if fault != "a traceback"] == [], end
    assert end.listened and end.listened <= LOOPBACK


@pytest.mark.parametrize("limit", LIMITS)
def test_a_help_under_a_limit_is_a_help_or_a_sentence(limit: str, tmp_path: Path) -> None:
    rows = list(limit_row(limit, "etude --help", HELP, tmp_path, 0.1))
    if not rows:
        pytest.skip("nobody can be had whom the limit binds")
    assert [row.failures for row in rows] == [[]]


# writes a file in its place, trusts what it finds there, and starts what outlives it
CARELESS = """
import os, subprocess, sys, time
if not os.path.exists("made/file"):
    os.mkdir("made")
    with open("made/file", "w") as file:
        file.write("half")
        file.flush()
        subprocess.Popen(["sleep", "30"], start_new_session=True)
        time.sleep(1)
        file.write(" and half")
"""


def test_a_careless_command_is_found_out(tmp_path: Path) -> None:
    command = Command([sys.executable, "-c", CARELESS], ("made",), needs_project=False)
    wanted = {"made/file": b"half and half"}
    found = " ".join(end_once(command, tmp_path, signal.SIGTERM, True, True, 0.3, wanted, wait=1.0))
    for fault in ("status -15", "0 sentences", "left: sleep 30", "other bytes of made/file"):
        assert fault in found


BY_PYTHON = 'Traceback\n  File "/src/etude/__init__.py", line 7\n  File "/lib/typing.py", line 2\nKeyboardInterrupt\n'


@pytest.mark.parametrize(
    ("status", "said", "untouched", "tolerated"),
    [
        (-2, BY_PYTHON, True, True),
        (-2, BY_PYTHON, False, False),  # something was written
        (-2, BY_PYTHON.replace("__init__", "core/errors"), True, False),
        (0, "", False, True),  # it came when nothing was left to do
        (0, "etude: interrupted.\n", False, False),
        (70, "", True, False),
    ],
)
def test_what_is_tolerated_of_an_end(status: int, said: str, untouched: bool, tolerated: bool) -> None:
    end = End(status, said, "", [], frozenset(), 0.1)
    assert (faults_of(end, signal.SIGINT, HELP, untouched) == []) == tolerated
