"""The description of a run: its commit, its place, its experiment."""

import subprocess
from pathlib import Path

import pytest
from tracking.tracked import SETTINGS, all_runs, start

from etude import tracking
from etude.artifacts.context import Session
from etude.tracking.server import server


def test_git_commit_and_dirty_flag(session: Session) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ["git", "-C", str(session.root), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--initial-branch", "trial")
    (session.root / ".gitignore").write_text("/mlruns\n")
    git("add", "-A")
    git("commit", "-m", "one")
    start(session, "clean").finish(None)
    (session.root / "new.py").write_text("")
    start(session, "changed").finish(None)
    tags = {run.data.tags["etude.key"]: run.data.tags for run in all_runs(session)}
    assert tags["clean"]["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert {tags[key]["mlflow.source.git.branch"] for key in tags} == {"trial"}
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


def test_a_run_says_what_it_is_who_started_it_and_on_which_data(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "clara")
    settings = {
        **SETTINGS,
        "dataset": {"name": "bach"},
        "train": {"max_steps": 450, "batch_size": 3},
        "models": {"lstm": {"objective": "next_token"}, "ngram": {"objective": "counting"}},
    }
    tags = {"etude.tokens": "ab" * 32, "etude.representation": "remi", "overrides": "train.max_steps=450 optim.lr=0.01"}
    for name in ("lstm", "ngram"):
        for _ in range(2):  # the second resumes the first
            tracking.start(session, name, "k1 " + name, settings, tags).finish(None, "FAILED")
    runs = {run.data.tags["etude.model"]: run for run in all_runs(session)}
    (read,) = runs["lstm"].inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest) == ("bach", ("ab" * 32)[:16])
    assert [(tag.key, tag.value) for tag in read.tags] == [("mlflow.data.context", "training")]
    assert runs["lstm"].info.run_name == "lstm 450 steps optim.lr=0.01"
    assert runs["ngram"].info.run_name == "ngram optim.lr=0.01"  # it counts, in no steps
    shown = runs["lstm"].data.tags
    assert shown["mlflow.note.content"] == (
        "A training of lstm on bach as remi, 450 steps of 3 sequences, seed 3. "
        "Overrides: train.max_steps=450 optim.lr=0.01. Its results: models/lstm."
    )
    assert (shown["mlflow.user"], shown["mlflow.source.name"], shown["mlflow.source.type"]) == (
        "clara",
        "etude train",
        "LOCAL",
    )
    client = server(session).client
    assert client is not None
    assert "Lower is better" in client.get_experiment_by_name("etude").tags["mlflow.note.content"]


def test_a_description_that_was_edited_stays(session: Session) -> None:
    run = start(session)
    run.finish(None, "FAILED")
    client = server(session).client
    assert client is not None
    client.set_tag(run.id, "mlflow.note.content", "mine")
    start(session).finish(None)
    (made,) = all_runs(session)
    assert made.info.run_id == run.id and made.data.tags["mlflow.note.content"] == "mine"
