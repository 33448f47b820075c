"""Runs made, completed and updated from disk."""

import json
import math
import shutil

import pytest
from tracking.tracked import all_runs, artifacts_of, points_of, start, write_training

from etude import tracking
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.core.errors import EtudeError
from etude.tracking import disk


@pytest.mark.usefixtures("quiet")
def test_publish_twice_changes_nothing(session: Session) -> None:
    write_training(session.root)
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    report = {"key": "k1", "metrics": {"test/nats_per_note": 0.7, "valid/nats_per_note": 1.3, "test/empty": math.nan}}
    (session.root / "reports" / "evaluate" / "lstm.json").write_text(json.dumps(report))
    (session.root / "reports" / "evaluate" / "lstm_attention.json").write_text("{}")
    for name in ("lstm.png", "lstm_keys.png", "lstm_attention_keys.png"):
        (session.root / "reports" / "evaluate" / name).write_text(name)
    (session.root / "data" / "arrange" / "lstm").mkdir(parents=True)
    (session.root / "data" / "arrange" / "lstm" / "00.mp3").write_text("sound")
    tracking.publish(session, "lstm")
    (made,) = all_runs(session)
    assert made.info.status == "FINISHED" and made.data.tags["tokens"] == "digest"
    assert made.data.metrics["test.nats_per_note"] == 0.7 and math.isnan(made.data.metrics["test.empty"])
    assert made.data.metrics["valid.nats_per_note"] == 1.3  # of the evaluation
    assert made.data.metrics["valid/nats_per_note"] == 1.25  # of the training
    files = artifacts_of(session, made.info.run_id)
    assert {"evaluate/lstm.png", "evaluate/lstm_keys.png", "arrange/00.mp3"} < set(files)
    assert not any("attention" in name or "weights" in name for name in files)

    def state() -> str:
        (run,) = all_runs(session)
        times = [file.stat().st_mtime_ns for file in sorted((session.root / "mlruns" / "artifacts").rglob("*"))]
        return str((run.to_dictionary(), points_of(session, run.info.run_id, "valid/nats_per_note"), times))

    before = state()
    tracking.publish(session, "lstm")
    assert state() == before
    assert len(points_of(session, made.info.run_id, "test.empty")) == 1


