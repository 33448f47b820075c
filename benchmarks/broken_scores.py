"""Thousands of broken scores in notation (MusicXML, Humdrum, ABC): what is refused and why, and what takes long.

    python benchmarks/broken_scores.py [--files 3000] [--keep FOLDER]

Each file has the limits of the tests (tests/scores/mutated_scores.py): 10 s and 2 GiB. Printed are the numbers of
accepted and refused files, the slowest ones, every file that ended its process or took too long, and every reason that
is no sentence about the file.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scores.mutated_scores import ENDED, PYTHON, ingest, write_mutants
from scores.test_fuzz import MEMORY, SECONDS

from etude.scores.isolation import Lost, isolate
from etude.scores.readers import prepare


def main() -> None:
    """Read the files and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--keep", type=Path, help="an existing folder for the files; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(options.keep or Path(folder), options.files)


def report(folder: Path, files: int) -> None:
    """Write and read the files in ``folder``."""
    items = write_mutants(folder, range(files))
    prepare()
    took, bad = [], []
    reasons: Counter[str] = Counter()
    start = time.perf_counter()
    for (path, _), result in zip(items, isolate(ingest, items, SECONDS, MEMORY), strict=True):
        took.append((time.perf_counter() - start, path.name))
        if isinstance(result, Lost):
            ended = bool(ENDED.search(result.reason))
            reasons["ended" if ended else "refused"] += 1
            if ended or PYTHON.search(result.reason):
                bad.append(f"{path.name}: {result.reason}")
        else:
            reasons["accepted"] += 1
        start = time.perf_counter()
    print(f"{files} files: " + ", ".join(f"{number} {what}" for what, number in sorted(reasons.items())))
    print("slowest: " + ", ".join(f"{name} {seconds:.2f} s" for seconds, name in sorted(took, reverse=True)[:8]))
    print("\n".join(bad) or "every refusal is a sentence")


if __name__ == "__main__":
    main()
