"""Tracking: one run a training, live or from disk, with a real sqlite database and servers that are away."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etude import tracking
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.tracking.server import server

SOURCES = Path(tracking.__file__).parents[2]
SETTINGS = {
    "seed": 3,
    "optim": {"lr": 2.0e-3},
    "augment": {"stretch": [0.9, 1.0], "transpose": True},
    "models": {"lstm": {"hidden": 8, "_target_": "etude.models.lstm.LSTM"}, "gan": {"noise": 4}},
}
HISTORY = "step,train/loss,valid/nats_per_note\n1,4.5,\n2,3.5,2.0\n3,2.5,1.5\n"


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, made once: its creation takes 3 s."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracking.reap(Session(root=root, experiment="template"))
    return root / "mlruns" / "mlflow.db"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "ETUDE_PARENT_RUN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def session(tmp_path: Path, database: Path) -> Session:
    root = tmp_path / "a project"
    (root / "mlruns").mkdir(parents=True)
    shutil.copy(database, root / "mlruns" / "mlflow.db")
    return Session(root=root, experiment="etude")


@pytest.fixture
def quiet() -> Iterator[None]:
    """No warning is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def start(session: Session, key: str = "k1", settings: dict[str, Any] = SETTINGS) -> tracking.Run:
    return tracking.start(session, "lstm", key, settings, {"tokens": "digest"})


def trained(top: Path, model_name: str = "lstm", key: str = "k1") -> Path:
    """models/V as a training leaves it."""
    folder = top / "models" / model_name
    (folder / "samples").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "settings.json").write_text(json.dumps({"key": key, "settings": SETTINGS, "tags": {"tokens": "digest"}}))
    (folder / "history.csv").write_text(HISTORY)
    (folder / "result.json").write_text(json.dumps({"best/step": 3, "valid/nats_per_note": 1.25, "note": "x"}))
    for name in ("00.mid", "00.mp3", "00.html"):
        (folder / "samples" / name).write_text(name)
    return folder


def everything(session: Session) -> list[Any]:
    """All runs, whatever their state, the youngest first."""
    tracking.reap(session)
    client, experiment = server(session).client, server(session).experiment_id
    assert client is not None
    return list(client.search_runs([experiment]))


def history(session: Session, run_id: str, name: str) -> list[tuple[int, float]]:
    client = server(session).client
    assert client is not None
    return sorted((point.step, point.value) for point in client.get_metric_history(run_id, name))


def artifacts(session: Session, run_id: str) -> list[str]:
    top = session.root / "mlruns" / "artifacts" / run_id / "artifacts"
    return sorted(file.relative_to(top).as_posix() for file in top.rglob("*") if file.is_file())


