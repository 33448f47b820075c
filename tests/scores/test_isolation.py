"""Work in forked processes: the cost of each kind of loss, and the state left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest

from etude.core.errors import EtudeError
from etude.scores import isolation
from etude.scores.isolation import LIFE, UNFORESEEN, Lost, attempt, isolate, isolate_groups

MEMORY = 1 << 30
SHORT = 2.0  # seconds of a deadline that some item misses, and that the others keep on a busy machine
LATE = f"not read after ingest.seconds = {SHORT:g}"
MISSING = "it cannot be read (No such file or directory)"


def run(jobs: list[Callable[[], Any]], seconds: float = 60.0) -> list[Any]:
    results = isolate(lambda job: job(), jobs, seconds, MEMORY)
    return [result.reason if isinstance(result, Lost) else result for result in results]


def children() -> list[str]:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()


def refuse() -> None:
    raise EtudeError("a.mid: this is why.")


def unpicklable() -> Callable[[], None]:
    return lambda: None


def swell() -> list[bytes]:
    return [bytes(1 << 24) for _ in range(1000)]


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (lambda: time.sleep(60), LATE),
        (lambda: ctypes.CDLL(None).pause(), LATE),  # C code that keeps the lock
        (lambda: os._exit(0), "the process that read it crashed (it ended by itself)"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "the process that read it crashed (SIGSEGV)"),
        (swell, "it takes too much memory to read"),
        (lambda: bytearray(1 << 45), "it takes too much memory to read"),
        (refuse, "a.mid: this is why."),
        (lambda: 1 // 0, UNFORESEEN),
        (lambda: sys.exit("away"), UNFORESEEN),
        (Path("/no/such/place").read_text, MISSING),
        (unpicklable, UNFORESEEN),
    ],
)  # fmt: skip
def test_a_loss_costs_its_own_item(work: Callable[[], Any], reason: str) -> None:
    before = children()
    seconds = SHORT if reason == LATE else 60.0
    assert run([lambda: 1, work, lambda: 2], seconds) == [1, reason, 2]
    assert children() == before


def test_a_thousand_items_with_losses_between_come_in_order() -> None:
    def work(place: int) -> int:
        if place % 250 == 40:
            os._exit(3)
        if place % 250 == 90:
            raise MemoryError
        return place

    results = list(isolate(work, range(1000), 60, MEMORY))
    lost = [place for place, result in enumerate(results) if isinstance(result, Lost)]
    assert lost == [place for place in range(1000) if place % 250 in (40, 90)]
    assert all(result == place for place, result in enumerate(results) if place not in lost)


def test_a_crash_and_memory_are_tried_again_in_a_fresh_process() -> None:
    seen: list[int] = []

    def work(item: int) -> tuple[int, int]:
        seen.append(item)
        if item == 3 and len(seen) > 1:
            os._exit(1)
        if item == 5 and len(seen) > 1:
            raise MemoryError
        return item, len(seen)

    assert list(isolate(work, range(8), 60, MEMORY)) == [
        (0, 1), (1, 2), (2, 3), (3, 1), (4, 2), (5, 1), (6, 2), (7, 3)
    ]  # fmt: skip


def test_a_loss_in_a_group_costs_its_own_item() -> None:
    def work(place: int) -> int:
        if place == 1:
            raise EtudeError("this is why.")
        if place == 4:
            os._exit(3)
        if place == 6:
            time.sleep(60)
        if place == 7:
            raise MemoryError
        return place

    groups = [[0, 1, 2], [3, 4], [5, 6, 7, 8], [9]]
    results = list(isolate_groups(lambda group: [attempt(work, item) for item in group], groups, SHORT, MEMORY))
    lost = {place: result.reason for place, result in enumerate(results) if isinstance(result, Lost)}
    assert [result for result in results if not isinstance(result, Lost)] == [0, 2, 3, 5, 8, 9]
    assert lost == {
        1: "this is why.",
        4: "the process that read it crashed (it ended by itself)",
        6: LATE,
        7: "it takes too much memory to read",
    }


def test_a_process_is_replaced_after_its_life() -> None:
    processes = list(isolate(lambda _: os.getpid(), range(2 * LIFE + 1), 60, MEMORY))
    assert [processes.count(process) for process in dict.fromkeys(processes)] == [LIFE, LIFE, 1]


def test_results_of_ten_megabytes_and_nothing_to_do() -> None:
    results = list(isolate(lambda _: bytes(10_000_000), range(3), 60, MEMORY))
    assert results == [bytes(10_000_000)] * 3
    assert list(isolate(len, [], 60, MEMORY)) == []


def test_a_slow_reader_of_the_results_loses_nothing() -> None:
    results = isolate(lambda item: bytes(200_000), range(3), SHORT, MEMORY)
    assert next(results) == bytes(200_000)
    time.sleep(SHORT + 0.5)  # the process waits to send its answer: no item's time
    assert list(results) == [bytes(200_000)] * 2


def test_a_deadline_that_was_switched_off_is_kept_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "GRACE", 0.2)

    def deaf() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(60)

    assert run([deaf, lambda: 1], SHORT) == [LATE, 1]


def test_an_iterator_that_is_left_ends_its_process() -> None:
    before = children()
    results = isolate(lambda item: item, range(10), 60, MEMORY)
    assert next(results) == 0 and children() != before
    results.close()  # type: ignore[attr-defined]
    assert children() == before


def test_threads_and_work_that_isolates_in_its_turn() -> None:
    def nested(item: int) -> list[Any]:
        return list(isolate(lambda other: item * other, range(3), 60, MEMORY))

    results: dict[int, list[Any]] = {}

    def serve(name: int) -> None:
        results[name] = list(isolate(nested, range(15), 60, MEMORY))

    threads = [threading.Thread(target=serve, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [results[name] for name in range(4)] == [[[0, item, 2 * item] for item in range(15)]] * 4


def crash_on_two(item: int) -> int:
    return os._exit(1) if item == 2 else item


def shard(items: list[int]) -> list[Any]:
    return list(isolate(crash_on_two, items, 60, MEMORY))


def test_in_workers_of_joblib() -> None:
    results = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(shard)([1, 2, 3]) for _ in range(2))
    assert results == [[1, Lost("the process that read it crashed (it ended by itself)"), 3]] * 2


def test_nothing_outlives_a_killed_parent_and_output_comes_once(tmp_path: Path) -> None:
    program = """
        import sys, time
        from etude.scores.isolation import isolate
        def work(item):
            print("from the process")
            if item:
                open(sys.argv[1], "w").write(str(__import__("os").getpid()))
                time.sleep(60)
        print("once", end=" ")
        sys.stdout.write("and no more")  # into a pipe: not flushed yet
        for result in isolate(work, range(int(sys.argv[2])), 60, 1 << 30):
            pass
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    note = tmp_path / "process"
    command = [sys.executable, str(tmp_path / "program.py"), str(note)]
    assert subprocess.run([*command, "1"], capture_output=True, text=True, check=True).stdout == "once and no more"
    with subprocess.Popen([*command, "2"], stdout=subprocess.DEVNULL) as parent:
        until = time.monotonic() + 20
        while not (note.exists() and note.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        process = int(note.read_text())
        parent.kill()
    while (gone := not Path(f"/proc/{process}/status").exists() or "Z" in state(process)) is False:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert gone


def state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