def test_a_publication_that_is_interrupted_is_gone_on_with(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    write_training(session.root)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(disk, "complete", interrupt)
        tracking.publish(session, "lstm")
    (first,) = all_runs(session)
    assert first.info.status == "KILLED" and not list(session.root.glob("mlruns/*.part*"))
    tracking.publish(session, "lstm")
    (then,) = all_runs(session)
    assert then.info.run_id == first.info.run_id and then.info.status == "FINISHED"


def test_publish_adds_an_evaluation_to_the_run_of_the_training(session: Session) -> None:
    run = start(session)
    run.finish(write_training(session.root))
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    file = session.root / "reports" / "evaluate" / "lstm.json"
    file.write_text(json.dumps({"key": "of another training", "metrics": {"test/nats_per_note": 9.0}}))
    tracking.publish(session, "lstm")
    assert "test.nats_per_note" not in all_runs(session)[0].data.metrics
    file.write_text(json.dumps({"metrics": {"test/nats_per_note": 0.7}}))
    tracking.publish(session, "lstm")
    (made,) = all_runs(session)
    assert made.info.run_id == run.id and made.data.metrics["test.nats_per_note"] == 0.7
    (session.root / "data" / "arrange" / "lstm").mkdir(parents=True)
    (session.root / "data" / "arrange" / "lstm" / "00.mp3").write_text("sound")
    tracking.publish(session, "lstm")
    assert "arrange/00.mp3" in artifacts_of(session, run.id)


def test_publish_of_a_hydra_run_takes_its_folder_and_finds_its_run(session: Session) -> None:
    out = session.root / "outputs" / "1"
    write_training(session.root, key="pipeline")
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    (session.root / "reports" / "evaluate" / "lstm.json").write_text(json.dumps({"metrics": {"test/x": 1.0}}))
    run = start(Session(root=session.root, out=out, experiment="etude"), "swept")
    run.finish(write_training(out, key="swept"))
    tracking.publish(Session(root=session.root, run=out, experiment="etude"), "lstm")
    (made,) = all_runs(session)
    assert made.info.run_id == run.id and "test.x" not in made.data.metrics


def test_how_it_was_measured_is_a_parameter_and_the_latest_a_tag(session: Session) -> None:
    write_training(session.root)
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    file = session.root / "reports" / "evaluate" / "lstm.json"
    for temperature in (1.0, 0.8):
        how = {"generate": {"temperature": temperature}, "evaluate": {"bars": 16}}
        file.write_text(json.dumps({"metrics": {"test/x": temperature}, "settings": how}))
        tracking.publish(session, "lstm")
        (made,) = all_runs(session)
        assert made.data.params["generate.temperature"] == "1.0" and made.data.params["evaluate.bars"] == "16"
        assert made.data.tags["generate.temperature"] == str(temperature) and made.data.metrics["test.x"] == temperature
        assert list(tracking.runs(session)["params.generate.temperature"]) == [str(temperature)]


def test_a_training_recorded_from_disk_has_its_dataset_if_that_still_lies_there(
    session: Session, encoded: Session
) -> None:
    shutil.copytree(encoded.root / "data", session.root / "data")
    digest = Store(session.root / "data/tokenize/remi").digest
    for place, tokens in (("", digest), ("runs/other", "f" * 64)):
        folder = write_training(session.root / place, key=tokens[:8])
        record = json.loads((folder / "config.json").read_text())
        record["tags"] |= {"etude.tokens": tokens, "etude.representation": "remi"}
        (folder / "config.json").write_text(json.dumps(record))
        tracking.publish(Session(root=session.root, run=session.root / place, experiment="etude"), "lstm")
        tracking.publish(Session(root=session.root, run=session.root / place, experiment="etude"), "lstm")
    known, unknown = sorted(all_runs(session), key=lambda run: run.data.tags["etude.place"])
    (entry,) = known.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("bach", digest[:16])
    assert (known.data.params["dataset.name"], known.data.tags["mlflow.source.name"]) == ("bach", "etude track")
    assert not unknown.inputs.dataset_inputs and "dataset.name" not in unknown.data.params
    assert unknown.info.status == "FINISHED"


def test_a_manual_training_is_recorded_from_disk_with_its_sweep(session: Session) -> None:
    out = session.root / "runs/1/0"
    write_training(out, key="swept")
    (out / tracking.SWEEP).write_text(json.dumps({"overrides": "optim.lr=1e-3", tracking.PARENT_RUN: "abc"}))
    tracking.publish(Session(root=session.root, run=out, experiment="etude"), "lstm")
    (made,) = all_runs(session)
    assert made.info.run_name == "lstm optim.lr=1e-3" and made.data.tags["mlflow.parentRunId"] == "abc"
    assert made.data.tags["etude.place"] == "runs/1/0"


def test_without_a_history_results_stand_at_the_last_step(session: Session) -> None:
    folder = write_training(session.root)
    (folder / "history.csv").unlink()
    (folder / "result.json").write_text(json.dumps({"steps": 300, "valid/nats_per_note": 1.25}))
    tracking.publish(session, "lstm")
    (made,) = all_runs(session)
    assert points_of(session, made.info.run_id, "valid/nats_per_note") == [(300, 1.25)]


def test_publish_of_damaged_or_missing_results_is_a_sentence(session: Session) -> None:
    with pytest.raises(EtudeError, match="models/lstm does not exist"):
        tracking.publish(session, "lstm")
    folder = write_training(session.root)
    (folder / "history.csv").write_text("step,train/loss\n1,abc\n")
    with pytest.raises(EtudeError, match="is damaged"):
        tracking.publish(session, "lstm")
