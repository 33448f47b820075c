"""The database of ``etude listen serve``: an answer that was confirmed is on disk, whatever happens then."""

import json
import secrets
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.listening.answers import TABLES, check_answer
from etude.listening.design import VERSION, Test

WAIT = 10.0  # seconds for another process that writes


class Unknown(EtudeError):
    """A listener whom the server did not enrol."""


class Taken(EtudeError):
    """A page that was answered before, and otherwise."""


class Store:
    """Answers to one test, in a sqlite file.

    Each answer is a transaction of its own, and is written through to the disk (WAL, synchronous=FULL) before ``put``
    returns. One connection serves all threads, one after the other.
    """

    def __init__(self, path: Path, test: Test) -> None:
        """Open or make the file. Raises EtudeError where it is none, or has answers to another test."""
        self.path, self.test = path, test
        self._lock = threading.Lock()
        self._check_other(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._tables = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
            self._tables.execute("PRAGMA journal_mode=WAL")
            self._tables.execute("PRAGMA synchronous=FULL")
            self._tables.execute("PRAGMA foreign_keys=ON")
            self._tables.executescript(TABLES)
            self._tables.execute(
                "INSERT OR IGNORE INTO about VALUES ('test', ?), ('version', ?)", (test.id, str(VERSION))
            )
            about = dict(self._tables.execute("SELECT name, value FROM about"))
        except (OSError, sqlite3.Error) as error:
            raise EtudeError(
                f"answers = {path} cannot be used as a database ({error}). Name another file, as in: answers=new.sqlite"
            ) from None
        if about != {"test": test.id, "version": str(VERSION)}:
            self.close()
            theirs, version = about.get("test"), about.get("version")
            raise EtudeError(
                f"answers = {path} has answers to test {theirs} (version {version}), and the page is of test {test.id} "
                f"(version {VERSION}). Name another file, as in: answers=new.sqlite"
            )

    @staticmethod
    def _check_other(path: Path) -> None:
        """Raise EtudeError where the file has something else than answers: it stays as it is."""
        try:
            if not path.exists() or not path.stat().st_size:
                return
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=WAIT)) as tables:
                names = {
                    name
                    for (name,) in tables.execute("SELECT name FROM sqlite_master")
                    if not name.startswith("sqlite_")
                }
        except (OSError, sqlite3.Error) as error:
            raise EtudeError(
                f"answers = {path} cannot be used as a database ({error}). Name another file, as in: answers=new.sqlite"
            ) from None
        if names and names != {"about", "listeners", "answers"}:
            raise EtudeError(
                f"answers = {path} is the database of another program. Name another file, as in: answers=new.sqlite"
            )

    def close(self) -> None:
        """Close the file; what was confirmed is in it."""
        self._tables.close()

    def enrol(self, simulated: bool = False) -> str:
        """A random id for a new listener, on the sheet that fewest have."""
        sheets = len(self.test.sheets)
        with self._lock:
            taken = dict(self._tables.execute("SELECT sheet, count(*) FROM listeners GROUP BY sheet"))
            # the first of those that fewest have: sheets are shuffled, so any first few of them are a fair part
            sheet = min(range(sheets), key=lambda number: taken.get(number, 0))
            head = sheet + sheets * secrets.randbelow((2**32 - 1 - sheet) // sheets + 1)
            listener = f"{head:08x}{secrets.token_hex(12)}"
            self._tables.execute("INSERT INTO listeners VALUES (?, ?, ?)", (listener, sheet, int(simulated)))
        return listener

    def put(self, listener: str, value: Json) -> bool:
        """Keep an answer; the same answer again changes nothing. Returns whether it was the listener's last open page.

        Raises:
            Unknown: the listener was not enrolled.
            Taken: the page has another answer already, which stays.
            EtudeError: the answer does not fit the page.
        """
        answer = check_answer(self.test, listener, value)
        text = json.dumps(answer, sort_keys=True)
        with self._lock:
            if not self._tables.execute("SELECT 1 FROM listeners WHERE id = ?", (listener,)).fetchone():
                raise Unknown("this listener is not known here")
            row = (listener, answer["page"])
            made = self._tables.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (*row, text))
            if made.rowcount == 0:
                (kept,) = self._tables.execute(
                    "SELECT answer FROM answers WHERE listener = ? AND page = ?", row
                ).fetchone()
                if kept != text:
                    raise Taken(f"page {answer['page']} was answered before")
                return False
            (count,) = self._tables.execute("SELECT count(*) FROM answers WHERE listener = ?", (listener,)).fetchone()
        return int(count) == len(self.test.pages_of(listener))

    def counts(self) -> str:
        """How many answers of how many listeners there are, as a text."""
        with self._lock:
            asked = "SELECT count(*), count(DISTINCT listener) FROM answers"
            answers, listeners = map(int, self._tables.execute(asked).fetchone())
        return f"{answers} answer{'s' * (answers != 1)} of {listeners} listener{'s' * (listeners != 1)}"
