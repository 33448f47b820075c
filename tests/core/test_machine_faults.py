import errno
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from etude.core.errors import EtudeError
from etude.core.machine_faults import fault_of, reason_of, require_limits
from etude.core.memory import in_words

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
    assert [in_words(n) for n in (1_500_000, 512_000_000, 3_500_000_000)] == ["1.5 MB", "512 MB", "3.5 GB"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "Memory ran out"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "Memory ran out"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"), "Memory ran out"),
        (RuntimeError("can't start new thread"), "No further process"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "No further process"),
        (ImportError("x.so: cannot open shared object file: Too many open files"), "this process may open no more"),
        (ValueError("no"), None),
    ],
)
def test_faults_that_libraries_tell_in_words(error: BaseException, said: str | None) -> None:
    found = fault_of(error)
    assert found is None if said is None else found is not None and found.startswith(said)


def test_what_torch_saves_to_a_full_device_names_the_reason() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "", "last.ckpt")
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")
    except RuntimeError as error:
        assert (fault_of(error) or "").startswith("last.ckpt: the device is full")


@pytest.mark.parametrize("limit", ["-v 1000000", "-n 30", "-f 100"])
@pytest.mark.parametrize("command", ["etude.stages.train lstm", "etude generate"])
def test_a_limit_that_is_too_small_is_a_sentence_before_anything_is_loaded(
    limit: str, command: str, tmp_path: Path
) -> None:
    line = f"ulimit {limit}; exec {sys.executable} -m {command}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith(f"etude: ulimit {limit[:2]} allows "), done.stderr
    assert done.stderr.count("\n") == 1


def test_threads_that_cannot_start_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (10**12, 10**12))
    with pytest.raises(EtudeError, match="No further process or thread"):
        require_limits()


def test_one_of_several_that_train_is_killed() -> None:
    from torch.multiprocessing.spawn import ProcessExitedException

    killed = ProcessExitedException("process 0 terminated with signal SIGKILL", 0, 7, -9, signal_name="SIGKILL")
    assert "was ended from outside" in (fault_of(killed) or "")
    assert fault_of(ProcessExitedException("process 0 terminated with exit code 1", 0, 7, 1)) is None


def test_a_working_folder_that_was_removed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        Path.cwd()
    assert (reason_of(caught.value) or "").startswith("The working folder is no longer there.")
    monkeypatch.chdir(tmp_path)
    assert reason_of(caught.value) is None


def test_no_folder_for_temporary_files_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    assert "TMPDIR" in (reason_of(caught.value) or "")


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    file, link = tmp_path / "runs", tmp_path / "link"
    file.touch()
    link.symlink_to("nowhere")
    for place, blocks in ((file, file), (file / "deep/log", file), (link, link)):
        with pytest.raises(OSError) as caught:
            place.mkdir(parents=True, exist_ok=True)
        assert (reason_of(caught.value) or "").startswith(f"{blocks}: it is no folder, and one is needed there.")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError) as taken:
        file.replace(folder)
    assert (reason_of(taken.value) or "").startswith(f"{folder}: it is a folder, and a file is needed there.")
    with pytest.raises(FileExistsError) as fault:  # a folder that is there is none of these: a fault of etude
        tmp_path.mkdir()
    assert reason_of(fault.value) is None
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as circle:
        (tmp_path / "loop").open()
    assert "in a circle" in (reason_of(circle.value) or "")
