"""Rebuilding by DVC: which instances share one process, and what is said of a failed one."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import ROOT
from filelock import FileLock

from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.runs.graph import instances
from etude.runs.rebuild import LOCK, cut_into_chains, out_of_date, rebuild, run_chain
from etude.runs.schedule import Clock

SETTINGS = Settings.from_params(ROOT / "params.yaml")
FOUND = instances(ROOT, SETTINGS)


def test_a_chain_holds_what_runs_in_turn_anyway() -> None:
    chains = [[one.target for one in chain] for chain in cut_into_chains(FOUND)]
    assert ["download", "ingest", "split", "augment"] in chains and ["report", "track"] in chains
    assert ["train@lstm", "generate@lstm", "evaluate@lstm", "arrange@lstm"] in chains
    assert ["harmonize@voices"] in chains and ["tokenize@remi"] in chains
    assert sorted(name for chain in chains for name in chain) == sorted(one.target for one in FOUND)


def test_a_chain_is_named_by_its_instances() -> None:
    names = [str(chain) for chain in cut_into_chains(FOUND)]
    assert "report, track" in names and "train@gan, generate@gan, evaluate@gan, arrange@gan" in names


STOPPED = """
import signal, subprocess
from etude.runs.rebuild import stop
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and its children do
with subprocess.Popen(["sleep", "60"]) as child:
    stop()
    print(child.wait(timeout=10))
"""


def test_what_was_started_stops_with_it() -> None:
    """A scheduler ends a job by SIGTERM, which its children do not get. In a process that has no other children."""
    place = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", STOPPED], env=place, capture_output=True, text=True, check=True)
    assert int(done.stdout) == -signal.SIGINT


def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A stand-in for ``python -m dvc`` that prints ``text`` and ends as its last line says."""
    *lines, status = text.strip().splitlines()
    file = tmp_path / "dvc"
    file.write_text("#!/bin/sh\n" + "".join(f"echo {shlex.quote(line)}\n" for line in lines) + f"exit {status}\n")
    file.chmod(0o755)
    monkeypatch.setattr("etude.runs.rebuild.sys.executable", str(file))


def test_what_follows_from_a_stale_instance_is_stale_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, monkeypatch, '{"generate@lstm": []}\n0')
    stale = {one.target for one in out_of_date(tmp_path, FOUND)}
    assert stale == {"generate@lstm", "evaluate@lstm", "arrange@lstm", "report", "track"}
    script(tmp_path, monkeypatch, "\n7")
    with pytest.raises(EtudeError, match="dvc status failed"):
        out_of_date(tmp_path, FOUND)


def test_each_instance_of_a_chain_gets_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = next(chain for chain in cut_into_chains(FOUND) if chain[0].target == "train@lstm")
    clock = Clock(tmp_path, [one.target for one in chain], 1)
    text = "Stage 'train@lstm' did not change\nRunning stage 'generate@lstm':\nRunning stage 'evaluate@lstm':\n0"
    script(tmp_path, monkeypatch, text)
    run_chain(tmp_path, chain, clock)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "[1/4] train lstm: nothing to do", "[2/4] generate lstm: 0 s", "[3/4] evaluate lstm: 0 s",
    ]  # fmt: skip


def test_a_long_instance_shows_its_progress_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = next(chain for chain in cut_into_chains(FOUND) if chain[0].target == "train@lstm")
    lines = [f"train lstm: {done}/450, {450 - done} s left train/nats_per_token 2.5" for done in (150, 300)]
    text = "\n".join(["Running stage 'train@lstm':", *lines, "0"])
    shown = []
    for every in (60.0, 0.0):
        monkeypatch.setattr("etude.runs.rebuild.SHARED_LINE_EVERY", every)
        script(tmp_path, monkeypatch, text)
        run_chain(tmp_path, chain, Clock(tmp_path, [one.target for one in chain], 1))
        shown.append([line for line in capsys.readouterr().out.splitlines() if line.startswith("  train lstm: ")])
    assert shown == [[], [f"  {line}" for line in lines]]


def test_a_failed_instance_is_named_with_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = next(chain for chain in cut_into_chains(FOUND) if chain[0].target == "train@gan")
    clock = Clock(tmp_path, [one.target for one in chain], 1)
    script(tmp_path, monkeypatch, "Running stage 'train@gan':\netude: the loss is nan at step 3.\nERROR\n1")
    with pytest.raises(EtudeError, match=r"^the loss is nan at step 3\.$"):
        run_chain(tmp_path, chain, clock)
    assert capsys.readouterr().out.startswith("[1/4] train gan: FAILED")


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: Unable to acquire lock. Most likely another DVC process is running or was terminated abruptly.",
        "ERROR: failed to reproduce 'train@gan': '/a/models/gan' is busy, it is being blocked by:\n  (PID 7): dvc repro"
        "\n\nIf there are no processes with such PIDs, you can manually remove '/a/.dvc/tmp/rwlock' and try again.",
    ],
)
def test_what_another_dvc_command_holds_is_a_sentence(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = next(chain for chain in cut_into_chains(FOUND) if chain[0].target == "train@gan")
    clock = Clock(tmp_path, [one.target for one in chain], 1)
    script(tmp_path, monkeypatch, f"{said}\n255")
    with pytest.raises(
        EtudeError, match=r"^another DVC command is at work in this project\. .* the same command again"
    ):
        run_chain(tmp_path, chain, clock)


def test_a_second_rebuild_waits_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[int | None] = []

    def work(root: Path, jobs: int | None) -> int:
        started.append(jobs)
        return 0

    monkeypatch.setattr("etude.runs.rebuild._rebuild", work)
    first = FileLock(tmp_path / LOCK)
    (tmp_path / LOCK).parent.mkdir()
    first.acquire()
    second = threading.Thread(target=rebuild, args=(tmp_path, 2))
    second.start()
    while "waiting for it" not in capsys.readouterr().out:
        assert second.is_alive()
    assert started == []
    first.release()
    second.join()
    assert started == [2]
    assert rebuild(tmp_path) == 0 and started == [2, None], "it has let go of it"
