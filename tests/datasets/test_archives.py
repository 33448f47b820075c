"""Archives: from a mirror, from a server that fails in every way, and with malicious members."""

import errno
import gzip
import hashlib
import io
import os
import re
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest

from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.datasets import archives
from etude.datasets.archives import Archive, take, unpack

FILES = re.compile(r"midi/([^/]+\.mid)")
CONTENT = {"top-1/midi/a.mid": b"first" * 1000, "top-1/midi/b.mid": os.urandom(200_000), "top-1/README": b"read me"}
KINDS = [".zip", ".tar.gz"]


@pytest.fixture
def make(tmp_path: Path, made: Any) -> Callable[..., Path]:
    """Writes an archive in the format of its suffix."""

    def write(suffix: str, files: dict[str, bytes] | None = None) -> Path:
        path = tmp_path / f"top-1{suffix}"
        return (made.zip if suffix == ".zip" else made.tar)(path, CONTENT if files is None else files)

    return write


def taken(archive: Path, max_bytes: int = 10_000_000, max_files: int = 100) -> list[str]:
    """The files unpacked from an archive; check that none lands outside the folder."""
    folder = archive.parent / "deep" / "folder"
    folder.mkdir(parents=True, exist_ok=True)
    around = {file for file in archive.parent.rglob("*") if folder not in file.parents}
    try:
        take(archive, folder, FILES, max_bytes, max_files)
    finally:
        assert {file for file in archive.parent.rglob("*") if folder not in file.parents} == around
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*"))


# --- unpacking


@pytest.mark.parametrize("suffix", KINDS)
def test_the_files_of_the_dataset_come_out(make: Callable[..., Path], suffix: str) -> None:
    archive = make(suffix)
    assert taken(archive) == ["a.mid", "b.mid"]
    assert (archive.parent / "deep/folder/b.mid").read_bytes() == CONTENT["top-1/midi/b.mid"]


def test_the_folder_at_the_top_may_have_any_name(make: Callable[..., Path]) -> None:
    assert taken(make(".tar.gz", {"./other/midi/a.mid": b"a"})) == ["a.mid"]


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize(
    "name",
    ["/midi/evil.mid", "top/../../evil.mid", "top/midi/../../../evil.mid", "..\\..\\evil.mid", "C:\\midi\\evil.mid"],
)
def test_no_name_leads_out(make: Callable[..., Path], suffix: str, name: str) -> None:
    with pytest.raises(EtudeError, match=r"is refused: its member .*evil\.mid' leads out of the folder"):
        taken(make(suffix, {"top/midi/a.mid": b"a", name: b"evil"}))


