"""Answers: every field is checked; spoiled files are named and cost nothing but themselves."""

import json
import random
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from listening.panel import Panel, as_file, make_key, write

from etude.core.errors import EtudeError
from etude.listening.answers import check_answer, read_answers, read_listener
from etude.listening.design import PAIR, QUESTION, RATING, Question, Shape
from etude.listening.store import Store

KEY = make_key(shape=Shape(2, 2, 2, (Question("Do you play?", ("yes", "no")),)))
EQUAL = dict.fromkeys(KEY.systems, 0.0)
LISTENER = Panel(KEY, EQUAL).listener()
PAGES = KEY.test.pages_of(LISTENER.id)


def place_of(kind: str) -> int:
    return next(place for place, page in enumerate(PAGES) if page.kind == kind)


def test_what_a_page_writes_is_read() -> None:
    found = read_listener(KEY.test, json.loads(json.dumps(as_file(KEY.test, LISTENER))), "a.json")
    assert found.id == LISTENER.id and found.answers == LISTENER.answers and found.simulated
    assert found.code == f"{LISTENER.id[-8:-4]}-{LISTENER.id[-4:]}".upper()


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (PAIR, {"choice": "A"}, 'choice = "A" does not fit'),
        (PAIR, {"choice": 1}, "choice = 1"),
        (PAIR, {"clips": ["0", "1"]}, "clips"),
        (PAIR, {"plays": [1]}, "plays"),
        (PAIR, {"plays": [0, 1]}, "plays"),
        (PAIR, {"plays": [True, 1]}, "plays"),
        (PAIR, {"seconds": -1}, "seconds"),
        (PAIR, {"seconds": float("nan")}, "seconds"),
        (PAIR, {"seconds": True}, "seconds"),
        (PAIR, {"name": "Anna"}, "fields 'name' are missing or unknown"),
        (RATING, {"ratings": {"coherence": 3}}, "ratings"),
        (RATING, {"ratings": [3]}, "ratings"),
        (QUESTION, {"choice": 2}, "choice = 2"),
        (QUESTION, {"choice": "yes"}, "choice"),
    ],
)
def test_a_field_that_does_not_fit_is_named(kind: str, change: dict[str, Any], message: str) -> None:
    answer = deepcopy(dict(LISTENER.answers[place_of(kind)])) | change
    with pytest.raises(EtudeError, match=message):
        check_answer(KEY.test, LISTENER.id, answer)


@pytest.mark.parametrize("value", [0, 6, 2.5, "3", None, True])
def test_a_rating_is_a_whole_number_from_1_to_5(value: object) -> None:
    answer = deepcopy(dict(LISTENER.answers[place_of(RATING)]))
    answer["ratings"]["harmony"] = value
    with pytest.raises(EtudeError, match="ratings"):
        check_answer(KEY.test, LISTENER.id, answer)


@pytest.mark.parametrize("place", [-1, len(PAGES), "0", None, True, 1.0])
def test_a_page_that_the_listener_does_not_have_is_named(place: object) -> None:
    with pytest.raises(EtudeError, match="page ="):
        check_answer(KEY.test, LISTENER.id, {"page": place})


def test_random_damage_never_ends_in_anything_but_a_sentence() -> None:
    rng = random.Random(1)
    text = json.dumps(as_file(KEY.test, LISTENER))
    junk: list[Any] = [None, True, -1, 1e99, "x", [], {}, [[[]]], "0" * 32]
    for _ in range(300):
        value = json.loads(text)
        holder: Any = value
        while isinstance(holder, dict | list) and holder:
            key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if rng.random() < 0.4 or not isinstance(holder[key], dict | list):
                holder[key] = rng.choice(junk)
                break
            holder = holder[key]
        with suppress(EtudeError):
            read_listener(KEY.test, value, "a.json")


def test_spoiled_files_are_named_with_a_reason_and_the_others_are_read(tmp_path: Path) -> None:
    good = Panel(KEY, EQUAL, seed=1).listeners(2)
    write(tmp_path, KEY.test, good)
    other = make_key(seed=5).test
    bad: dict[str, Any] = {
        "z1.json": b"{",
        "z2.json": b"\xff\xfe",
        "z3.json": b"[" * 100_000,
        "z4.json": json.dumps([1]).encode(),
        "z5.json": json.dumps({**as_file(KEY.test, LISTENER), "version": 9}).encode(),
        "z6.json": json.dumps({**as_file(other, LISTENER), "test": "another"}).encode(),
        "z7.json": json.dumps({**as_file(KEY.test, LISTENER), "listener": "../../x"}).encode(),
        "z8.json": json.dumps({**as_file(KEY.test, LISTENER), "email": "a@b.c"}).encode(),
        "z9.txt": b" " * 1_000_001,
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    listeners, spoiled = read_answers(KEY.test, tmp_path)
    assert [one.id for one in listeners] == sorted(one.id for one in good)
    reasons = {one.source: one.reason for one in spoiled}
    assert reasons.keys() == bad.keys()
    assert (
        "no JSON" in reasons["z1.json"]
        and "version is 9" in reasons["z5.json"]
        and "another test" in reasons["z6.json"]
    )
    assert "32 hexadecimal digits" in reasons["z7.json"] and "no page writes" in reasons["z8.json"]


def test_a_database_is_read_and_a_foreign_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "listen.sqlite"
    store = Store(path, KEY.test)
    name = store.enrol(simulated=True)
    answer = {"page": 0, "choice": 1, "seconds": 2.0}
    store.put(name, answer)
    store._tables.execute("INSERT INTO answers VALUES (?, 1, '{')", (name,))
    store._tables.execute("INSERT INTO answers VALUES (?, 2, ?)", (name, json.dumps(answer)))  # to page 0
    store._tables.execute("INSERT INTO listeners VALUES ('no hex', 0, 0)")
    listeners, spoiled = read_answers(KEY.test, path)  # while the server runs
    assert [(one.id, dict(one.answers), one.simulated) for one in listeners] == [(name, {0: answer}, True)]
    own = f"listen.sqlite, listener {name[:8]}, page"
    assert {one.source for one in spoiled} == {f"{own} 1", f"{own} 2", 'listen.sqlite, listener "no hex"'}
    store.close()
    other = make_key(systems=("a", "b")).test
    with pytest.raises(EtudeError, match="is of test"):
        read_answers(type(other)("another", other.scales, other.pages, other.sheets, other.training), path)
    path.write_bytes(b"SQLite format 3\0" + b"x" * 100)
    with pytest.raises(EtudeError, match="cannot be read"):
        read_answers(KEY.test, path)


def test_missing_answers_are_named(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match="holds no files"):
        read_answers(KEY.test, tmp_path)
    with pytest.raises(EtudeError, match="does not exist"):
        read_answers(KEY.test, tmp_path / "no.sqlite")
