"""Faults of the machine, not of etude: a full or read-only device, too little memory, limits that are too small.

Each becomes a sentence that names the file or the limit, and what to do. Error numbers and limits are POSIX's.
"""

import errno
import os
import resource
import shutil
import threading
from pathlib import Path

from etude.core.errors import EtudeError
from etude.core.memory import in_words

AGAIN = "Then give the same command again."
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
RIGHTS = (errno.EACCES, errno.EPERM)
NAMES = {errno.ELOOP: "its links lead in a circle", errno.ENAMETOOLONG: "its name is too long for this device"}


def reason_of(error: OSError, file: Path | None = None) -> str | None:
    """A sentence on an error that is the machine's: what failed, why, and what to do. None for every other error.

    Args:
        error: of a call of the operating system.
        file: what was written or read, for an error that names no file, as those of ``write`` do.
    """
    number, place = error.errno, _place_of(error, file)
    what = f"{place}: " if place is not None else ""
    if number in NO_SPACE:
        why = "the device is full" if number == errno.ENOSPC else "your quota of the device is used up"
        return f"{what}{why}{_free_space(place)}. Free some space. {AGAIN}"
    if number == errno.EFBIG:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        own = "" if limit == resource.RLIM_INFINITY else f": ulimit -f allows {in_words(limit)} a file"
        return f"{what}the file would be too large{own}. Raise the limit, or write to another device. {AGAIN}"
    if number in (errno.EMFILE, errno.ENFILE):
        whose = "this process" if number == errno.EMFILE else "this machine"
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        own = f" (ulimit -n is {limit})" if number == errno.EMFILE else ""
        return f"{what}{whose} may open no more files{own}. Raise the limit, as in: ulimit -n {max(1024, 2 * limit)}"
    if number == errno.EROFS:
        return f"{what}the device can only be read. Mount it for writing, or name a folder on another device. {AGAIN}"
    if number in RIGHTS and place is not None:
        return f"{what}you may not read or write this here. Change its rights, or name another place. {AGAIN}"
    if number == errno.EIO:
        return f"{what}the device does not work (input/output error). Check it, or name another place. {AGAIN}"
    if number == errno.ENOMEM:
        return f"{what}memory ran out{_memory_limit()}. {MORE_MEMORY}"
    if number in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR) and (blocks := _in_the_way(error)) is not None:
        what = "a folder, and a file" if number == errno.EISDIR else "no folder, and one"
        return f"{blocks}: it is {what} is needed there. Move it, or name another place. {AGAIN}"
    if number in NAMES and place is not None:
        return f"{what}{NAMES[number]}. Name another place. {AGAIN}"
    if number == errno.ENOENT and place is None and not _works_somewhere():
        return f"The working folder is no longer there. Change into one that is. {AGAIN}"
    if number == errno.ENOENT and "No usable temporary directory" in str(error):  # tempfile's words
        return f"No folder for temporary files can be written. Set TMPDIR to one that can be. {AGAIN}"
    if number == errno.EAGAIN and place is None:  # of fork
        return NO_PROCESS + _process_limit()
    return None


def fault_of(error: BaseException) -> str | None:
    """A sentence on any error that is the machine's, as ``reason_of`` gives it of an OSError; None for every other.

    Loaders of libraries and threads tell theirs in words alone.
    """
    if isinstance(error, OSError) and (reason := reason_of(error)) is not None:
        return reason
    if isinstance(error, RuntimeError):  # torch.save says where its file ended, and Python why
        for before in (error.__cause__, error.__context__):
            if isinstance(before, OSError) and (reason := reason_of(before)) is not None:
                return reason
    words = str(error)
    if isinstance(error, MemoryError) or any(text in words for text in OUT_OF_MEMORY):
        return f"Memory ran out{_memory_limit()}. {MORE_MEMORY}"
    if any(text in words for text in NO_THREAD):
        return NO_PROCESS + _process_limit()
    if isinstance(error, ImportError | RuntimeError) and os.strerror(errno.EMFILE) in words:
        return reason_of(OSError(errno.EMFILE, ""))
    # of loky, of Python, and of torch where a signal has ended one of several that train
    if type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool") or getattr(error, "signal_name", None):
        return f"A process that worked for this one was ended from outside, or memory ran out. {MORE_MEMORY} {AGAIN}"
    return None


