"""Reading ABC, tune by tune: a file's text is split once, and each tune is read by itself."""

import codecs
import re
from functools import lru_cache
from pathlib import Path

from etude.core.errors import EtudeError
from etude.scores.abc_tune import FIELD, VERSION, lines_of, sheet_of
from etude.scores.written import Sheet

MANY = "Say which: tune=1 on the command line, part='1' of etude.read, or copy one into a file of its own"
SHOWN = 5  # titles in a message
ADDED = ("%%", "I:", "U:", "m:")  # a tune adds its own to those of the file's head; other fields take their place


def read_sheet(path: Path, part: str | None) -> Sheet:
    """Read one tune of an ABC file.

    A tune without meter (``M: none``) has bars as long as they are written. Quoted text over the music that is no chord
    is ignored.

    Args:
        path: the file, in UTF-8, UTF-16 or Latin-1.
        part: "1" for the first tune of the file, and so on; ``None`` for the only one.

    Raises:
        EtudeError: there is no such tune, or it is absurd.
    """
    return sheet_of(tune(path, part))


def tune(path: Path, part: str | None) -> str:
    """The text of one tune of an ABC file, with the fields of the file's head; see ``read_sheet``.

    Raises:
        EtudeError: there is no such tune.
    """
    tunes = _tunes_of(path)
    number = 1 if part is None and len(tunes) == 1 else int(part or 0)
    if not 1 <= number <= len(tunes):
        if not tunes:
            raise EtudeError("it holds no tune: no music that starts with X: and K:")
        titles = [f"{name} {title or 'without a title'}" for name, title in pieces(path)[:SHOWN]]
        more = ", ..." if len(tunes) > SHOWN else ""
        wrong = "" if part is None else f", no number {part} among them"
        raise EtudeError(f"it holds {len(tunes)} tunes ({', '.join(titles)}{more}){wrong}. {MANY}")
    return tunes[number - 1]


def pieces(path: Path) -> list[tuple[str | None, str | None]]:
    """The tunes of a file in order: ("1", the title), ("2", ...). A tune without a title has ``None``."""
    found: list[tuple[str | None, str | None]] = []
    for place, text in enumerate(_tunes_of(path)):
        title = re.search(r"^T:[ \t]*(\S.*?)[ \t]*(%.*)?$", text, re.MULTILINE)
        found.append((str(place + 1), readable(title[1]) if title else None))
    return found


def readable(text: str) -> str:
    """``text`` with the accents of DOS (code page 850) where it has control characters: 0x81 is an ü.

    The Essen collection writes German and Chinese titles this way.
    """
    if not any("\x80" <= letter <= "\x9f" for letter in text):
        return text
    return text.encode("latin-1", "replace").decode("cp850")


def tunes_of(text: str) -> list[str]:
    """The tunes in the text of an ABC file. Each starts at its X: field and gets the fields of the file's head.

    A tune ends with the blank line after its music, or with the next X: field. Texts between tunes are left out. The
    music of a file, or of its head, may lack the X:.
    """
    before: list[str] = []  # the first X:
    tunes: list[list[str]] = []
    versions: list[str] = []  # of the tunes
    version = ""  # what the file says last
    sounding = ended = False
    for line in lines_of(text):
        field = _field(line)
        if VERSION.match(line) and (not tunes or sounding):
            version = line
        elif field == "X:":
            tunes.append([line])
            versions.append(version)
            sounding = ended = False
        elif not tunes:
            before.append(line)
        elif not line.strip():
            ended = sounding
        elif not ended:
            tunes[-1].append(line)
            sounding = sounding or not (field or line.startswith(("%", "+:")))
    head, unnumbered = _before(before, numbered=bool(tunes))
    tunes = [["X:1", *tune] for tune in unnumbered] + tunes
    versions = [version if not versions else versions[0]] * len(unnumbered) + versions
    return [
        "\n".join([tune[0], *filter(None, [version]), *_lacking(head, tune), *tune[1:]]) + "\n"
        for tune, version in zip(tunes, versions, strict=True)
    ]


def _before(lines: list[str], numbered: bool) -> tuple[list[str], list[list[str]]]:
    """The fields and directives of the file's head, and the tunes without X: that stand there, up to blank lines.

    Such a tune has a key; where no tune of the file is numbered, bar lines show music too.
    """
    tunes: list[list[str]] = []
    block: list[str] = []
    keyed = sounding = False
    for line in [*lines, ""]:
        if line.strip():
            field = _field(line)
            keyed = keyed or field == "K:"
            musical = keyed or ("|" in line and not numbered)
            sounding = sounding or (musical and not field and not line.startswith("%"))
            block.append(line)
            continue
        if sounding:
            tunes.append(block)
            block = []
        keyed = sounding = False
    return [line for line in block if _field(line) or line.startswith("%%")], tunes


def _field(line: str) -> str:
    return line.lstrip()[:2] if FIELD.match(line.lstrip()) else ""


def _lacking(head: list[str], tune: list[str]) -> list[str]:
    """The fields of the file's head that a tune does not state itself."""
    key = next((place for place, line in enumerate(tune) if line.lstrip().startswith("K:")), len(tune))
    own = {line.lstrip()[:2] for line in tune[: key + 1]}  # a field after the key is a change within the tune
    return [line for line in head if line.lstrip()[:2] not in own or line.startswith(ADDED)]


def _tunes_of(path: Path) -> tuple[str, ...]:
    state = path.stat()
    return _split(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)  # the tunes of a file are read one after the other
def _split(path: Path, size: int, changed: int) -> tuple[str, ...]:
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return tuple(tunes_of(data.decode("utf-16", "replace")))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return tuple(tunes_of(text))
