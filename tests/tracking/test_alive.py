"""Which runs are alive: killed ones are closed, those of others are left."""

import signal
import warnings
from pathlib import Path

from tracking.tracked import all_runs, points_of, start, start_process

from etude import tracking
from etude.artifacts.context import Session
from etude.tracking.server import server


def test_a_killed_process_leaves_no_running_run(session: Session) -> None:
    code = "parent = tracking.start_parent(session, 'sweep', {})\n"
    code += "run = tracking.start(session, 'lstm', 'k1', {}, {})\nrun.metrics({'train/loss': 1.0}, 1)\nrun.send()\n"
    code += "print(run.id, parent, flush=True)\ntime.sleep(600)\n"
    child = start_process(session.root, code)
    assert child.stdout is not None
    ids = child.stdout.readline().split()
    assert tracking.reap(session) == []  # alive
    assert [run.info.status for run in all_runs(session)] == ["RUNNING", "RUNNING"]
    child.send_signal(signal.SIGKILL)
    child.wait()
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


def test_four_workers_on_a_database_that_does_not_exist(tmp_path: Path) -> None:
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    def train(number: int) -> str:

        from etude import tracking
        from etude.artifacts.context import Session

        warnings.simplefilter("error", UserWarning)
        run = tracking.start(Session(root=tmp_path, experiment="etude"), "lstm", f"k{number}", {}, {})
        for step in range(20):
            run.metrics({"train/loss": step}, step)
            run.send()
        run.finish(None)
        return run.id

    ids = Parallel(n_jobs=4, backend="loky")(delayed(train)(number) for number in range(4))
    get_reusable_executor().shutdown()
    session = Session(root=tmp_path, experiment="etude")
    runs = all_runs(session)
    assert sorted(run.info.run_id for run in runs) == sorted(ids)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [len(points_of(session, run_id, "train/loss")) for run_id in ids] == [20] * 4
