"""The XML document in a MusicXML file (``.xml``, ``.musicxml``), which may be compressed (``.mxl``)."""

import codecs
import lzma
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from etude.core.errors import EtudeError

ROOTFILE = "meta-inf/container.xml"
MOST_BYTES = 1 << 26  # of an unpacked score
HEAD = 1 << 16  # bytes, in which a title stands
WHITE = b" \t\r\n"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNPACKING = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, KeyError, ValueError,
    RuntimeError, NotImplementedError,  # of encrypted files, of unknown kinds of compression
)  # fmt: skip


def title_of(path: Path) -> str | None:
    """The title that a file states at its start: of the movement, or else of the work."""
    try:
        data = _unpacked(path, HEAD)[:HEAD]
    except EtudeError:
        return None
    parser, titles = ElementTree.XMLPullParser(), dict[str, str]()
    with suppress(ElementTree.ParseError, ValueError, LookupError):
        parser.feed(data.lstrip(WHITE) if data[:2] not in UTF_16 else data)
        for event in parser.read_events():
            element = event[-1]
            if isinstance(element, Element) and isinstance(element.tag, str):
                titles.setdefault(element.tag.rpartition("}")[2], " ".join((element.text or "").split()))
    return titles.get("movement-title") or titles.get("work-title") or None


def document(path: Path) -> Element:
    """The root element, without namespaces. In a compressed file it is what the container names."""
    data = _unpacked(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise EtudeError(f"its score has more than {MOST_BYTES} bytes")
    if data[:2] not in UTF_16:
        data = data.lstrip(WHITE + codecs.BOM_UTF8).rstrip(WHITE + b"\0")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        line, column = error.position
        raise EtudeError(f"its XML is damaged in line {line}, column {column}") from None
    except (ValueError, LookupError):
        raise EtudeError("its XML states an encoding that is unknown") from None
    for element in root.iter():
        if isinstance(element.tag, str) and "}" in element.tag:
            element.tag = element.tag.rpartition("}")[2]
    return root


def _unpacked(path: Path, most: int) -> bytes:
    """The bytes of the score; of a compressed one at most so many."""
    with path.open("rb") as stream:
        if stream.read(2) != b"PK":
            stream.seek(0)
            return stream.read(most)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_name_in(archive)) as packed:
            return packed.read(most)
    except UNPACKING as error:
        raise EtudeError("it is a damaged archive: no score can be unpacked from it") from error


def _name_in(archive: zipfile.ZipFile) -> str:
    """The name of the score in an archive: of the container's first root file, else the first that may be one."""
    names = {_plain(name): name for name in archive.namelist()}
    if ROOTFILE in names:
        with suppress(ElementTree.ParseError, ValueError, LookupError), archive.open(names[ROOTFILE]) as stream:
            for entry in ElementTree.fromstring(stream.read(MOST_BYTES)).iter():
                kind, name = entry.get("media-type", "xml"), _plain(entry.get("full-path", ""))
                if entry.tag.endswith("rootfile") and "xml" in kind and name in names:
                    return names[name]
    for plain, name in names.items():
        if plain.endswith((".xml", ".musicxml")) and not plain.startswith(("meta-inf/", "__macosx/")):
            return name
    raise EtudeError("it is an archive without a score")


def _plain(name: str) -> str:
    """The name of a file in an archive, without what archives write in several ways."""
    return name.replace("\\", "/").removeprefix("./").lower()
