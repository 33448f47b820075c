"""How a process of etude ends where standard output and error take nothing, or are missing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from signalled import ETUDE

START = "import sys; sys.argv[0] = 'etude'; from etude.core import process"
# what a library prints through the number of standard error, after a file was opened
WORK = f"""{START}
import os
def work():
    with open("data", "w") as file:
        os.write(2, b"a warning")
    print("a warning", file=sys.stderr)
    return 0
process.run(work, "")
"""


def run(command: list[str], streams: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command with the redirections of a shell."""
    line = ["sh", "-c", f'exec "$@" {streams}', "sh", *command]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("streams", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_nothing_is_printed_into_a_file_where_a_stream_is_missing(streams: str, tmp_path: Path) -> None:
    end = run([sys.executable, "-c", WORK], streams, tmp_path)
    assert (end.returncode, end.stdout) == (0, "")
    assert (tmp_path / "data").read_text() == ""


@pytest.mark.parametrize("streams", ["2>/dev/full", "2>&-"])
def test_a_fault_keeps_its_status_where_its_sentence_cannot_be_printed(streams: str, tmp_path: Path) -> None:
    end = run([*ETUDE, "nonsense"], streams, tmp_path)
    assert (end.returncode, end.stdout) == (2, "")


def test_an_end_by_a_signal_keeps_its_status_where_its_sentence_cannot_be_printed(tmp_path: Path) -> None:
    work = f"{START}, signals; import os, signal; process.run(lambda: os.kill(os.getpid(), signal.SIGTERM), '')"
    assert run([sys.executable, "-c", work], "2>/dev/full", tmp_path).returncode == 128 + signal.SIGTERM


def test_a_command_in_a_folder_that_was_removed_ends_in_a_sentence(tmp_path: Path) -> None:
    line = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh", *ETUDE, "studio"]
    end = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert end.returncode == 2 and end.stderr.startswith("etude: The working folder is no longer there."), end
