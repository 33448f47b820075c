"""Reading ABC, tune by tune: a file's text is split once, and music21 parses each tune by itself."""

import re
from functools import lru_cache
from pathlib import Path

from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.notation import piece_of
from etude.scores.reading import Facts

FIELD = re.compile(r"[A-Za-z]:(?![|:])")  # a line of music may start with A:|
QUOTED = re.compile(r'"([^"\n]*)"')
# quoted text that is a chord, not a fingering, a dynamic or "D.C."
CHORD = re.compile(
    r"\(?[A-G][#b]?(m|min|-|M|maj|dim|aug|\+|o|sus|add)*(2|4|5|6|7|9|11|13)*((sus|maj|add|b|#)[0-9]+)*(/[A-G][#b]?)?\)?"
)


def read_abc(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read one tune of an ABC file; see ``etude.scores.readers.read`` and ``etude.scores.notation``.

    Repeats and endings are not expanded, as in MusicXML. A tune without metre (``M: none``) has bars as long as they
    are written. Quoted text over the music that is no chord is ignored.

    Args:
        path: the file, in UTF-8 or Latin-1.
        part: "1" for the first tune of the file, and so on; ``None`` for the only one.
        reading: see there.

    Raises:
        EtudeError: there is no such tune, or a voice is missing.
    """
    tunes = _tunes_of(path)
    number = 1 if part is None and len(tunes) == 1 else int(part or 0)
    if not 1 <= number <= len(tunes):
        raise EtudeError(f"it holds {len(tunes)} tunes, none with number {part}")
    from music21 import abcFormat  # a second; etude.scores.readers.prepare does it once for many processes
    from music21.abcFormat.translate import abcToStreamScore

    return piece_of(abcToStreamScore(abcFormat.ABCFile().readstr(tunes[number - 1])), reading)


def pieces(path: Path) -> list[tuple[str | None, str | None]]:
    """The tunes of a file in order: ("1", the title), ("2", ...). A tune without a title has ``None``."""
    found: list[tuple[str | None, str | None]] = []
    for place, tune in enumerate(_tunes_of(path)):
        title = re.search(r"^T:[ \t]*(\S.*?)[ \t]*(%.*)?$", tune, re.MULTILINE)
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

    A tune ends with the blank line after its music, or with the next X: field. Texts between tunes are left out.
    """
    head: list[str] = []
    tunes: list[list[str]] = []
    sounding = ended = False
    for line in text.splitlines():
        line = line.strip("\ufeff")
        field = line.lstrip()[:2] if FIELD.match(line.lstrip()) else ""
        if field == "X:":
            tunes.append([])
            sounding = ended = False
        if not tunes:
            head += [line] if field else []
            continue
        if not line.strip():
            ended = sounding
            continue
        if ended:
            continue
        tunes[-1].append(line if field else QUOTED.sub(_chords_only, line))
        sounding = sounding or (not field and not line.startswith("%"))
    return ["\n".join([tune[0], *_lacking(head, tune), *tune[1:]]) + "\n" for tune in tunes]


def _lacking(head: list[str], tune: list[str]) -> list[str]:
    """The fields of the file's head that a tune does not state itself."""
    key = next((place for place, line in enumerate(tune) if line.lstrip().startswith("K:")), len(tune))
    own = {line.lstrip()[:2] for line in tune[: key + 1]}  # a field after the key is a change within the tune
    return [line for line in head if line.lstrip()[:2] not in own]


def _chords_only(quoted: re.Match[str]) -> str:
    return quoted[0] if CHORD.fullmatch(quoted[1].strip()) else ""


def _tunes_of(path: Path) -> tuple[str, ...]:
    state = path.stat()
    return _split(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)  # the tunes of a file are read one after the other
def _split(path: Path, size: int, changed: int) -> tuple[str, ...]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return tuple(tunes_of(text))