# What a training of the smallest model takes, by ``ulimit``: with less, libraries crash instead of raising an error.
MEMORY, FILES, FILE = 1_500_000 * 1024, 64, 16 << 20


def require_limits() -> None:
    """Raise EtudeError where a limit of this process is too small for torch and a small training."""
    for name, limit, least in (("v", resource.RLIMIT_AS, MEMORY), ("f", resource.RLIMIT_FSIZE, FILE)):
        given = resource.getrlimit(limit)[0]
        if given != resource.RLIM_INFINITY and given < least:
            what = "memory" if name == "v" else "a file"
            raise EtudeError(
                f"ulimit -{name} allows {in_words(given)} for {what}, and etude needs {in_words(least)} at least. "
                f"Raise it: ulimit -{name} unlimited"
            )
    given = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if given != resource.RLIM_INFINITY and given < FILES:
        raise EtudeError(
            f"ulimit -n allows {given} open files, and etude needs {FILES} at least. Raise it: ulimit -n 1024"
        )
    if resource.getrlimit(resource.RLIMIT_NPROC)[0] != resource.RLIM_INFINITY:
        _require_threads(os.cpu_count() or 1)


def _require_threads(count: int) -> None:
    """Start as many threads as libraries do, which end the process where they cannot."""
    ended = threading.Event()
    started = []
    try:
        for _ in range(count):
            one = threading.Thread(target=ended.wait)
            one.start()
            started.append(one)
    except RuntimeError:
        raise EtudeError(NO_PROCESS + _process_limit()) from None
    finally:
        ended.set()
        for one in started:
            one.join()


OUT_OF_MEMORY = (
    "failed to map segment",  # of a library
    "Cannot allocate memory",
    "can't allocate memory",
    "cannot allocate memory",
    "Unable to allocate",  # numpy
    "std::bad_alloc",
)
NO_THREAD = ("can't start new thread", "Resource temporarily unavailable")
MORE_MEMORY = "Close other programs, choose fewer workers or less at once, or raise the limit."
NO_PROCESS = "No further process or thread could be started: the machine allows you no more. End some, or raise it: "


def _place_of(error: OSError, file: Path | None) -> Path | None:
    named = error.filename if isinstance(error.filename, str | bytes | os.PathLike) else None
    return Path(os.fsdecode(named)) if named else file


def _in_the_way(error: OSError) -> Path | None:
    """The folder that stands where a file is needed, or the file where a folder is; None where nothing does."""
    for named in (error.filename2, error.filename):
        if not isinstance(named, str | bytes | os.PathLike):
            continue
        place = Path(os.fsdecode(named))
        if error.errno == errno.EISDIR:
            if place.is_dir():
                return place
            continue
        for one in (place, *place.parents):
            if os.path.lexists(one):
                if not one.is_dir():
                    return one
                break
    return None


def _works_somewhere() -> bool:
    """Whether the working folder of this process exists."""
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def _free_space(place: Path | None) -> str:
    """How much space is left where ``place`` lies, as part of a sentence; "" where nobody knows."""
    for folder in [] if place is None else [place, *place.absolute().parents]:
        try:
            used = shutil.disk_usage(folder)
        except OSError:
            continue
        return f" ({in_words(used.free)} of {in_words(used.total)} are free at {folder})"
    return ""


def _memory_limit() -> str:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return "" if limit == resource.RLIM_INFINITY else f" (ulimit -v is {limit // 1024}, which is {in_words(limit)})"


def _process_limit() -> str:
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    return "ulimit -u unlimited" if limit == resource.RLIM_INFINITY else f"ulimit -u {2 * limit} (it is {limit})"
