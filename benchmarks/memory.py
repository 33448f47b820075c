"""Peak memory of every data stage and of training on many small pieces, and on a tenth of them.

    python benchmarks/memory.py [--pieces 100000] [--workers 2]

Memory is the proportional set size (PSS) in MiB of a stage's process and all its children, sampled ten times a second:
pages that processes share count once, and so do memory-mapped pages while they are in memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))
from pieces import write_pieces

STAGES = ("download", "ingest", "split", "augment", "tokenize", "train")
CODE = """
import sys, yaml, importlib
from pathlib import Path
from etude.config.compile import compile_params
from etude.artifacts.context import Session
from etude.core.project import require_project
from etude.config.sections import Settings
stage, source, root, workers = sys.argv[1:]
given = ["dataset=folder", f"dataset.path={source}", "tokenize=[remi]", "model=[lstm]", "augment.copies=2"]
given += ["train.max_steps=40", "train.steps_per_epoch=20", "split.valid=0.01", "split.test=0.01", "split.train=0.98"]
settings = Settings.of(yaml.safe_load(compile_params(require_project() / "conf", given)))
session = Session(root=Path(root), workers=int(workers), progress=False)
module = importlib.import_module(f"etude.stages.{stage}")
module.run(settings, session, *{"tokenize": ["remi"], "train": ["lstm"]}.get(stage, []))
"""


def peak(stage: str, source: Path, root: Path, workers: int) -> tuple[float, float]:
    """Run a stage in its own process: peak memory in MiB, and seconds."""
    start = time.monotonic()
    address = f"sqlite:///{root}/mlflow.db"
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, stage, str(source), str(root), str(workers)],
        env={**os.environ, "MLFLOW_TRACKING_URI": address},
        stdout=subprocess.DEVNULL,
    )
    highest = 0
    while process.poll() is None:
        total = 0
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        except psutil.Error:
            break
        for member in family:
            try:
                total += member.memory_full_info().pss
            except psutil.Error:
                continue
        highest = max(highest, total)
        time.sleep(0.1)
    if process.wait():
        raise SystemExit(f"{stage} failed.")
    return highest / 2**20, time.monotonic() - start


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    counts = (given.pieces // 10, given.pieces)
    found: dict[tuple[str, int], tuple[float, float]] = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            source, root = Path(name) / "source", Path(name) / "project"
            root.mkdir()
            write_pieces(source, count)
            for stage in STAGES:
                found[stage, count] = peak(stage, source, root, given.workers)
                memory, seconds = found[stage, count]
                print(f"{stage}, {count:,} pieces: {memory:,.0f} MiB, {seconds:,.0f} s", file=sys.stderr, flush=True)
    print("| stage | " + " | ".join(f"{count:,} pieces, MiB | seconds" for count in counts) + " |")
    print("| --- |" + " ---: | ---: |" * len(counts))
    for stage in STAGES:
        cells = [f"{found[stage, count][0]:,.0f} | {found[stage, count][1]:,.0f}" for count in counts]
        print(f"| {stage} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
