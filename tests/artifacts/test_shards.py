"""Work in shards: the same whatever the workers, the engine and interruptions."""

import os
from pathlib import Path

import pytest
from conftest import left_by_a_dead_process, smoke

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import key_of
from etude.artifacts.shards import Shards, cut
from etude.core.errors import EtudeError


def double(task: int, folder: Path) -> None:
    (folder / "answer").write_text(str(task * 2))
    (folder / "process").write_text(str(os.getpid()))


def stumble(task: int, folder: Path) -> None:
    (folder / "answer").write_text(str(task * 2))
    if task == 3:
        raise EtudeError("task 3 fails.")


def session(root: Path, **values: object) -> Session:
    return Session(root=root, progress=False, **values)  # type: ignore[arg-type]


def answers(folders: list[Path]) -> list[int]:
    return [int((folder / "answer").read_text()) for folder in folders]


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 400, 15_999, 100_000])
def test_cut_gives_all_items_in_shards_of_one_size(count: int) -> None:
    shards = cut(range(count))
    assert [item for shard in shards for item in shard] == list(range(count))
    assert len({len(shard) for shard in shards[:-1]}) <= 1
    assert all(len(shard) <= 1000 for shard in shards)
    if count >= 400:
        assert len(shards) >= 16


def test_key_depends_on_values_and_code() -> None:
    settings = smoke()
    keys = [
        key_of({"a": 1}, "ingest", settings),
        key_of({"a": 2}, "ingest", settings),
        key_of({"a": 1}, "split", settings),
        key_of({"a": 1}, "tokenize", settings, "remi"),
        key_of({"a": 1}, "tokenize", settings, "chorale"),
    ]
    assert len(set(keys)) == len(keys) and key_of({"a": 1}, "ingest", settings) == keys[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_map_gives_folders_in_the_order_of_the_tasks(tmp_path: Path, workers: int) -> None:
    shards = Shards(session(tmp_path, workers=workers), catalog.INGEST, "0" * 64)
    with shards.lock():
        assert answers(shards.map(double, [5, 1, 3, 2])) == [10, 2, 6, 4]
        processes = {(folder / "process").read_text() for folder in shards.place.iterdir()}
        assert (str(os.getpid()) in processes) == (workers == 1)
    assert not shards.place.exists()


def test_a_failure_keeps_the_shards_that_are_done(tmp_path: Path) -> None:
    shards = Shards(session(tmp_path, workers=1), catalog.INGEST, "0" * 64)
    with pytest.raises(EtudeError, match="task 3 fails"), shards.lock():
        shards.map(stumble, [1, 2, 3, 4])
    left = sorted(folder.name for folder in shards.place.iterdir())
    assert left == ["shard-00000", "shard-00001"]
    before = (shards.place / left[0]).stat().st_mtime_ns
    with shards.lock():
        folders = shards.map(double, [1, 2, 3, 4])
        assert answers(folders) == [2, 4, 6, 8]
        assert folders[0].stat().st_mtime_ns == before  # not made again
        assert not (folders[0] / "process").exists() and (folders[3] / "process").exists()


def test_what_a_killed_run_left_half_written_is_made_again(tmp_path: Path) -> None:
    shards = Shards(session(tmp_path, workers=1), catalog.INGEST, "0" * 64)
    truncated = left_by_a_dead_process(shards.place / "shard-00001", "part")
    truncated.mkdir(parents=True)
    with shards.lock():
        assert answers(shards.map(double, [1, 2])) == [2, 4]
        assert not truncated.exists()


def test_single_shards_are_gathered_by_a_later_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [1, 2, 3]

    def run(shard: int | None) -> list[int]:
        shards = Shards(session(tmp_path, workers=1, shard=shard), catalog.INGEST, "0" * 64)
        found: list[int] = []
        with shards.lock():
            answered = answers(shards.map(double, tasks, "first"))
            second = shards.map(double, answered, "second")
            shards.complete()
            found += answers(second)
        return found

    for shard in (2, 0, 1):
        assert run(shard) == []
    printed = capsys.readouterr().out
    assert "of the shards 0 to 2 (first) 1 are there" in printed and "(second) 1 are there" in printed
    for shard in (0, 1, 2):
        assert run(shard) == []
    assert "all shards are there. Gather them with: etude ingest" in capsys.readouterr().out
    assert run(None) == [4, 8, 12]


def test_a_dask_cluster_gives_the_same(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    shards = Shards(session(tmp_path, workers=2, engine="dask"), catalog.INGEST, "0" * 64)
    with shards.lock():
        assert answers(shards.map(double, [5, 1, 3])) == [10, 2, 6]
        assert str(os.getpid()) not in {(folder / "process").read_text() for folder in shards.place.iterdir()}
