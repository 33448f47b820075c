"""Which runs are alive: killed ones are closed, those of others are left."""

import time
import warnings
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tracking.tracked import all_runs, forked, points_of, start

from etude import tracking
from etude.artifacts.context import Session
from etude.tracking.server import server

STEPS = 8  # of each of several trainings at once


def test_a_killed_process_leaves_no_running_run(session: Session) -> None:
    def train(to: Connection) -> None:
        parent = tracking.start_parent(session, "sweep", {})
        run = tracking.start(session, "lstm", "k1", {}, {})
        run.metrics({"train/loss": 1.0}, 1)
        run.send()
        to.send([run.id, parent])
        time.sleep(600)

    child, ids_of_child = forked(train)
    ids = ids_of_child.recv()
    assert tracking.reap(session) == []  # alive
    assert [run.info.status for run in all_runs(session)] == ["RUNNING", "RUNNING"]
    child.kill()
    child.join()
    assert sorted(tracking.reap(session)) == sorted(ids) and tracking.reap(session) == []
    assert {run.info.status for run in all_runs(session)} == {"KILLED"}
    assert list((session.root / "mlruns" / "locks").glob("*.lock")) == []
    assert start(session).id == ids[0]  # and the training goes on in its run


def test_a_run_of_another_host_or_project_is_not_reaped(session: Session) -> None:
    start(session, "mine")
    client = server(session).client
    assert client is not None
    experiment, host = server(session).experiment_id, all_runs(session)[0].data.tags["etude.host"]
    client.create_run(experiment, tags={"etude.host": "another", "etude.root": str(session.root)})
    client.create_run(experiment, tags={"etude.host": host, "etude.root": "/another"})
    client.create_run(experiment)  # not ours at all
    dead = client.create_run(experiment, tags={"etude.host": host, "etude.root": str(session.root)})
    assert tracking.reap(session) == [dead.info.run_id]


@pytest.mark.usefixtures("database")  # of another place: it loads MLflow before the workers begin
def test_four_workers_on_a_database_that_does_not_exist(tmp_path: Path) -> None:
    def train(key: str, to: Connection) -> None:
        warnings.simplefilter("error", UserWarning)
        run = tracking.start(Session(root=tmp_path, experiment="etude"), "lstm", key, {}, {})
        for step in range(STEPS):
            run.metrics({"train/loss": step}, step)
            run.send()
        run.finish(None)
        to.send(run.id)

    workers = [forked(partial(train, f"k{number}")) for number in range(4)]
    ids = [id_of_run.recv() for _, id_of_run in workers]
    for worker, _ in workers:
        worker.join()
    assert [worker.exitcode for worker, _ in workers] == [0] * 4
    session = Session(root=tmp_path, experiment="etude")
    runs = all_runs(session)
    assert sorted(run.info.run_id for run in runs) == sorted(ids)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [len(points_of(session, run_id, "train/loss")) for run_id in ids] == [STEPS] * 4


def test_a_run_that_ends_while_lost_ones_are_looked_for_stays_finished(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(session, "one")
    before = all_runs(session)  # RUNNING
    run.finish(None)
    monkeypatch.setattr("etude.tracking.alive.search", lambda *asked: before)
    assert tracking.reap(session) == []
    assert [one.info.status for one in all_runs(session)] == ["FINISHED"]
