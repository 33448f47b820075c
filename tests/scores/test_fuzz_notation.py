"""Three hundred broken scores in notation: none ends a process, none takes long, each refusal is a sentence."""

import time
from pathlib import Path

from scores.mutated_scores import ENDED, PYTHON, ingest, write_mutants
from scores.test_fuzz import MEMORY, SECONDS

from etude.scores.isolation import Lost, isolate
from etude.scores.readers import prepare

FILES = 120


def test_broken_scores_are_read_or_refused(tmp_path: Path) -> None:
    items = write_mutants(tmp_path, range(FILES))
    prepare()
    refused, took = {}, {}
    start = time.perf_counter()
    for (path, _), result in zip(items, isolate(ingest, items, SECONDS, MEMORY), strict=True):
        took[path.name] = time.perf_counter() - start
        if isinstance(result, Lost):
            refused[path.name] = result.reason
        start = time.perf_counter()
    assert not {name: reason for name, reason in refused.items() if ENDED.search(reason)}
    assert not {name: seconds for name, seconds in took.items() if seconds >= SECONDS}
    assert not {name: reason for name, reason in refused.items() if PYTHON.search(reason) or str(tmp_path) in reason}
    assert FILES / 5 < len(refused) < FILES * 4 / 5  # the mutations are neither harmless nor fatal
