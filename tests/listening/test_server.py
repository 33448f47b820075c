"""The server: no confirmed answer is lost, whoever writes and whatever ends it; what browsers send is checked."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi import HTTPException
from listening.panel import Panel, make_key, tones
from listening.served import Server, ask, enrol, put

from etude.core.errors import EtudeError
from etude.listening.answers import read_answers
from etude.listening.design import Shape
from etude.listening.page import Texts, read_page, write_page
from etude.listening.server import BURST, MOST_BYTES, NEW_BURST, Bucket, Limits, application, serve
from etude.listening.store import Store, Taken, Unknown

KEY = make_key(("a", "b", "real"), 3, Shape(2, 2, 2))
EQUAL = dict.fromkeys(KEY.systems, 0.0)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "listen.html"
    write_page(path, KEY.test, tones(KEY.test), Texts(("Please listen.",)))
    return path


@pytest.fixture(scope="module")
def server(page: Path) -> Iterator[Server]:
    with Server(page, page.with_name("shared.sqlite")) as made:
        yield made


def answers_of(listener: str) -> list[dict[str, object]]:
    """The answers that a listener with this id could give."""
    panel = Panel(KEY, EQUAL)
    panel.rng = _Fixed(listener)  # type: ignore[assignment]
    return list(panel.listener().answers.values())


class _Fixed:
    """A generator whose first bytes are a given id; the rest is random."""

    def __init__(self, name: str) -> None:
        import numpy as np

        self.name, self.own = name, np.random.default_rng(int(name[:8], 16))

    def bytes(self, count: int) -> bytes:
        return bytes.fromhex(self.name)

    def __getattr__(self, name: str) -> object:
        return getattr(self.own, name)


def test_twenty_at_once_and_a_kill_in_the_middle_lose_nothing(page: Path, tmp_path: Path) -> None:
    database = tmp_path / "listen.sqlite"
    confirmed: dict[str, set[int]] = {}
    third = threading.Semaphore(0)
    address = [""]

    def listen() -> None:
        name = enrol(address[0], KEY.test.id)
        confirmed[name] = set()
        for answer in answers_of(name):
            while (status := put(address[0], name, answer)) != 200:
                assert status in (0, 429), f"an answer was refused with {status}"
                time.sleep(0.05)
            confirmed[name].add(int(str(answer["page"])))
            third.release()

    with Server(page, database) as first:
        address[0] = first.address
        threads = [threading.Thread(target=listen) for _ in range(20)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            assert third.acquire(timeout=60)
        first.kill()
        before = {name: set(pages) for name, pages in confirmed.items()}
        port = first.port
    listeners, spoiled = read_answers(KEY.test, database)  # as the kill has left it
    kept = {one.id: set(one.answers) for one in listeners}
    assert not spoiled and sum(map(len, before.values())) >= 100
    assert all(pages <= kept[name] for name, pages in before.items())
    with Server(page, database, port):
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    listeners, spoiled = read_answers(KEY.test, database)
    assert not spoiled and len(listeners) == 20
    for one in listeners:
        assert set(one.answers) == confirmed[one.id] == set(range(len(KEY.test.pages_of(one.id))))
        sent = {int(str(answer["page"])): answer for answer in answers_of(one.id)}
        assert dict(one.answers) == sent
    sheets = [KEY.test.sheet_of(one.id) for one in listeners]
    assert len(set(sheets)) == 20, "the sheets are shared out evenly"


def test_ctrl_c_ends_it_cleanly(page: Path, tmp_path: Path) -> None:
    with Server(page, tmp_path / "listen.sqlite") as made:
        name = enrol(made.address, KEY.test.id)
        assert put(made.address, name, answers_of(name)[0]) == 200
        status, text = made.interrupt()
    assert status == 0 and "has 1 answer of 1 listener." in text and "Traceback" not in text


def test_the_same_answer_may_come_twice_and_another_is_refused(server: Server) -> None:
    name = enrol(server.address, KEY.test.id)
    first = answers_of(name)[0]
    assert [put(server.address, name, first) for _ in range(2)] == [200, 200]
    assert put(server.address, name, {**first, "choice": "none" if first["choice"] != "none" else "first"}) == 409


@pytest.mark.parametrize(
    ("change", "status"),
    [({"choice": "A"}, 422), ({"clips": ["x", "y"]}, 422), ({"page": 99}, 422), ({"name": "Anna"}, 422)],
)
def test_what_does_not_fit_is_refused(server: Server, change: dict[str, object], status: int) -> None:
    name = enrol(server.address, KEY.test.id)
    assert put(server.address, name, {**answers_of(name)[0], **change}) == status


def test_strange_requests(server: Server) -> None:
    name = enrol(server.address, KEY.test.id)
    path = f"{server.address}/api/answers/{name}/0"
    answer = answers_of(name)[0]
    json_type = {"Content-Type": "application/json"}
    assert requests.put(path, data=b"{", headers=json_type, timeout=10).status_code == 422
    assert requests.put(path, data=b"[" * 8000, headers=json_type, timeout=10).status_code == 422
    assert requests.put(path, data=b"{}", headers={"Content-Type": "text/plain"}, timeout=10).status_code == 415
    assert requests.put(path, data=b" " * (MOST_BYTES + 1), headers=json_type, timeout=10).status_code == 413
    chunks = iter([b" " * 5000] * 4)  # of no stated length
    assert requests.put(path, data=chunks, headers=json_type, timeout=10).status_code == 413
    assert put(server.address, "0" * 32, {**answer}) in (404, 422)
    assert put(server.address, "../../etc", answer) == 404
    assert requests.put(f"{server.address}/api/answers/{name}/1", json=answer, timeout=10).status_code == 422
    own = {"test": KEY.test.id}
    bodies: list[Any] = [{"test": "another"}, {**own, "email": "a@b.c"}, {**own, "simulated": 1}, []]
    for body in bodies:
        assert requests.post(f"{server.address}/api/listeners", json=body, timeout=10).status_code == 422
    for place in ("docs", "openapi.json", "listen.key.json", "api/answers", "../shared.sqlite"):
        assert requests.get(f"{server.address}/{place}", timeout=10).status_code in (404, 405)


def test_a_foreign_host_name_is_refused(server: Server) -> None:
    reply = requests.get(server.address, headers={"Host": "evil.example"}, timeout=10)
    assert reply.status_code == 400 and "frame-ancestors" in reply.headers["Content-Security-Policy"]
    with socket.create_connection(("127.0.0.1", server.port)):  # on this machine alone
        assert server.lines[0].count("127.0.0.1") == 1


def test_the_page_is_sent_with_headers_that_keep_it_to_itself(server: Server, page: Path) -> None:
    reply = requests.get(server.address, timeout=10)
    policy = reply.headers["Content-Security-Policy"]
    assert reply.content == read_page(page).html and b'data-server="yes"' in reply.content
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["Cache-Control"] == "no-store"
    assert "server" not in reply.headers and "set-cookie" not in reply.headers


def test_nothing_about_a_listener_is_stored_but_the_answers(server: Server, page: Path) -> None:
    headers = {"User-Agent": "Secret-Agent/7.0"}
    body = {"test": KEY.test.id}
    name = requests.post(f"{server.address}/api/listeners", json=body, headers=headers, timeout=10).json()["listener"]
    url = f"{server.address}/api/answers/{name}/0"
    assert requests.put(url, json=answers_of(name)[0], headers=headers, timeout=10).status_code == 200
    stored = b"".join(file.read_bytes() for file in page.parent.glob("shared.sqlite*"))
    assert name.encode() in stored and b"Agent" not in stored and b"127.0.0.1" not in stored


def test_rates_are_limited_and_recover() -> None:
    now = [0.0]
    bucket = Bucket(2, 1, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 1.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    limits = Limits(lambda: now[0])
    for _ in range(BURST):
        limits.check("a")
    with pytest.raises(HTTPException) as caught:
        limits.check("a")
    assert caught.value.status_code == 429 and caught.value.headers == {"Retry-After": "2"}
    limits.check("b")
    for _ in range(NEW_BURST):
        limits.check(None)
    with pytest.raises(HTTPException):
        limits.check(None)


def test_a_store_keeps_to_its_rules(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite", KEY.test)
    names = [store.enrol() for _ in range(len(KEY.test.sheets) + 1)]
    assert len({KEY.test.sheet_of(name) for name in names[:-1]}) == len(KEY.test.sheets) and len(set(names)) == len(
        names
    )
    assert all(len(name) == 32 for name in names)
    first = answers_of(names[0])[0]
    assert not store.put(names[0], first) and not store.put(names[0], first)
    with pytest.raises(Taken):
        store.put(names[0], {**first, "seconds": 1.0})
    with pytest.raises(Unknown):
        store.put("0" * 32, answers_of("0" * 32)[0])
    assert store.counts() == "1 answer of 1 listener", "who only opened the page is none"
    others = [store.put(names[0], answer) for answer in answers_of(names[0])[1:]]
    assert others == [False] * (len(others) - 1) + [True], "the last answer finishes"
    assert store._tables.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._tables.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    store.close()
    with pytest.raises(EtudeError, match="has answers to test 0123456789abcdef"):
        Store(tmp_path / "a.sqlite", type(KEY.test)("x", (), KEY.test.pages, KEY.test.sheets, KEY.test.training))
    (tmp_path / "b.sqlite").write_text("this is no database" * 100)
    with pytest.raises(EtudeError, match="cannot be used as a database"):
        Store(tmp_path / "b.sqlite", KEY.test)
    with closing(sqlite3.connect(tmp_path / "c.sqlite")) as tables:
        tables.execute("CREATE TABLE mine (x)")
    before = (tmp_path / "c.sqlite").read_bytes()
    with pytest.raises(EtudeError, match="is the database of another program"):
        Store(tmp_path / "c.sqlite", KEY.test)
    assert (tmp_path / "c.sqlite").read_bytes() == before


def test_a_taken_port_is_named(page: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EtudeError, match=f"port = {port}"):
            serve(page, tmp_path / "a.sqlite", port)
    assert not (tmp_path / "a.sqlite").exists(), "a server that does not start leaves no file"
    with pytest.raises(EtudeError, match="Give an address of this machine"):
        serve(page, tmp_path / "a.sqlite", 8000, "192.0.2.1")


def test_addresses_and_known_names_are_served_and_foreign_names_are_not(page: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite", KEY.test)
    app = application(read_page(page), store, ["Study.example.org", "*.example"])
    hosts = [
        "[::1]:8000",
        "192.0.2.2:80",
        "127.0.0.1",
        "study.example.org",
        "evil.example",
        "",
        "a b",
        "[::1",
        "x.1.2.3.4",
    ]
    assert [ask(app, "GET", "/", host)[0] for host in hosts] == [200] * 4 + [400] * 5
    assert ask(app, "HEAD", "/", "study.example.org:443")[0] == 200
    store.close()


def test_who_comes_while_the_database_is_locked_is_asked_to_wait(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etude.listening.store.WAIT", 0.05)
    store = Store(tmp_path / "a.sqlite", KEY.test)
    app = application(read_page(page), store, ["localhost"])
    with closing(sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        body = json.dumps({"test": KEY.test.id}).encode()
        status, headers = ask(app, "POST", "/api/listeners", "localhost", body)
    assert (status, headers["retry-after"]) == (503, "5") and "content-security-policy" in headers
    store.close()


def test_a_fault_of_the_server_is_answered_with_all_headers(page: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite", KEY.test)
    store.close()  # what no answer can be kept in
    app = application(read_page(page), store, ["localhost"])
    body = json.dumps({"test": KEY.test.id}).encode()
    status, headers = ask(app, "POST", "/api/listeners", "localhost", body)
    assert status == 500 and "frame-ancestors 'none'" in headers["content-security-policy"]
