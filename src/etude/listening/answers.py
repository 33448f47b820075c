"""The answers of listeners: their format, checked field by field; read from a folder or a server's database."""

import json
import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.core.folders import files_below
from etude.listening.design import FIRST, NONE, PAIR, QUESTION, RATING, SECOND, VERSION, Page, Test

FORMAT = "etude-listen"
ID = re.compile(r"[0-9a-f]{32}")  # of a listener
MOST_BYTES = 1_000_000  # of a file of answers
MOST_SECONDS = 1e6  # on a page
MOST_PLAYS = 10_000
FIELDS = {
    PAIR: {"page", "clips", "choice", "plays", "seconds"},
    RATING: {"page", "clips", "ratings", "plays", "seconds"},
    QUESTION: {"page", "choice", "seconds"},
}
TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listeners (
  id TEXT PRIMARY KEY, sheet INTEGER NOT NULL, simulated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  listener TEXT NOT NULL REFERENCES listeners (id), page INTEGER NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (listener, page)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Listener:
    """The answers of one listener by page, and the file that they came from."""

    id: str
    answers: Mapping[int, Json]
    source: str
    simulated: bool = False

    @property
    def code(self) -> str:
        """The confirmation code that the page shows at its end."""
        return f"{self.id[-8:-4]}-{self.id[-4:]}".upper()


@dataclass(frozen=True)
class Spoiled:
    """A file, or a row of a database, that holds no answers to the test, and why."""

    source: str
    reason: str


def check_answer(test: Test, listener: str, value: Any) -> Json:
    """One answer of a listener, checked against the page that it is to.

    Args:
        test: the test.
        listener: the id.
        value: ``page`` (its place, from 0), ``clips``, ``choice`` (first, second, none; of a question its number) or
            ``ratings`` (1 to 5 for each scale), ``plays`` of each clip, ``seconds`` on the page.

    Raises:
        EtudeError: a field is missing, unknown, or has another value than the page allows.
    """
    pages = test.pages_of(listener)
    if not isinstance(value, dict):
        raise EtudeError("an answer must be a JSON object")
    place = value.get("page")
    if not isinstance(place, int) or not _is_int(place, 0, len(pages) - 1):
        raise EtudeError(f"page = {_shown(place)} must be a whole number from 0 to {len(pages) - 1}")
    page = pages[place]
    if value.keys() != FIELDS[page.kind]:
        wrong = sorted(map(ascii, value.keys() ^ FIELDS[page.kind]))
        raise EtudeError(f"page {place}: fields {', '.join(wrong)[:80]} are missing or unknown")
    checks = {
        "clips": lambda found: found == list(page.clips),
        "choice": lambda found: _is_choice(page, found),
        "ratings": lambda found: (
            isinstance(found, dict)
            and found.keys() == set(test.scales)
            and all(_is_int(rating, 1, 5) for rating in found.values())
        ),
        "plays": lambda found: (
            isinstance(found, list)
            and len(found) == len(page.clips)
            and all(_is_int(count, 1, MOST_PLAYS) for count in found)
        ),
        "seconds": lambda found: (
            isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= MOST_SECONDS
        ),
    }
    for name in sorted(value.keys() & checks.keys()):
        if not checks[name](value[name]):
            raise EtudeError(f"page {place}: {name} = {_shown(value[name])} does not fit the page")
    return value


def _is_choice(page: Page, found: Any) -> bool:
    if page.kind == QUESTION:
        return _is_int(found, 0, len(page.choices) - 1)
    return isinstance(found, str) and found in (FIRST, SECOND, NONE)


def _is_int(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_listener(test: Test, value: Any, source: str) -> Listener:
    """The answers in a file that a page wrote.

    Raises:
        EtudeError: it is none, or of another test, or one of its answers is spoiled.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise EtudeError("it holds no answers of a listening test")
    if value.get("version") != VERSION:
        raise EtudeError(f"its version is {_shown(value.get('version'))}, and this release reads {VERSION}")
    if value.get("test") != test.id:
        raise EtudeError(f"it has answers to another test ({_shown(value.get('test'))}, not {test.id})")
    listener, answers, simulated = value.get("listener"), value.get("answers"), value.get("simulated", False)
    if not isinstance(listener, str) or not ID.fullmatch(listener):
        raise EtudeError(f"listener = {_shown(listener)} must have 32 hexadecimal digits")
    if not isinstance(answers, list) or not isinstance(simulated, bool):
        raise EtudeError("answers must be a list, and simulated true or false")
    if value.keys() - {"format", "version", "test", "listener", "answers", "simulated"}:
        raise EtudeError("it has fields that no page writes")
    found: dict[int, Json] = {}
    for answer in answers:
        checked = check_answer(test, listener, answer)
        if checked["page"] in found and found[checked["page"]] != checked:
            raise EtudeError(f"page {checked['page']} is answered twice")
        found[checked["page"]] = checked
    return Listener(listener, found, source, simulated)


def read_answers(test: Test, path: Path) -> tuple[list[Listener], list[Spoiled]]:
    """All answers to a test, in the order of their sources, and what could not be read.

    Args:
        test: the test.
        path: a folder of JSON files, one such file, or the database of ``etude listen serve``.

    Raises:
        EtudeError: there is neither, or the database is damaged or of another test.
    """
    if path.is_dir():
        files = sorted(
            file for file in files_below(path, "answers") if file.is_file() and not file.name.startswith(".")
        )
        if not files:
            raise EtudeError(f"answers = {path} holds no files. Put there the files that listeners sent.")
        return _read_files(test, files, path)
    if not path.is_file():
        raise EtudeError(
            f"answers = {path} does not exist, or is neither a file nor a folder. Give the folder of the files that "
            "listeners sent, or the database of etude listen serve."
        )
    with path.open("rb") as stream:
        is_database = stream.read(16) == b"SQLite format 3\0"
    return _read_database(test, path) if is_database else _read_files(test, [path], path.parent)


def _read_files(test: Test, files: list[Path], top: Path) -> tuple[list[Listener], list[Spoiled]]:
    found, spoiled = [], []
    for file in files:
        name = os.fsencode(file.relative_to(top).as_posix()).decode("utf-8", "backslashreplace")
        try:
            if file.stat().st_size > MOST_BYTES:
                raise EtudeError(f"it has more than {MOST_BYTES:,} bytes")
            found.append(read_listener(test, json.loads(file.read_text(encoding="utf-8-sig")), name))
        except EtudeError as error:
            spoiled.append(Spoiled(name, str(error)))
        except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
            kind = "cannot be read" if isinstance(error, OSError) else "is no JSON"
            spoiled.append(Spoiled(name, f"it {kind}"))
    return found, spoiled


def _read_database(test: Test, path: Path) -> tuple[list[Listener], list[Spoiled]]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as tables:
            tables.text_factory = lambda text: text.decode("utf-8", "replace")  # one damaged row costs that row
            about = dict(tables.execute("SELECT name, value FROM about").fetchall())
            rows = tables.execute(
                "SELECT id, simulated, page, answer FROM listeners LEFT JOIN answers ON listener = id ORDER BY id, page"
            ).fetchall()
    except sqlite3.Error as error:
        raise EtudeError(
            f"answers = {path} cannot be read ({error}). Give the file that etude listen serve wrote; if it was copied "
            "while the server ran or after it was killed, copy the file of the same name that ends in -wal with it."
        ) from None
    if about.get("test") != test.id or about.get("version") != str(VERSION):
        raise EtudeError(
            f"answers = {path} is of test {about.get('test')} (version {about.get('version')}), and the key of "
            f"{test.id} (version {VERSION}). Give its own key."
        )
    answers: dict[str, dict[int, Json]] = {}
    simulated: dict[str, bool] = {}
    spoiled = []
    for listener, made, place, text in rows:
        if not isinstance(listener, str) or not ID.fullmatch(listener):
            spoiled.append(Spoiled(f"{path.name}, listener {_shown(listener)}", "its id has not 32 hexadecimal digits"))
            continue
        own = answers.setdefault(listener, {})
        simulated[listener] = bool(made)
        if place is None:
            continue
        try:
            answer = check_answer(test, listener, json.loads(text))
            if answer["page"] != place:
                raise EtudeError(f"the answer is to page {answer['page']}")
            own[place] = answer
        except (EtudeError, ValueError, TypeError, RecursionError) as error:
            spoiled.append(Spoiled(f"{path.name}, listener {listener[:8]}, page {_shown(place)}", str(error)[:200]))
    return [Listener(name, own, path.name, simulated[name]) for name, own in answers.items()], spoiled
