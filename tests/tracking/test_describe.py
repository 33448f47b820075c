"""The description of a run: its commit, its place, its experiment."""

import subprocess
from pathlib import Path

import pytest
from tracking.tracked import all_runs, start

from etude.artifacts.context import Session


def test_git_commit_and_dirty_flag(session: Session) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ["git", "-C", str(session.root), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    (session.root / ".gitignore").write_text("/mlruns\n")
    git("add", "-A")
    git("commit", "-m", "one")
    start(session, "clean").finish(None)
    (session.root / "new.py").write_text("")
    start(session, "changed").finish(None)
    tags = {run.data.tags["etude.key"]: run.data.tags for run in all_runs(session)}
    assert tags["clean"]["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert (tags["clean"]["etude.git.dirty"], tags["changed"]["etude.git.dirty"]) == ("false", "true")


def test_a_queued_experiment_logs_to_the_project_it_was_copied_from(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    monkeypatch.setenv("DVC_ROOT", str(session.root))
    start(Session(root=tmp_path / "copy", experiment="etude")).finish(None)
    (run,) = all_runs(session)
    assert run.data.tags["DVC_EXP_NAME"] == "puffy-daks" and run.data.tags["DVC_EXP_BASELINE_REV"] == "abc"
    assert run.info.run_name == "lstm puffy-daks"
    assert run.info.artifact_uri.startswith(str(session.root))
    assert not (tmp_path / "copy").exists()
