"""Many instances side by side: their order, what a failure stops, and what is printed."""

import threading
from pathlib import Path

import pytest

from etude.core.errors import EtudeError
from etude.runs.schedule import Clock, run_side_by_side

NEEDS: dict[str, set[str]] = {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}}


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_each_runs_after_those_that_it_needs(jobs: int) -> None:
    done: list[str] = []
    assert run_side_by_side(NEEDS, done.append, jobs, lambda one: 1.0) == {}
    assert sorted(done) == ["a", "b", "c", "d"] and done[0] == "a" and done[-1] == "d"


def test_one_job_runs_in_the_main_thread_as_signal_handlers_need() -> None:
    threads = []
    run_side_by_side(NEEDS, lambda one: threads.append(threading.current_thread()), 1, lambda one: 1.0)
    assert set(threads) == {threading.main_thread()}


def test_two_jobs_run_two_at_a_time_and_the_costly_one_starts_first() -> None:
    both, started = threading.Barrier(2, timeout=30), []

    def work(one: str) -> None:
        started.append(one)
        if one in "bc":
            both.wait()

    assert run_side_by_side(NEEDS, work, 2, {"a": 1.0, "b": 1.0, "c": 9.0, "d": 1.0}.__getitem__) == {}
    assert started[:2] == ["a", "c"]


def test_what_a_costly_one_waits_for_starts_before_others() -> None:
    needs: dict[str, set[str]] = {"a": set(), "b": set(), "c": {"b"}, "d": {"a", "c"}}
    done: list[str] = []
    assert run_side_by_side(needs, done.append, 1, {"a": 5.0, "b": 1.0, "c": 9.0, "d": 1.0}.__getitem__) == {}
    assert done == ["b", "c", "a", "d"]


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    done: list[str] = []

    def work(one: str) -> None:
        if one == "b":
            raise EtudeError("b cannot")
        done.append(one)

    assert run_side_by_side(NEEDS, work, 1, lambda one: 1.0) == {"b": "b cannot", "d": "needs b, which failed"}
    assert done == ["a", "c"]

    def fail(one: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_side_by_side({"a": set()}, fail, 1, lambda one: 1.0)


def test_a_line_each_with_its_time_and_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/stage_seconds.json").write_text('{"train@a": 100, "train@b": 300}')
    clock = Clock(tmp_path, ["train@a", "train@b", "report"], 1)
    clock.record("train@a", 200.0)
    clock.record("train@b", None)
    clock.record("report", 3.0, "FAILED")
    assert capsys.readouterr().out.splitlines() == [
        "[1/3] train a: 200 s; about 10 min left",  # twice as slow as known: 2 * 310 s
        "[2/3] train b: nothing to do; about 20 s left",
        "[3/3] report: FAILED",
    ]
    again = Clock(tmp_path, ["train@a", "report"], 2)
    assert again.known["train@a"] == 200 and "report" not in again.known


@pytest.mark.parametrize("text", ["[1]", "{", '{"train@a": "long"}'])
def test_a_damaged_record_of_times_costs_an_estimate_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/stage_seconds.json").write_text(text)
    clock = Clock(tmp_path, ["train@a"], 1)
    assert clock.known == {}
    clock.record("train@a", 3.0)
    assert Clock(tmp_path, [], 1).known == {"train@a": 3.0}
