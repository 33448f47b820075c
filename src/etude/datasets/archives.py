"""Archives of datasets: bring one from a mirror or the network, and unpack files from it without trusting it."""

import errno
import gzip
import logging
import lzma
import os
import re
import stat
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, cast

import pooch
import requests
from filelock import FileLock

from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.core.progress import bar
from etude.core.project import given_path

BLOCK = 1 << 20  # bytes unpacked at a time
CHUNK = 1 << 14  # bytes downloaded at a time; a broken connection loses at most one chunk
TRIES = 4  # of a download, each starts where the last one broke off
PAUSE = 1.0  # seconds before the second try, doubled for each further one
TIMEOUT = 30.0  # seconds without an answer
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
)


@dataclass(frozen=True)
class Archive:
    """One archive of a dataset, and the limits on its content."""

    name: str  # of the file in a mirror, ending in .zip or .tar.gz; any other is the only file of the dataset
    url: str  # used where there is no mirror
    checksum: str | None  # published, of the archive itself, as in "sha256:70470e..."
    max_bytes: int  # that it may unpack to
    max_files: int  # that it may hold


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    kind: str  # "a file", "a folder", "a link", "a device or pipe"
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Archive,
    folder: Path,
    wanted: re.Pattern[str],
    content: str | None,
    extra: re.Pattern[str] | None,
    show: bool,
) -> None:
    """Bring ``archive`` and unpack the files of the dataset.

    Args:
        archive: it is read from the folder that ETUDE_MIRROR names, if set; else it is downloaded once.
        folder: where the files go; it must be empty.
        wanted: the names of the files, below the archive's one top folder; group 1 is where they go.
        content: the digest that the files together must have (etude.core.files.digest); repacking does not change it.
            ``None`` where it is unknown: then the archive itself must have its checksum.
        extra: more files, unpacked if the archive has them, which do not count for ``content``.
        show: progress.

    Raises:
        EtudeError: it is unavailable, damaged, dangerous or another archive. A downloaded one is then removed.
    """
    path, own = _bring(archive, show)
    try:
        if content is None and archive.checksum is not None:
            _check(path, archive.checksum)
        take(path, folder, wanted, archive.max_bytes, archive.max_files)
        found = digest(folder)
        if content is not None and found != content:
            raise EtudeError(
                f"The files of {archive.name} have the digest {found}, but dataset.digest = {content}: they are not "
                "the ones that this dataset is pinned to. Bring another copy of the archive."
            )
        if extra is not None:
            take(path, folder, extra, archive.max_bytes, archive.max_files, some=False)
    except EtudeError:
        if own:
            path.unlink(missing_ok=True)  # the next try downloads it again
        raise


def take(
    archive: Path, folder: Path, wanted: re.Pattern[str], max_bytes: int, max_files: int, some: bool = True
) -> None:
    """Unpack the members of a .zip or .tar.gz file that ``wanted`` matches below ``folder``; copy any other file.

    The first part of every name (the one top folder) is ignored; ``wanted`` must match the rest, and its group 1 is the
    place below ``folder``. With ``some`` it is an error if none matches.

    Raises:
        EtudeError: a member leads out of the folder, or is a link or device; more than ``max_bytes`` are unpacked;
            there are more than ``max_files`` members; the archive is encrypted or damaged.
        OSError: the disk refuses to take the files.
    """
    if archive.suffix == ".zip":
        members = _zip_members(archive)
    elif archive.suffix in (".gz", ".tgz"):
        members = _tar_members(archive, max_bytes)
    else:
        members = iter([Member(f"top/{archive.name}", "a file", partial(_opened, archive))])  # the file itself
    taken = size = 0
    try:
        for number, member in enumerate(members, start=1):
            if number > max_files:
                raise EtudeError(f"{archive.name} holds more than {max_files} files: it is not the dataset's archive.")
            found = wanted.fullmatch(_below_the_top(archive, member))
            if found is None or member.kind == "a folder":
                continue
            with member.open() as source, _new(archive, folder / found.group(1)) as copy:
                while block := source.read(BLOCK):
                    size += len(block)
                    if size > max_bytes:
                        raise _too_much(archive, max_bytes)
                    copy.write(block)
            taken += 1
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL, errno.ENAMETOOLONG):
            raise  # from the disk; the others come from places and names in a damaged archive
        message = " ".join(str(error).split()) or type(error).__name__
        raise EtudeError(f"{archive.name} is damaged ({message[:200]}). Bring another copy of it.") from None
    if some and not taken:
        raise EtudeError(f"{archive.name} holds no file of the dataset: it is another archive. Bring the right one.")


