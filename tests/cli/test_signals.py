"""SIGTERM ends a command that writes files as Ctrl-C does, with its own status."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from etude.cli.signals import Terminated, ended_by_sigterm

WORK = """
import time
from pathlib import Path
from etude.cli import entry
from etude.cli.signals import ended_by_sigterm
from etude.core.files import whole

def run(arguments):
    with ended_by_sigterm(), whole(Path("a.mp4")) as part:
        part.write_bytes(b"half")
        time.sleep(30)

entry.run = run
entry.main()
"""


def test_sigterm_leaves_nothing_and_has_its_status(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WORK], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 20
        while not list(tmp_path.iterdir()) and time.monotonic() < until:
            time.sleep(0.02)
        assert [file.name for file in tmp_path.iterdir()] == [f".a.mp4.{process.pid}.part"]
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert process.returncode == 143 and "etude: stopped by SIGTERM. No file is half-written" in said
    assert not list(tmp_path.iterdir())


def test_what_was_set_before_holds_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), ended_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) == before


def test_other_threads_set_no_signals() -> None:
    entered: list[bool] = []

    def work() -> None:
        with ended_by_sigterm():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]
