"""A clock that goes back, also between two processes: no run ends before it started, and the last value is shown."""

import time

import pytest
from tracking.tracked import all_runs, points_of, start, write_training

from etude import tracking
from etude.artifacts.context import Session
from etude.tracking import times

YEAR = 365 * 86400.0  # seconds


def set_clock(monkeypatch: pytest.MonkeyPatch, offset: float) -> None:
    """The clock of another process, which has not seen this one's."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + offset)
    monkeypatch.setattr(times, "_latest", 0)


def test_a_run_that_goes_on_by_a_clock_that_was_set_back(session: Session) -> None:
    with pytest.MonkeyPatch.context() as patch:
        set_clock(patch, YEAR)
        run = start(session)
        run.metrics({"train/loss": 4.5}, 1)
        run.finish(None, "FAILED")
    with pytest.MonkeyPatch.context() as patch:
        set_clock(patch, 0.0)
        again = start(session)
        again.metrics({"train/loss": 3.5}, 2)
        again.finish(write_training(session.root))
    (made,) = all_runs(session)
    assert made.info.run_id == run.id == again.id and made.info.status == "FINISHED"
    assert made.info.end_time >= made.info.start_time
    assert points_of(session, run.id, "train/loss") == [(1, 4.5), (2, 3.5), (3, 2.5)]


def test_what_is_recorded_later_replaces_the_earlier_all_the_same(session: Session) -> None:
    with pytest.MonkeyPatch.context() as patch:
        set_clock(patch, YEAR)
        run = start(session)
        run.metrics({"valid/nats_per_note": 1.5}, 3)
        run.send()
        run.finish(None, "FAILED")
    write_training(session.root)
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            set_clock(patch, 0.0)
            tracking.publish(session, "lstm")
    (made,) = all_runs(session)
    assert made.data.metrics["valid/nats_per_note"] == 1.25
    assert points_of(session, run.id, "valid/nats_per_note") == [(2, 2.0), (3, 1.25), (3, 1.5)]
