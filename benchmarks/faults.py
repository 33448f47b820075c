"""Faults on purpose, and what they cost: the table of docs/reliability.md.

    python benchmarks/faults.py [ROW ...] [--share 0.1]

The work of a row ends by a fault at every file operation in turn (every tenth, where the share is 0.1), by SIGKILL at
random times, by a disk that is full, or with a flipped bit in what it reads, and is then done again without one. What
surrounds it has faults too: DVC that runs twice, its cache, MLflow, the clock, processes of one training. The rows
``signals``, ``sockets`` and ``limits`` are of whole commands and stages, ``midi``, ``archives`` and ``models`` of what
comes from anybody. A failure is an end that is no sentence, or a result that is not that of work which nothing
disturbed. Faults are drawn from a seed: the same each time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import ends
import hostile
from clocks import clocks, clocks_of_runs
from disturbed import NAMES, works
from repros import cache_of_dvc, two_rebuilds, two_repros
from table import Measure, Row, part
from tracked_faults import hanging_server, joblib_sweep, killed_server, many_writers
from two_processes import two_processes

NAMESPACE = "ETUDE_FAULTS_NAMESPACE"  # this process may mount a disk
KILLS, FLIPS, DISKS = 40, 100, 20  # of each row


def disturb(name: str, folder: Path, share: float) -> Iterator[Row]:
    """All that is done to the work of a name."""
    work = works()[name]()
    yield from work.disturb(folder, tuple(NAMES), round(1 / share))
    yield work.kill(folder, part(KILLS, share))
    if work.reads:
        yield work.flip(folder, part(FLIPS, share))
    if may_mount():
        yield work.fill(folder, folder.parent / "disk", part(DISKS, share))


def measures() -> dict[str, Measure]:
    """All rows."""
    return {
        **{name: partial(disturb, name) for name in works()},
        "midi": hostile.midi,
        "archives": hostile.archives,
        "models": hostile.models,
        "signals": ends.signals,
        "sockets": ends.sockets,
        "limits": ends.limits,
        "repro": two_repros,
        "rebuild": two_rebuilds,
        "cache": cache_of_dvc,
        "writers": many_writers,
        "server": killed_server,
        "hangs": hanging_server,
        "joblib": joblib_sweep,
        "clock": clocks,
        "clock-runs": clocks_of_runs,
        "ddp": two_processes,
    }


def may_mount() -> bool:
    """Whether this process may mount a file system: it is in a namespace of its own."""
    return os.environ.get(NAMESPACE) == "1"


def enter_namespace() -> None:
    """Start again in a namespace of mounts, and of users where it must be, if the system allows one."""
    for kind in ("-m", "-rm"):  # root needs no namespace of users, in which there would be no other user for ulimit -u
        if may_mount() or subprocess.run(["unshare", kind, "true"], capture_output=True, check=False).returncode != 0:
            continue
        os.environ[NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", kind, sys.executable, *sys.argv])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"names of rows, of {', '.join(measures())}; default: all")
    parser.add_argument("--share", type=float, default=0.1, help="of all attempts, at most 1, which takes hours")
    options = parser.parse_args()
    if unknown := {*options.rows} - {*measures()}:
        parser.error(f"there is no row {min(unknown)}; there are {', '.join(measures())}")
    if not 0 < options.share <= 1:
        parser.error(f"--share {options.share} must be above 0 and at most 1")
    enter_namespace()
    failed, started = 0, time.monotonic()
    print("| test | attempts | failures |\n|---|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.rows or list(measures()):
            for row in measures()[name](Path(folder) / name, options.share):
                print(f"| {row.what} | {row.attempts} | {len(row.failures)} |", flush=True)
                for text in row.failures[:10]:
                    print(f"    {text}", file=sys.stderr, flush=True)
                failed += len(row.failures)
    print(f"{(time.monotonic() - started) / 60:.0f} minutes", file=sys.stderr)
    sys.exit(int(failed > 0))


if __name__ == "__main__":
    main()
