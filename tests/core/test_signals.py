"""Signals that end a process: once, with a sentence, and without a process that stays."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from signalled import STATUSES, End, signalled

from etude.core import signals
from etude.core.signals import Ended, deferred, ended_by_signals

WORK = """
import os, sys, time
from pathlib import Path
from etude.core import process
from etude.core.files import whole
from etude.core.signals import shield, deferred

def work():
    {work}
    return 0

process.run(work, "Nothing is half-written.")
"""
SLEEP = 'with whole(Path("a.mid")) as part: part.write_bytes(b"half"); time.sleep(30)'


def run(tmp_path: Path, work: str, number: int, **more: object) -> End:
    ready = (lambda: any(tmp_path.glob("*.part"))) if work == SLEEP else "ready"
    command = [sys.executable, "-c", WORK.format(work=work)]
    return signalled(command, tmp_path, number, ready=ready, **{"group": True, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("number", STATUSES)
def test_a_signal_ends_it_with_its_status_a_sentence_and_nothing_half_written(number: int, tmp_path: Path) -> None:
    end = run(tmp_path, SLEEP, number, again=signal.SIGINT)
    how = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
    assert end.faults(number) == [] and end.said == f"etude: {how}. Nothing is half-written.\n"
    assert not list(tmp_path.iterdir())


def test_what_is_ignored_from_the_start_stays_ignored(tmp_path: Path) -> None:
    end = run(tmp_path, 'print("ready", flush=True); time.sleep(1)', signal.SIGHUP, ignored=[signal.SIGHUP])
    assert (end.status, end.said) == (0, "")


FORCED = """
    import etude.core.signals as own
    own._state.grace = 0.5
    print("ready", flush=True)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try: time.sleep(30)
        except BaseException: pass
"""


def test_what_swallows_the_end_is_ended_by_force(tmp_path: Path) -> None:
    end = run(tmp_path, FORCED.strip(), signal.SIGTERM)
    assert end.faults(signal.SIGTERM) == [] and end.seconds < 5


IN_DEL = """
    class Slow:
        def __del__(self): print("ready", flush=True); time.sleep(3)
    one = Slow(); del one
    time.sleep(30)
"""


def test_an_end_where_no_exception_gets_out_is_raised_again(tmp_path: Path) -> None:
    end = run(tmp_path, IN_DEL.strip(), signal.SIGINT)
    assert end.faults(signal.SIGINT) == [] and end.seconds < 5


WORKERS = """
    from etude.core.workers import start_workers
    from joblib import Parallel, delayed
    start_workers(2)
    print("ready", flush=True)
    Parallel(2)(delayed(time.sleep)(30) for _ in range(2))
"""


@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGHUP, True), (signal.SIGTERM, False)])
def test_workers_end_with_it_and_say_nothing(number: int, group: bool, tmp_path: Path) -> None:
    end = run(tmp_path, WORKERS.strip(), number, group=group, after=0.3)
    assert end.faults(number) == [] and end.said.count("\n") == 1


TRACKER = """
import os, signal, time
from multiprocessing.resource_tracker import _resource_tracker as tracker
from etude.runs.pipeline import start_pool
pool = start_pool(1)
os.kill(tracker._pid, signal.SIGHUP)
time.sleep(0.3)
print(tracker._check_alive())
"""


def test_the_tracker_of_a_pool_outlives_a_terminal_that_closes() -> None:
    """Else each lock of the pool would end in a traceback of a second tracker."""
    done = subprocess.run([sys.executable, "-c", TRACKER], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_what_a_shield_starts_gets_no_signal(tmp_path: Path) -> None:
    work = 'import subprocess\n    with shield(): child = subprocess.Popen(["sleep", "30"])\n    '
    work += 'print("ready", flush=True); child.wait()'
    end = run(tmp_path, work, signal.SIGINT)
    assert end.faults(signal.SIGINT) == []  # it is ended all the same: by the one that has started it


def test_a_signal_waits_for_steps_that_belong_together() -> None:
    done = []
    with pytest.raises(Ended) as ended, ended_by_signals():
        with deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            done.append(1)
        done.append(2)
    assert done == [1] and ended.value.number == signal.SIGTERM


def test_what_was_set_before_holds_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Ended), ended_by_signals(), ended_by_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) == before and signals.ending() is None


def test_other_threads_set_no_signals() -> None:
    entered: list[bool] = []

    def work() -> None:
        with ended_by_signals(), deferred():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]


GONE = """
    import subprocess
    from etude.core.signals import end_with
    parent = subprocess.Popen(["sleep", "30"])
    end_with(parent.pid, "DVC has gone", every=0.05)
    parent.kill()
    time.sleep(30)
"""


def test_it_ends_with_the_process_that_it_works_for(tmp_path: Path) -> None:
    end = run(tmp_path, GONE.strip(), signal.SIGCONT, wait=20)
    assert end.status == 143 and end.said == "etude: DVC has gone. Nothing is half-written.\n"


EARLY = """
import os, signal, sys
class Sender:
    def find_spec(self, name, *rest):
        if name == "etude.core.errors":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Sender())
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in the background
sys.argv, sys.orig_argv = {argv}, ["python", *{argv}, "etude.stages.split"]
import {module}
"""


@pytest.mark.parametrize(
    ("argv", "given", "is_one"),
    [
        (["/bin/etude"], ["python", "/bin/etude", "train"], True),
        (["-m"], ["python", "-m", "etude.stages.train", "lstm"], True),
        (["-m"], ["python", "-m", "mine.etude"], False),
        (["/bin/mine"], ["python", "/bin/mine", "etude"], False),
        ([], ["python"], False),
    ],
)
def test_signals_of_other_programs_are_their_own(
    argv: list[str], given: list[str], is_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", given)
    assert signals.starts_etude() is is_one


@pytest.mark.parametrize(("argv", "module"), [(["/bin/etude"], "etude.cli.entry"), (["-m"], "etude.stages")])
def test_a_signal_while_the_first_modules_are_imported_is_a_sentence(argv: list[str], module: str) -> None:
    code = EARLY.format(argv=argv, module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "etude: interrupted. Nothing has been written.\n")