@contextmanager
def writing(place: Path, otherwise: str) -> Iterator[None]:
    """Turn a full disk under ``place`` into an EtudeError; ``otherwise`` names another remedy than to free space."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise EtudeError(
            f"The disk of {place} is full ({os.strerror(error.errno)}). Free space{otherwise}, and try again: no "
            "half-written file is left."
        ) from None


def _bring(archive: Archive, show: bool) -> tuple[Path, bool]:
    """Return the archive's file, and whether it is a download in the cache."""
    mirror = os.environ.get("ETUDE_MIRROR")
    if mirror:
        path = given_path(mirror) / archive.name
        if not path.is_file():
            raise EtudeError(
                f"ETUDE_MIRROR = {mirror} has no file {archive.name}. Put it there, or unset ETUDE_MIRROR to download "
                f"it from {archive.url}"
            )
        return path, False
    cache = given_path(os.environ.get("ETUDE_CACHE") or pooch.os_cache("etude"))
    help_ = f"or set ETUDE_MIRROR to a folder that holds {archive.name}"
    try:
        with writing(cache, ", or set ETUDE_CACHE to a folder on another disk"):
            return _download(archive, cache, show), True
    except requests.HTTPError as error:
        message = str(error).split(" for url")[0]
        raise EtudeError(f"{archive.url} does not send it ({message}). Try again later, {help_}.") from None
    except requests.RequestException as error:
        raise EtudeError(
            f"{archive.url} cannot be downloaded ({type(error).__name__}). Check the network and try again (the part "
            f"received so far is kept), {help_}."
        ) from None
    except OSError as error:
        raise EtudeError(
            f"{cache} cannot be written ({error.strerror}). Set ETUDE_CACHE to a folder that can, {help_}."
        ) from None


def _download(archive: Archive, cache: Path, show: bool) -> Path:
    """Return the archive in ``cache``; download it if it is missing, in one process at a time."""
    pooch.get_logger().setLevel(logging.WARNING)
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{archive.name}.part"

    def downloader(url: str, output: str, _: object) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                _stream(url, part, show)
                break
            except requests.RequestException as error:
                answer = 500 if error.response is None else error.response.status_code
                if attempt == TRIES or (answer < 500 and answer != 429):  # another try does not help
                    raise
                time.sleep(PAUSE * 2 ** (attempt - 1))
            except OSError:
                part.unlink(missing_ok=True)  # frees the full disk
                raise
        part.replace(output)

    with FileLock(cache / f"{archive.name}.lock"):
        try:
            return Path(
                pooch.retrieve(archive.url, archive.checksum, fname=archive.name, path=cache, downloader=downloader)
            )
        except ValueError:
            raise EtudeError(
                f"The download from {archive.url} lacks the published checksum {archive.checksum}; it was removed. Try "
                f"again, or set ETUDE_MIRROR to a folder that holds the right {archive.name}."
            ) from None


