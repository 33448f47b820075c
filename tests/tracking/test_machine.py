"""Steps a second, and MLflow's system metrics on request."""

import time

import pytest
from tracking.tracked import all_runs, points_of, start

from etude.artifacts.context import Session
from etude.tracking.machine import STEPS_PER_SECOND, Speed


def test_steps_a_second_leave_out_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 7.0, 107.0, 109.0, 111.0])
    monkeypatch.setattr("etude.tracking.machine.time.monotonic", lambda: next(clock))
    speed, loss, valid = Speed(), {"train/loss": 1.0}, {"valid/nats_per_note": 1.0}
    assert speed.measure(loss, 1) == {}
    assert speed.measure(loss, 11) == {STEPS_PER_SECOND: 2.0}
    assert speed.measure(loss, 21) == {STEPS_PER_SECOND: 5.0}
    assert speed.measure(valid, 25) == {}  # it took 100 s
    assert speed.measure(loss, 31) == {STEPS_PER_SECOND: 3.0}
    assert speed.measure(loss, 31) == {}


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
