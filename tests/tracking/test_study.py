"""A listening test has one run in MLflow, with its figures and files; analysed again, it is the same run."""

from pathlib import Path

import mlflow
import pytest

from etude.artifacts.context import Session
from etude.tracking.server import server
from etude.tracking.study import TAG, log_study


def test_one_run_a_test(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    session = Session(root=tmp_path, progress=False)
    file = tmp_path / "analysis.json"
    file.write_text("{}")
    assert log_study(session, "abc", [file], {"listen/listeners": 3}, "simulated")
    file.write_text("{ }")
    assert log_study(session, "abc", [file], {"listen/listeners": 4}, "simulated")
    assert log_study(session, "other", [file], {}, "")
    tracker = server(session)
    client = mlflow.MlflowClient(tracker.uri)
    runs = client.search_runs([tracker.experiment_id], f"tags.`{TAG}` = 'abc'")
    assert len(runs) == 1 and runs[0].info.status == "FINISHED" and runs[0].info.run_name == "listen abc"
    assert list(runs[0].data.metrics.values()) == [4.0]
    assert [entry.path for entry in client.list_artifacts(runs[0].info.run_id)] == ["analysis.json"]
    assert len(client.search_runs([tracker.experiment_id])) == 2


def test_mlflow_that_is_away_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (tmp_path / "conf").mkdir()
    with pytest.warns(UserWarning, match="is away"):
        assert not log_study(Session(root=tmp_path, progress=False), "abc", [], {}, "")
