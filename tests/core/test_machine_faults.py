import errno
import resource
from pathlib import Path

import pytest

from etude.core.machine_faults import reason_of, size

MACHINE = ("ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "EROFS", "EACCES", "EPERM", "EIO", "ENOMEM")


@pytest.mark.parametrize("name", MACHINE)
def test_a_fault_of_the_machine_is_a_sentence_that_names_the_file(name: str, tmp_path: Path) -> None:
    error = OSError(getattr(errno, name), "in the system's words", str(tmp_path / "deep/piece.mid"))
    said = reason_of(error)
    assert said is not None and said.startswith(f"{tmp_path / 'deep/piece.mid'}: ")
    nameless = OSError(getattr(errno, name), "in the system's words")
    assert reason_of(nameless, tmp_path / "deep/piece.mid") == said


@pytest.mark.parametrize("name", ["ENOENT", "EEXIST", "EISDIR", "ENOTEMPTY", "EPIPE", "EINVAL", "ECONNREFUSED"])
def test_other_errors_are_no_fault_of_the_machine(name: str) -> None:
    assert reason_of(OSError(getattr(errno, name), "", "piece.mid")) is None


def test_a_full_device_is_named_with_its_free_space(tmp_path: Path) -> None:
    said = reason_of(OSError(errno.ENOSPC, "", str(tmp_path / "not/there/yet.npy")))
    assert said is not None and f"are free at {tmp_path})" in said


def test_limits_are_named_with_their_values() -> None:
    said = reason_of(OSError(errno.EMFILE, ""))
    assert said is not None and f"ulimit -n is {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}" in said
    assert (reason_of(BlockingIOError(errno.EAGAIN, "")) or "").startswith("No further process")


def test_an_error_without_a_number_is_no_fault_of_the_machine() -> None:
    assert reason_of(OSError("libsndfile")) is None


def test_sizes_are_read_at_a_glance() -> None:
    assert [size(n) for n in (1_500_000, 512_000_000, 3_500_000_000)] == ["1.5 MB", "512 MB", "3.5 GB"]
