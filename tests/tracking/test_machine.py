"""MLflow's system metrics on request."""

import time

import pytest
from tracking.tracked import all_runs, points_of, start

from etude.artifacts.context import Session


def test_system_metrics_are_logged_where_mlflow_is_asked_for_them(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(session, "without").finish(None)
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    run = start(session, "with")
    name, until = "system/cpu_utilization_percentage", time.monotonic() + 20
    while not points_of(session, run.id, name) and time.monotonic() < until:
        time.sleep(0.05)
    run.finish(None)
    steps = [step for step, _ in points_of(session, run.id, name)]
    assert steps and steps == sorted(set(steps))
    metrics = {made.data.tags["etude.key"]: made.data.metrics for made in all_runs(session)}
    assert name in metrics["with"] and not any(key.startswith("system/") for key in metrics["without"])
