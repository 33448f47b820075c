"""Walks through folders that somebody names: bounded, whatever they hold and however it changes meanwhile."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from etude.core.errors import EtudeError

MOST = 1_000_000  # files and folders below one folder
MOUNTS = Path("/proc/self/mountinfo")  # Linux alone has it
# File systems without files: the kernel makes them up while they are read, and some never end.
KERNEL = {
    "proc",
    "sysfs",
    "devpts",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "configfs",
    "mqueue",
}


def files_below(root: Path, key: str, unreadable: Callable[[Path, str], None] | None = None) -> Iterator[Path]:
    """Yield all below a folder that are no folders, links to folders too, in no order; links are not followed.

    Args:
        root: the folder.
        key: what the command names it by, for messages.
        unreadable: called with each folder that cannot be read, and the reason; one may disappear during the walk.

    Raises:
        EtudeError: it is one of the kernel's file systems, as /proc, or holds more than ``MOST`` files and folders.
    """
    kernel = _kernel_devices()
    left, count = [root], 0
    while left:
        place = left.pop()
        try:
            facts = place.stat() if place == root else place.lstat()
            if stat.S_ISLNK(facts.st_mode):
                continue  # it was a folder when it was listed
            if facts.st_dev in kernel:
                if place == root:
                    raise EtudeError(f"{key} = {root} is no folder of files: the system makes it up. Name another one.")
                raise OSError(0, "the system makes it up")
            with os.scandir(place) as entries:
                for entry in entries:
                    count += 1
                    if count > MOST:
                        raise EtudeError(
                            f"{key} = {root} holds more than {MOST} files and folders. Name a folder of scores only."
                        )
                    if entry.is_dir(follow_symlinks=False):
                        left.append(Path(entry.path))
                    else:
                        yield Path(entry.path)
        except OSError as error:
            if unreadable is not None:
                unreadable(place, str(error.strerror))


def _kernel_devices() -> set[int]:
    """The numbers of the mounted devices that are file systems of the kernel; none where the system does not say."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    found = set()
    for line in lines:
        before, _, after = line.partition(" - ")  # number, parent, major:minor, ... - type, source, options
        fields, kind = before.split(), after.split()
        if len(fields) > 2 and kind and kind[0] in KERNEL:
            major, _, minor = fields[2].partition(":")
            found.add(os.makedev(int(major), int(minor)))
    return found
