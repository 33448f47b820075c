"""Faults on purpose, and what they cost: the table of docs/reliability.md.

    python benchmarks/faults.py [ROW ...] [--every N] [--kills N] [--flips N] [--full N]

The work of a row ends by a fault at every file operation in turn (every Nth), by SIGKILL at random times, or with a
flipped bit in what it reads, and is then done again without one. A failure is an end that is no sentence, or a result
that is not that of work which nothing disturbed. Faults are drawn from a seed: the same each time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from disturbed import NAMES, Row, works

NAMESPACE = "ETUDE_FAULTS_NAMESPACE"  # this process may mount a disk


def rows(names: list[str], folder: Path, every: int, kills: int, flips: int, full: int) -> Iterator[Row]:
    """The lines of the table, as they are measured."""
    for name in names:
        work = works()[name]
        yield from work.disturb(folder / name, tuple(NAMES), every)
        if kills:
            yield work.kill(folder / name, kills)
        if work.reads and flips:
            yield work.flip(folder / name, flips)
        if full and may_mount():
            yield work.fill(folder / name, folder / "disk", full)


def may_mount() -> bool:
    """Whether this process may mount a file system: it is in a namespace of its own."""
    return os.environ.get(NAMESPACE) == "1"


def enter_namespace() -> None:
    """Start again in a namespace of users and mounts, where the system allows one."""
    if not may_mount() and subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0:
        os.environ[NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"names of rows, of {', '.join(works())}; default: all")
    parser.add_argument("--every", type=int, default=1, help="of the file operations, every so many")
    parser.add_argument("--kills", type=int, default=40, help="at random times, of each row")
    parser.add_argument("--flips", type=int, default=100, help="of each row that reads files")
    parser.add_argument("--full", type=int, default=20, help="full disks of each row, where Linux allows a namespace")
    options = parser.parse_args()
    if unknown := {*options.rows} - {*works()}:
        parser.error(f"there is no row {min(unknown)}; there are {', '.join(works())}")
    if options.full:
        enter_namespace()
    failed, started = 0, time.monotonic()
    print("| test | attempts | failures |\n|---|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        names = options.rows or list(works())
        for row in rows(names, Path(folder), options.every, options.kills, options.flips, options.full):
            print(f"| {row.what} | {row.attempts} | {len(row.failures)} |", flush=True)
            for text in row.failures[:10]:
                print(f"    {text}", file=sys.stderr, flush=True)
            failed += len(row.failures)
    print(f"{(time.monotonic() - started) / 60:.0f} minutes", file=sys.stderr)
    sys.exit(int(failed > 0))


if __name__ == "__main__":
    main()
