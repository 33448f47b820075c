"""A server that is away, dies, or has a damaged database."""

import time
from pathlib import Path

import pytest
from hanging import ANSWERS, hanging
from tracking.tracked import Away, all_runs, artifacts_of, points_of, start, write_training

from etude import tracking
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.tracking import server as place
from etude.tracking.server import server


def test_a_server_away_from_the_start_costs_a_warning_and_no_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_training(session.root)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")  # nobody listens there
        started = time.monotonic()
        with pytest.warns(UserWarning, match="MLflow at http://127.0.0.1:9 is away") as caught:
            assert tracking.start_parent(session, "sweep", {}) == ""
            run = start(session)
            for step in range(1000):
                run.metrics({"train/loss": 1.0}, step)
            run.finish(folder)
            tracking.publish(session, "lstm")
        assert time.monotonic() - started < 6
        assert len(caught) == 1 and "secret" not in str(caught[0].message)
        with pytest.raises(EtudeError, match="cannot be read"):
            tracking.runs(session)
    tracking.publish(session, "lstm")
    (made,) = all_runs(session)
    assert made.info.status == "FINISHED"
    assert points_of(session, made.info.run_id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]


def test_a_server_that_hangs_costs_no_training(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_training(session.root)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # second; etude waits for 5
    started = time.monotonic()
    with hanging(ANSWERS["never answers"]) as uri, monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.warns(UserWarning, match="is away"):
            run = start(session)
            for step in range(1000):
                run.metrics({"train/loss": 1.0}, step)
            run.finish(folder)
    assert time.monotonic() - started < 30
    tracking.publish(session, "lstm")
    (made,) = all_runs(session)
    assert made.info.status == "FINISHED"


def test_a_server_that_dies_midway_and_comes_back(session: Session) -> None:
    run, place = start(session), server(session)
    run.metrics({"train/loss": 4.5}, 1)
    run.send()
    there, place.client = place.client, Away()
    with pytest.warns(UserWarning, match="gone"):
        run.metrics({"train/loss": 3.5}, 2)
        run.send()
    place.client = there
    run.send()  # half a minute has not passed
    assert points_of(session, run.id, "train/loss") == [(1, 4.5)]
    place.retry_at = 0
    run.send()
    assert points_of(session, run.id, "train/loss") == [(1, 4.5), (2, 3.5)]
    run.finish(None)


def test_a_run_that_ends_while_the_server_is_away_is_completed_from_disk(session: Session) -> None:
    run, place = start(session), server(session)
    run.metrics({"train/loss": 4.5}, 1)
    run.send()
    there, place.client = place.client, Away()
    with pytest.warns(UserWarning, match="gone"):
        run.finish(write_training(session.root))
    place.client, place.retry_at = there, 0
    tracking.publish(session, "lstm")
    (made,) = all_runs(session)
    assert (made.info.run_id, made.info.status) == (run.id, "FINISHED")
    assert points_of(session, run.id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]
    assert "samples/00.mp3" in artifacts_of(session, run.id)


def test_a_deleted_experiment_is_restored_with_a_sentence(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    start(session).finish(None)
    first = server(session)
    assert first.client is not None
    first.client.delete_experiment(first.experiment_id)
    monkeypatch.setattr(place, "_servers", {})  # as in another process
    with pytest.warns(UserWarning, match='experiment "etude" was deleted.*restored.*MLFLOW_EXPERIMENT_NAME'):
        start(session, "k2").finish(None)
    assert [run.info.status for run in all_runs(session)] == ["FINISHED", "FINISHED"]


def test_an_experiment_that_is_deleted_meanwhile_is_restored_by_the_next_attempt(session: Session) -> None:
    start(session).finish(None)
    place = server(session)
    assert place.client is not None
    place.client.delete_experiment(place.experiment_id)
    with pytest.warns(UserWarning, match="refused this"):
        run = start(session, "k2")
    place.retry_at = 0
    with pytest.warns(UserWarning, match='experiment "etude" was deleted.*restored'):
        run.finish(None)
    assert [run.info.status for run in all_runs(session)] == ["FINISHED", "FINISHED"]


def test_a_damaged_database_costs_a_warning_and_no_time(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"not a database" * 100)
    started = time.monotonic()
    with pytest.warns(UserWarning, match=r"not a database.*Move it away: `etude track` makes another"):
        start(Session(root=tmp_path, experiment="etude")).finish(None)
    assert time.monotonic() - started < 6