def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path) -> None:
    for mode, message in [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device"), (stat.S_IFIFO, "a device")]:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            entry = zipfile.ZipInfo("top/midi/x.mid")
            entry.create_system, entry.external_attr = 3, (mode | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
        with pytest.raises(EtudeError, match=f"its member 'top/midi/x.mid' is {message}"):
            taken(tmp_path / "a.zip")


def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path) -> None:
    kinds = {tarfile.SYMTYPE: "a link", tarfile.LNKTYPE: "a link", tarfile.CHRTYPE: "a dev", tarfile.FIFOTYPE: "a dev"}
    for kind, message in kinds.items():
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
            entry = tarfile.TarInfo("top/midi/x.mid")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        with pytest.raises(EtudeError, match=f"its member 'top/midi/x.mid' is {message}"):
            taken(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("suffix", KINDS)
def test_a_bomb_is_stopped_while_it_unpacks(make: Callable[..., Path], suffix: str) -> None:
    archive = make(suffix, {"top/midi/a.mid": b"\0" * 9_000_000})
    assert archive.stat().st_size < 20_000
    with pytest.raises(EtudeError, match="unpacks to more than 2000000 bytes"):
        taken(archive, max_bytes=2_000_000)
    written = sum(file.stat().st_size for file in archive.parent.rglob("*.mid"))
    assert written <= 2_000_000


def test_a_zip_whose_header_lies_about_its_size(make: Callable[..., Path]) -> None:
    archive = make(".zip", {"top/midi/a.mid": b"\0" * 9_000_000})
    data = archive.read_bytes()
    archive.write_bytes(data.replace((9_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(EtudeError, match="damaged"):
        taken(archive, max_bytes=2_000_000)
    assert sum(file.stat().st_size for file in archive.parent.rglob("*.mid")) <= 2_000_000


def test_a_bomb_in_a_tar_header_is_stopped(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("top/midi/a.mid")
        entry.pax_headers = {"comment": "x" * 9_000_000}
        archive.addfile(entry)
    with pytest.raises(EtudeError, match="unpacks to more than"):
        taken(tmp_path / "a.tar.gz", max_bytes=2_000_000)


@pytest.mark.parametrize("suffix", KINDS)
def test_too_many_members_are_refused(make: Callable[..., Path], suffix: str) -> None:
    archive = make(suffix, {f"top/other/{number}": b"" for number in range(200)})
    with pytest.raises(EtudeError, match="more than 100 files"):
        taken(archive)


@pytest.mark.parametrize("suffix", KINDS)
def test_one_name_twice_is_refused(make: Callable[..., Path], suffix: str) -> None:
    with pytest.raises(EtudeError, match=r"holds 'a\.mid' twice"):
        taken(make(suffix, {"top/midi/a.mid": b"a", "top/./midi/a.mid": b"b"}))


def test_an_encrypted_zip_is_refused(make: Callable[..., Path]) -> None:
    archive = make(".zip")
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the list of members
    archive.write_bytes(data)
    with pytest.raises(EtudeError, match=r"is encrypted: 'top-1/midi/a\.mid' needs a password"):
        taken(archive)


@pytest.mark.parametrize("suffix", KINDS)
def test_damage_is_a_sentence(make: Callable[..., Path], suffix: str) -> None:
    data = make(suffix).read_bytes()
    flipped = data[: len(data) // 2] + bytes(byte ^ 0xFF for byte in data[len(data) // 2 :][:40]) + data[-60_000:]
    for broken in (b"", b"no archive at all", data[: len(data) // 2], data[:-30], flipped):
        archive = make(suffix)
        archive.write_bytes(broken)
        for file in (archive.parent / "deep").rglob("*.mid"):
            file.unlink()
        with pytest.raises(EtudeError, match=r"is damaged|holds no file"):
            taken(archive)


def test_a_changed_checksum_at_the_end_of_a_tar_is_noticed(make: Callable[..., Path]) -> None:
    archive = make(".tar.gz")
    archive.write_bytes(archive.read_bytes()[:-8] + bytes(8))
    with pytest.raises(EtudeError, match="damaged"):
        taken(archive)


def test_another_archive_is_refused(make: Callable[..., Path]) -> None:
    with pytest.raises(EtudeError, match="holds no file of the dataset"):
        taken(make(".zip", {"top/readme": b""}))


# --- bringing


@dataclass
class Server:
    """A server on this machine that serves one archive, and fails on demand."""

    data: bytes
    status: list[int] = field(default_factory=list)  # answers instead of the file, one per request
    cut: list[int] = field(default_factory=list)  # bytes after which the connection breaks, one per request
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)  # the Range of each request
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        if self.status and (status := self.status.pop(0)):
            request.send_error(status)
            return
        start = _start(wanted) if self.ranges else 0
        if start >= len(self.data):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        request.send_header("Content-Length", str(len(self.data) - start))
        request.end_headers()
        end = self.cut.pop(0) if self.cut else len(self.data)
        request.wfile.write(self.data[start:end])


@pytest.fixture
def server(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    served = Server(make(".zip").read_bytes())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setattr(archives, "PAUSE", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    served.url = f"http://127.0.0.1:{httpd.server_port}/top-1.zip"
    yield served
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def archive(server: Server) -> Archive:
    return Archive("top-1.zip", server.url, f"sha256:{hashlib.sha256(server.data).hexdigest()}", 10_000_000, 100)


def unpacked(archive: Archive, tmp_path: Path, content: str | None = None, extra: str | None = None) -> list[str]:
    folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    unpack(archive, folder, FILES, content, re.compile(extra) if extra else None, show=False)
    return sorted(file.name for file in folder.iterdir())


def _start(wanted: str | None) -> int:
    return int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0


def in_cache(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "cache").iterdir() if file.suffix != ".lock")


def test_an_archive_is_downloaded_once(server: Server, archive: Archive, tmp_path: Path) -> None:
    for _ in range(2):
        assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]
    assert server.asked == [None] and in_cache(tmp_path) == ["top-1.zip"]


def test_a_broken_download_is_resumed(server: Server, archive: Archive, tmp_path: Path) -> None:
    server.cut = [50_000, 120_000]
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]
    assert [_start(wanted) // archives.CHUNK for wanted in server.asked] == [0, 3, 7]


def test_the_next_run_resumes_the_download(server: Server, archive: Archive, tmp_path: Path) -> None:
    server.cut = [40_000 * number for number in range(1, archives.TRIES + 1)]
    with pytest.raises(EtudeError, match=r"cannot be downloaded.*received so far is kept.*set ETUDE_MIRROR"):
        unpacked(archive, tmp_path)
    assert in_cache(tmp_path) == ["top-1.zip.part"]
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]
    assert 140_000 < _start(server.asked[-1]) <= 160_000 and in_cache(tmp_path) == ["top-1.zip"]


def test_a_server_that_cannot_resume_starts_again(server: Server, archive: Archive, tmp_path: Path) -> None:
    server.ranges, server.cut = False, [50_000]
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]
    assert [_start(wanted) // archives.CHUNK for wanted in server.asked] == [0, 3]


def test_a_partial_download_of_another_file_starts_again(server: Server, archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/top-1.zip.part").write_bytes(b"x" * (len(server.data) + 5))
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]


def test_a_server_that_is_busy_is_asked_again(server: Server, archive: Archive, tmp_path: Path) -> None:
    server.status = [503, 429]
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]
    assert len(server.asked) == 3


def test_404_is_not_asked_again(server: Server, archive: Archive, tmp_path: Path) -> None:
    server.status = [404] * 9
    with pytest.raises(
        EtudeError, match=r"does not send it \(404 .*set ETUDE_MIRROR to a folder that holds top-1\.zip"
    ):
        unpacked(archive, tmp_path)
    assert len(server.asked) == 1 and in_cache(tmp_path) == []


def test_no_server_is_a_sentence(archive: Archive, tmp_path: Path) -> None:
    away = replace(archive, url="http://127.0.0.1:9/top-1.zip")
    with pytest.raises(EtudeError, match=r"cannot be downloaded \(ConnectionError\).*ETUDE_MIRROR"):
        unpacked(away, tmp_path)


def test_a_wrong_checksum_leaves_nothing(server: Server, archive: Archive, tmp_path: Path) -> None:
    right, server.data = server.data, server.data[:-1] + b"x"
    with pytest.raises(EtudeError, match="lacks the published checksum"):
        unpacked(archive, tmp_path)
    assert in_cache(tmp_path) == []
    server.data = right
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]


def test_wrong_content_leaves_nothing(server: Server, archive: Archive, tmp_path: Path) -> None:
    unpinned = replace(archive, checksum=None)
    with pytest.raises(EtudeError, match=r"have the digest [0-9a-f]{64}, but dataset\.digest = 0123:"):
        unpacked(unpinned, tmp_path, content="0123")
    assert in_cache(tmp_path) == []
    assert unpacked(unpinned, tmp_path) == ["a.mid", "b.mid"]


def test_a_full_disk_leaves_nothing(
    server: Server, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    opened = Path.open

    def full(path: Path, mode: str = "r", **more: Any) -> IO[Any]:
        return Full(path, "w") if path.suffix == ".part" else opened(path, mode, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(EtudeError, match=r"disk of .*cache is full.*Free space, or set ETUDE_CACHE"):
            unpacked(archive, tmp_path)
    assert in_cache(tmp_path) == []
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]


def test_a_cache_that_cannot_be_written_is_a_sentence(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ETUDE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EtudeError, match=r"cannot be written .*Set ETUDE_CACHE"):
        unpacked(archive, tmp_path)


def test_a_mirror_needs_no_network_and_stays_unchanged(
    server: Server, archive: Archive, tmp_path: Path, own_mirror: Path
) -> None:
    with pytest.raises(EtudeError, match=r"ETUDE_MIRROR = .* has no file top-1\.zip"):
        unpacked(archive, tmp_path)
    copy = own_mirror / archive.name
    copy.write_bytes(server.data)
    assert unpacked(archive, tmp_path) == ["a.mid", "b.mid"]
    with pytest.raises(EtudeError, match=r"dataset\.digest = 0123"):
        unpacked(archive, tmp_path, content="0123")
    copy.write_bytes(server.data[:-1] + b"x")
    with pytest.raises(EtudeError, match="but the published one is"):
        unpacked(archive, tmp_path)
    assert copy.is_file() and server.asked == [] and not (tmp_path / "cache").exists()


def test_the_digest_is_of_the_content_not_of_the_archive(
    archive: Archive, tmp_path: Path, own_mirror: Path, made: Any
) -> None:
    (tmp_path / "plain").mkdir()
    for name in ("a.mid", "b.mid"):
        (tmp_path / "plain" / name).write_bytes(CONTENT[f"top-1/midi/{name}"])
    content = digest(tmp_path / "plain")
    files = {name.replace("top-1", "other"): data for name, data in reversed(CONTENT.items())}
    made.zip(own_mirror / archive.name, files)
    assert unpacked(archive, tmp_path, content) == ["a.mid", "b.mid"]
    made.tar(own_mirror / "top-1.tar.gz", files)
    assert unpacked(replace(archive, name="top-1.tar.gz"), tmp_path, content) == ["a.mid", "b.mid"]
    assert unpacked(archive, tmp_path, content, extra="(README)") == ["README", "a.mid", "b.mid"]


def test_gzip_in_gzip_is_no_tar(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(gzip.compress(b"\0" * 100_000)))
    with pytest.raises(EtudeError, match="damaged"):
        taken(tmp_path / "a.tar.gz")