def _stream(url: str, part: Path, show: bool) -> None:
    """Download ``url`` to ``part``, and resume an earlier try if the server can."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        resumed = response.status_code == 206
        if done and (response.status_code == 416 or (resumed and _first_byte(response) != done)):
            part.unlink()
            return _stream(url, part, show)
        response.raise_for_status()
        done = done if resumed else 0
        length = int(response.headers.get("Content-Length") or 0)
        if show and not length:
            print(f"download: {url}, of unknown size", file=sys.stderr)
        progress = bar(f"{part.stem} (kB)", (done + length) // 1000, show and length > 0)
        with progress as show_done, part.open("ab" if resumed else "wb") as copy:
            for block in response.iter_content(CHUNK):
                copy.write(block)
                done += len(block)
                show_done(done // 1000)


def _first_byte(response: requests.Response) -> int | None:
    """The number of the first byte of a partial response."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found.group(1)) if found else None


def _check(path: Path, checksum: str) -> None:
    kind, _, wanted = checksum.rpartition(":")
    found = pooch.file_hash(str(path), alg=kind)
    if found != wanted:
        raise EtudeError(
            f"{path} has the {kind} {found}, but the published one is {wanted}: the archive is damaged or another one. "
            "Bring another copy of it."
        )


def _zip_members(archive: Path) -> Iterator[Member]:
    kinds = {0: "a file", stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link"}
    with zipfile.ZipFile(archive) as source:
        for entry in source.infolist():
            if entry.flag_bits & 1:
                raise EtudeError(
                    f"{archive.name} is encrypted: {entry.filename!r} needs a password. Bring an open one."
                )
            kind = kinds.get(stat.S_IFMT(entry.external_attr >> 16), "a device or pipe")
            kind = "a folder" if entry.is_dir() and kind == "a file" else kind
            yield Member(entry.filename, kind, partial(source.open, entry))


def _tar_members(archive: Path, max_bytes: int) -> Iterator[Member]:
    """The members in the order of the file; each must be read before the next one is requested."""
    with gzip.open(archive) as unzipped:
        stream = _Limited(cast(IO[bytes], unzipped), archive, max_bytes)
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", bufsize=BLOCK) as source:
            while entry := source.next():
                kind = "a file" if entry.isreg() else "a folder" if entry.isdir() else "a device or pipe"
                kind = "a link" if entry.issym() or entry.islnk() else kind
                yield Member(entry.name, kind, partial(_open, source, entry))
                source.members = []  # type: ignore[attr-defined]  # else all stay in memory
            while stream.read(BLOCK):  # up to gzip's checksum at the end
                pass


def _opened(file: Path) -> IO[bytes]:
    return file.open("rb")


def _open(source: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    opened = source.extractfile(entry)
    assert opened is not None, "only files are opened"
    return opened


class _Limited:
    """A stream that gives at most ``max_bytes``: headers can be bombs, too."""

    def __init__(self, stream: IO[bytes], archive: Path, max_bytes: int) -> None:
        self.stream, self.archive, self.max_bytes, self.done = stream, archive, max_bytes, 0

    def read(self, size: int) -> bytes:
        block = self.stream.read(size)
        self.done += len(block)
        if self.done > self.max_bytes:
            raise _too_much(self.archive, self.max_bytes)
        return block


def _too_much(archive: Path, max_bytes: int) -> EtudeError:
    return EtudeError(f"{archive.name} unpacks to more than {max_bytes} bytes: it is not the dataset's archive.")


def _below_the_top(archive: Path, member: Member) -> str:
    """A member's name without the top folder. Refuse one that leads out of it, or is no file or folder."""
    name = PureWindowsPath(member.name)  # handles both separators, and drives
    if name.anchor or ".." in name.parts:
        raise EtudeError(f"{archive.name} is refused: its member {member.name!r} leads out of the folder.")
    if member.kind not in ("a file", "a folder"):
        raise EtudeError(f"{archive.name} is refused: its member {member.name!r} is {member.kind}, not a file.")
    return "/".join(name.parts[1:])


def _new(archive: Path, place: Path) -> IO[bytes]:
    """Open a new file for writing."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("xb")
    except (FileExistsError, NotADirectoryError):
        raise EtudeError(f"{archive.name} is refused: it holds {place.name!r} twice.") from None
