"""Faults at some file operations, flipped bits, hostile files: in small what benchmarks/faults.py does at large."""

from pathlib import Path

import hostile
import pytest
from clocks import clocks
from disturbed import works
from injection import FULL, KILL, RIGHTS, Fault, contents, run
from table import Measure, Row

EVERY = {"file": 1, "folder": 3, "shards": 11, "tokenize": 29, "lstm": 17}


def assert_none(row: Row) -> None:
    assert row.attempts and not row.failures, "\n".join(row.failures)


@pytest.mark.parametrize("name", EVERY)
def test_work_that_ends_at_a_file_operation_goes_on_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    kinds = (KILL, FULL, RIGHTS) if EVERY[name] < 12 else (KILL,)
    for row in works()[name]().disturb(tmp_path, kinds, EVERY[name]):
        assert_none(row)


@pytest.mark.parametrize("name", ["resume", "generate"])
def test_a_flipped_bit_is_noticed_or_changes_nothing(name: str, tmp_path: Path) -> None:
    assert_none(works()[name]().flip(tmp_path, 5))


@pytest.mark.parametrize(("rows", "share"), [(hostile.archives, 0.02), (hostile.models, 0.01)])
def test_what_comes_from_anybody_is_refused_or_used_as_it_should_be(
    rows: Measure, share: float, tmp_path: Path
) -> None:
    for row in rows(tmp_path, share):
        assert_none(row)


def careless(folder: Path) -> None:
    """Work as it must not be: a file that is written in its place, and trusted where it is found."""
    if not (folder / "made").is_file():
        with (folder / "made").open("w") as file:
            file.write("all of it")
            (folder / "other").mkdir(exist_ok=True)


def test_careless_work_is_found_out(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    assert run(place, careless, place).operations == 2 and contents(place) == {"made": b"all of it"}
    (place / "made").unlink()
    (place / "other").rmdir()
    assert run(place, careless, place, fault=Fault(at=1)).killed and contents(place) == {"made": b""}
    assert not run(place, careless, place).text and contents(place) == {"made": b""}, "half of it counts as all"


def test_a_clock_that_is_set_changes_no_result(tmp_path: Path) -> None:
    for row in clocks(tmp_path, 1.0, ["shards"]):
        assert_none(row)