def process(root: Path, code: str) -> subprocess.Popen[str]:
    """Run ``code`` in a process of its own, with ``session`` and ``tracking`` at hand."""
    head = "import os, time\nfrom pathlib import Path\nfrom etude import tracking\nfrom etude.artifacts.context import Session\n"
    head += f"session = Session(root=Path({str(root)!r}), experiment='etude')\n"
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    return subprocess.Popen([sys.executable, "-c", head + code], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("quiet")
def test_a_training_is_one_run_with_its_settings_metrics_and_files(session: Session) -> None:
    run = start(session)
    assert everything(session)[0].info.status == "RUNNING"
    run.metrics({"train/loss": 4.5}, 1)
    assert history(session, run.id, "train/loss") == [(1, 4.5)]  # live
    run.metrics({"train/loss": 3.5, "valid/nats_per_note": 2.0}, 2)
    assert history(session, run.id, "train/loss") == [(1, 4.5)]  # not a call a step
    run.finish(trained(session.root))
    (made,) = everything(session)
    assert made.info.status == "FINISHED" and made.info.run_name == "lstm seed=3"
    assert made.data.params == {
        "model": "lstm", "seed": "3", "optim.lr": "0.002",
        "augment.stretch": "[0.9, 1.0]", "augment.transpose": "true",
        "model.hidden": "8", "model._target_": "etude.models.lstm.LSTM",
    }  # fmt: skip
    tags = made.data.tags
    assert (tags["etude.key"], tags["etude.place"], tags["etude.model"], tags["tokens"]) == (
        "k1",
        "",
        "lstm",
        "digest",
    )
    assert history(session, run.id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]  # step 3 from history.csv
    assert made.data.metrics == {"train/loss": 2.5, "valid/nats_per_note": 1.25, "best/step": 3.0}
    wanted = ["history.csv", "result.json", "samples/00.html", "samples/00.mid", "samples/00.mp3", "settings.json"]
    assert artifacts(session, run.id) == wanted


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
    tags = {run.data.tags["etude.key"]: run.data.tags for run in everything(session)}
    assert tags["clean"]["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert (tags["clean"]["etude.git.dirty"], tags["changed"]["etude.git.dirty"]) == ("false", "true")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_an_unfinished_run_is_continued_and_steps_are_not_doubled(session: Session, status: str) -> None:
    first = start(session)
    first.metrics({"train/loss": 4.5}, 1)
    first.metrics({"train/loss": 3.5}, 2)
    first.finish(None, status)
    second = start(session)
    assert second.id == first.id and everything(session)[0].info.status == "RUNNING"
    second.metrics({"train/loss": 3.5}, 2)  # again, from the last checkpoint on
    second.metrics({"train/loss": 2.5}, 3)
    second.finish(None)
    assert history(session, first.id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]
    third = start(session)  # a finished run is left alone
    third.finish(None)
    assert third.id != first.id


def test_a_run_continued_with_other_settings_outside_its_key_keeps_its_own(session: Session) -> None:
    start(session).finish(None, "FAILED")
    start(session, settings={**SETTINGS, "seed": 4, "more": 1}).finish(None)
    (run,) = everything(session)
    assert run.data.params["seed"] == "3" and run.data.params["more"] == "1"


def test_another_key_place_or_living_process_is_another_run(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    living = start(session)
    beside = start(session)
    other = start(session, "k2")
    swept = start(Session(root=session.root, out=session.root / "outputs" / "1", experiment="etude"))
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    named = start(session)
    runs = [living, beside, other, swept, named]
    assert len({run.id for run in runs}) == 5
    places = {run.info.run_id: run.data.tags["etude.place"] for run in everything(session)}
    assert [places[run.id] for run in runs] == ["", "", "", "outputs/1", "puffy-daks"]
    for run in runs:
        run.finish(None)


def test_a_queued_experiment_logs_to_the_project_it_was_copied_from(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    monkeypatch.setenv("DVC_ROOT", str(session.root))
    start(Session(root=tmp_path / "copy", experiment="etude")).finish(None)
    (run,) = everything(session)
    assert run.data.tags["DVC_EXP_NAME"] == "puffy-daks" and run.data.tags["DVC_EXP_BASELINE_REV"] == "abc"
    assert run.info.run_name == "lstm puffy-daks"
    assert run.info.artifact_uri.startswith(str(session.root))
    assert not (tmp_path / "copy").exists()


def test_a_killed_process_leaves_no_running_run(session: Session) -> None:
    code = "parent = tracking.start_parent(session, 'sweep', {})\n"
    code += "run = tracking.start(session, 'lstm', 'k1', {}, {})\nrun.metrics({'train/loss': 1.0}, 1)\nrun.send()\n"
    code += "print(run.id, parent, flush=True)\ntime.sleep(600)\n"
    child = process(session.root, code)
    assert child.stdout is not None
    ids = child.stdout.readline().split()
    assert tracking.reap(session) == []  # alive
    assert [run.info.status for run in everything(session)] == ["RUNNING", "RUNNING"]
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert sorted(tracking.reap(session)) == sorted(ids) and tracking.reap(session) == []
    assert {run.info.status for run in everything(session)} == {"KILLED"}
    assert list((session.root / "mlruns" / "locks").glob("*.lock")) == []
    assert start(session).id == ids[0]  # and the training goes on in its run


def test_a_run_of_another_host_or_project_is_not_reaped(session: Session) -> None:
    start(session, "mine")
    client = server(session).client
    assert client is not None
    experiment, host = server(session).experiment_id, everything(session)[0].data.tags["etude.host"]
    client.create_run(experiment, tags={"etude.host": "another", "etude.root": str(session.root)})
    client.create_run(experiment, tags={"etude.host": host, "etude.root": "/another"})
    client.create_run(experiment)  # not ours at all
    dead = client.create_run(experiment, tags={"etude.host": host, "etude.root": str(session.root)})
    assert tracking.reap(session) == [dead.info.run_id]


def test_four_workers_on_a_database_that_does_not_exist(tmp_path: Path) -> None:
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    def train(number: int) -> str:
        import warnings

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
    runs = everything(session)
    assert sorted(run.info.run_id for run in runs) == sorted(ids)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [len(history(session, run_id, "train/loss")) for run_id in ids] == [20] * 4


def test_a_server_away_from_the_start_costs_a_warning_and_no_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trained(session.root)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")  # nobody listens there
        began = time.monotonic()
        with pytest.warns(UserWarning, match="MLflow at http://127.0.0.1:9 is away") as caught:
            assert tracking.start_parent(session, "sweep", {}) == ""
            run = start(session)
            for step in range(1000):
                run.metrics({"train/loss": 1.0}, step)
            run.finish(folder)
            tracking.publish(session, "lstm")
        assert time.monotonic() - began < 6
        assert len(caught) == 1 and "secret" not in str(caught[0].message)
        with pytest.raises(EtudeError, match="cannot be read"):
            tracking.runs(session)
    tracking.publish(session, "lstm")
    (made,) = everything(session)
    assert made.info.status == "FINISHED"
    assert history(session, made.info.run_id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]


class Away:
    """A client whose server is away."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("gone")


def test_a_server_that_dies_midway_and_comes_back(session: Session) -> None:
    run, place = start(session), server(session)
    run.metrics({"train/loss": 4.5}, 1)
    run.send()
    there, place.client = place.client, Away()  # type: ignore[assignment]
    with pytest.warns(UserWarning, match="gone"):
        run.metrics({"train/loss": 3.5}, 2)
        run.send()
    place.client = there
    run.send()  # half a minute has not passed
    assert history(session, run.id, "train/loss") == [(1, 4.5)]
    place.retry_at = 0
    run.send()
    assert history(session, run.id, "train/loss") == [(1, 4.5), (2, 3.5)]
    run.finish(None)


def test_a_run_that_ends_while_the_server_is_away_is_made_whole_from_disk(session: Session) -> None:
    run, place = start(session), server(session)
    run.metrics({"train/loss": 4.5}, 1)
    run.send()
    there, place.client = place.client, Away()  # type: ignore[assignment]
    with pytest.warns(UserWarning, match="gone"):
        run.finish(trained(session.root))
    place.client, place.retry_at = there, 0
    tracking.publish(session, "lstm")
    (made,) = everything(session)
    assert (made.info.run_id, made.info.status) == (run.id, "FINISHED")
    assert history(session, run.id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]
    assert "samples/00.mp3" in artifacts(session, run.id)


def test_an_outage_in_the_middle_of_the_start_makes_no_second_run(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = server(session)
    tracking.reap(session)
    log_batch, failures = place.client.log_batch, iter([True])  # type: ignore[union-attr]

    def flaky(*args: Any, **more: Any) -> None:
        if next(failures, False):
            raise ConnectionError("gone")
        log_batch(*args, **more)

    monkeypatch.setattr(place.client, "log_batch", flaky)
    with pytest.warns(UserWarning, match="gone"):
        run = start(session)
    place.retry_at = 0
    run.send()
    (made,) = everything(session)
    assert made.info.run_id == run.id and made.data.params["model.hidden"] == "8"
    run.finish(None)


def test_a_damaged_database_costs_a_warning_and_no_time(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"not a database" * 100)
    began = time.monotonic()
    with pytest.warns(UserWarning, match="not a database"):
        start(Session(root=tmp_path, experiment="etude")).finish(None)
    assert time.monotonic() - began < 6


@pytest.mark.usefixtures("quiet")
def test_publish_twice_changes_nothing(session: Session) -> None:
    trained(session.root)
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    report = {"key": "k1", "metrics": {"test/nats_per_note": 0.7, "valid/nats_per_note": 1.3, "test/empty": math.nan}}
    (session.root / "reports" / "evaluate" / "lstm.json").write_text(json.dumps(report))
    (session.root / "reports" / "evaluate" / "lstm_attention.json").write_text("{}")
    for name in ("lstm.png", "lstm_keys.png", "lstm_attention_keys.png"):
        (session.root / "reports" / "evaluate" / name).write_text(name)
    (session.root / "data" / "arrange" / "lstm").mkdir(parents=True)
    (session.root / "data" / "arrange" / "lstm" / "00.mp3").write_text("sound")
    tracking.publish(session, "lstm")
    (made,) = everything(session)
    assert made.info.status == "FINISHED" and made.data.tags["tokens"] == "digest"
    assert made.data.metrics["test/nats_per_note"] == 0.7 and math.isnan(made.data.metrics["test/empty"])
    assert made.data.metrics["valid/nats_per_note"] == 1.3  # the evaluation's word counts
    files = artifacts(session, made.info.run_id)
    assert {"evaluate/lstm.png", "evaluate/lstm_keys.png", "arrange/00.mp3"} < set(files)
    assert not any("attention" in name or "weights" in name for name in files)

    def state() -> str:
        (run,) = everything(session)
        times = [file.stat().st_mtime_ns for file in sorted((session.root / "mlruns" / "artifacts").rglob("*"))]
        return str((run.to_dictionary(), history(session, run.info.run_id, "valid/nats_per_note"), times))

    before = state()
    tracking.publish(session, "lstm")
    assert state() == before
    assert len(history(session, made.info.run_id, "test/empty")) == 1


def test_publish_adds_an_evaluation_to_the_run_of_the_training(session: Session) -> None:
    run = start(session)
    run.finish(trained(session.root))
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    file = session.root / "reports" / "evaluate" / "lstm.json"
    file.write_text(json.dumps({"key": "of another training", "metrics": {"test/nats_per_note": 9.0}}))
    tracking.publish(session, "lstm")
    assert "test/nats_per_note" not in everything(session)[0].data.metrics
    file.write_text(json.dumps({"metrics": {"test/nats_per_note": 0.7}}))
    tracking.publish(session, "lstm")
    (made,) = everything(session)
    assert made.info.run_id == run.id and made.data.metrics["test/nats_per_note"] == 0.7
    (session.root / "data" / "arrange" / "lstm").mkdir(parents=True)
    (session.root / "data" / "arrange" / "lstm" / "00.mp3").write_text("sound")
    tracking.publish(session, "lstm")
    assert "arrange/00.mp3" in artifacts(session, run.id)


def test_publish_of_a_hydra_run_takes_its_folder_and_finds_its_run(session: Session) -> None:
    out = session.root / "outputs" / "1"
    trained(session.root, key="pipeline")
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    (session.root / "reports" / "evaluate" / "lstm.json").write_text(json.dumps({"metrics": {"test/x": 1.0}}))
    run = start(Session(root=session.root, out=out, experiment="etude"), "swept")
    run.finish(trained(out, key="swept"))
    tracking.publish(Session(root=session.root, run=out, experiment="etude"), "lstm")
    (made,) = everything(session)
    assert made.info.run_id == run.id and "test/x" not in made.data.metrics


def test_how_it_was_measured_is_a_tag_that_can_change(session: Session) -> None:
    trained(session.root)
    (session.root / "reports" / "evaluate").mkdir(parents=True)
    file = session.root / "reports" / "evaluate" / "lstm.json"
    for temperature in (1.0, 0.8):
        how = {"generate": {"temperature": temperature}, "evaluate": {"bars": 16}}
        file.write_text(json.dumps({"metrics": {"test/x": temperature}, "settings": how}))
        tracking.publish(session, "lstm")
        (made,) = everything(session)
        assert made.data.tags["generate.temperature"] == str(temperature) and made.data.tags["evaluate.bars"] == "16"


def test_a_training_by_hand_is_recorded_from_disk_with_its_sweep(session: Session) -> None:
    out = session.root / "runs/1/0"
    trained(out, key="swept")
    (out / tracking.SWEEP).write_text(json.dumps({"overrides": "optim.lr=1e-3", tracking.PARENT_RUN: "abc"}))
    tracking.publish(Session(root=session.root, run=out, experiment="etude"), "lstm")
    (made,) = everything(session)
    assert made.info.run_name == "lstm optim.lr=1e-3" and made.data.tags["mlflow.parentRunId"] == "abc"
    assert made.data.tags["etude.place"] == "runs/1/0"


def test_without_a_history_results_stand_at_the_last_step(session: Session) -> None:
    folder = trained(session.root)
    (folder / "history.csv").unlink()
    (folder / "result.json").write_text(json.dumps({"steps": 300, "valid/nats_per_note": 1.25}))
    tracking.publish(session, "lstm")
    (made,) = everything(session)
    assert history(session, made.info.run_id, "valid/nats_per_note") == [(300, 1.25)]


def test_publish_of_damaged_or_missing_results_is_a_sentence(session: Session) -> None:
    with pytest.raises(EtudeError, match="etude train model=lstm"):
        tracking.publish(session, "lstm")
    folder = trained(session.root)
    (folder / "history.csv").write_text("step,train/loss\n1,abc\n")
    with pytest.raises(EtudeError, match="is damaged"):
        tracking.publish(session, "lstm")


@pytest.mark.usefixtures("quiet")
def test_a_parent_and_its_children(session: Session) -> None:
    parent = tracking.start_parent(session, "lr", {"sweep": "optim.lr=1,2"})
    assert os.environ["ETUDE_PARENT_RUN"] == parent
    children = [start(session, key) for key in ("k1", "k2")]
    for child in children:
        child.finish(None)
    tracking.finish_parent(session, parent)
    assert "ETUDE_PARENT_RUN" not in os.environ
    runs = {run.info.run_id: run for run in everything(session)}
    assert {run.info.status for run in runs.values()} == {"FINISHED"} and len(runs) == 3
    assert {runs[child.id].data.tags["mlflow.parentRunId"] for child in children} == {parent}
    assert runs[parent].data.tags["sweep"] == "optim.lr=1,2" and runs[parent].info.run_name == "lr"
    table = tracking.runs(session)
    assert list(table["model"]) == ["lstm", "lstm"] and parent not in set(table["run_id"])
    assert list(table["params.model.hidden"]) == ["8", "8"]


@pytest.mark.usefixtures("quiet")
def test_long_and_odd_values_do_not_stop_a_run(session: Session) -> None:
    settings = {"seed": 1, "long": "x" * 300, "longest": "y" * 9000, "none": None, "odd#key": 1, "empty": {}}
    run = tracking.start(session, "lstm", "k1", settings, {"long": "z" * 9000})
    run.metrics({"a": math.nan, "b": math.inf, "c": 1.0, "odd#metric": 2.0}, 1)
    run.finish(None)
    (made,) = everything(session)
    params = made.data.params
    assert params["long"] == "x" * 300 and len(params["longest"]) == 6000
    assert (params["none"], params["odd_key"], params["empty"]) == ("null", "1", "{}")
    assert math.isnan(made.data.metrics["a"]) and math.isnan(made.data.metrics["b"])
    assert made.data.metrics["c"] == 1.0 and made.data.metrics["odd_metric"] == 2.0


def test_runs_of_an_empty_database(session: Session) -> None:
    table = tracking.runs(session)
    assert len(table) == 0 and "model" in table


def test_the_room_is_cheap_to_import() -> None:
    code = "import sys; import etude.tracking; sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
