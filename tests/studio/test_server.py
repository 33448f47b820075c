"""The server: who may ask, what is refused, that it goes on; recipes that give the same bytes again."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import loops
import pytest
import requests
from conftest import ROOT
from listening.served import ask
from studio.served import TOKEN, Studio, drawing, melody, serving
from symusic.core import ScoreTick
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from etude.core.errors import EtudeError
from etude.core.progress import bar
from etude.studio.admission import Admission, make_token
from etude.studio.models import Models
from etude.studio.pages import LONGEST
from etude.studio.server import FILES, FOLDER, INDEX, MOST_BYTES, MOST_OF_FILE, application, serve
from etude.studio.work import Busy, Gone, Worker

TWO_AT_A_TIME = {"name": "M", "program": 0, "drums": False, "notes": [[0, 24, 72, 80], [0, 24, 60, 80]]}
OWN_WORDS = ("Traceback", 'File "', "site-packages")


def harmonise(studio: Studio, **changes: Any) -> dict[str, Any]:
    settings = drawing(studio.models)
    return {"task": "harmonise", "model": "voices", "seed": 1, "settings": settings, "melody": melody(), **changes}


def bare(studio: Studio, path: str = "/", method: str = "GET", **headers: str) -> Any:
    """A request with these headers alone."""
    return requests.request(
        method, studio.address + path, headers=headers, json={} if method == "POST" else None, timeout=30
    )


def cookie_of(studio: Studio) -> str:
    given = requests.get(studio.link, timeout=30).headers["set-cookie"]
    assert "HttpOnly" in given and "SameSite=Strict" in given and f"_{studio.port}=" in given
    return given.partition(";")[0]


def test_without_the_token_nothing_is_answered(studio: Studio) -> None:
    for path in ("/", "/page/main.js", "/api/alive", "/api/state", "/nothing"):
        answer = bare(studio, path)
        assert answer.status_code == 403 and "token" in answer.text, path
        assert bare(studio, f"{path}?token={TOKEN[:-1]}").status_code == 403
    assert bare(studio, "/api/make", "POST").status_code == 403
    assert bare(studio, "/?token=wrong", cookie=cookie_of(studio)).status_code == 403, "a wrong token is no token"
    assert bare(studio, "/api/alive", **{"x-studio-token": TOKEN}).status_code == 200


def test_the_page_comes_with_a_cookie_that_opens_the_rest(studio: Studio) -> None:
    cookie = cookie_of(studio)
    page = bare(studio, "/", cookie=cookie)
    assert page.status_code == 200 and "etude" in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "style-src 'self'" in policy and "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["cache-control"] == "no-store"
    assert {*FILES, INDEX} == {file.name for file in FOLDER.iterdir()}
    assert all(bare(studio, f"/page/{name}", cookie=cookie).status_code == 200 for name in FILES)
    script = bare(studio, "/page/main.js", cookie=cookie)
    assert script.status_code == 200 and script.headers["content-type"].startswith("text/javascript")
    assert bare(studio, "/page/..%2fserver.py", cookie=cookie).status_code == 404
    assert bare(studio, "/page/server.py", cookie=cookie).status_code == 404


def test_pages_of_other_addresses_are_refused(studio: Studio) -> None:
    cookie, own = cookie_of(studio), studio.address
    assert bare(studio, "/api/make", "POST", cookie=cookie, origin=own).status_code == 422, "admitted, and no recipe"
    for origin in (
        "http://evil.example",
        "null",
        f"http://127.0.0.1:{studio.port + 1}",
        "http://[",
        f"{own}.evil.example",
    ):
        assert bare(studio, "/api/make", "POST", cookie=cookie, origin=origin).status_code == 403, origin
        assert bare(studio, "/api/alive", cookie=cookie, origin=origin).status_code == 403
    assert bare(studio, "/api/make", "POST", cookie=cookie).status_code == 403, "a browser states its origin"
    site = {"sec-fetch-site": "cross-site"}
    assert bare(studio, "/api/alive", cookie=cookie, **site).status_code == 403
    assert bare(studio, f"/?token={TOKEN}", **site, **{"sec-fetch-mode": "navigate"}).status_code == 200, "a link"
    assert bare(studio, f"/?token={TOKEN}", **site, **{"sec-fetch-mode": "no-cors"}).status_code == 403
    assert bare(studio, "/", cookie=cookie, **site, **{"sec-fetch-mode": "navigate"}).status_code == 403
    assert bare(studio, "/api/alive", cookie=cookie, **{"sec-fetch-site": "same-origin"}).status_code == 200


def test_other_host_names_are_refused(models: Models) -> None:
    app = application(models, Admission(TOKEN, 1), {"localhost"})
    expected = {"localhost:1": 403, "127.0.0.1:1": 403, "[::1]": 403, "evil.example": 400, "": 400}
    assert {host: ask(app, "GET", "/", host)[0] for host in expected} == expected


def send_raw(studio: Studio, head: str, body: bytes, most: int) -> tuple[bytes, int]:
    """Send a body over and over until the server answers: its answer, and how many bytes went out."""
    with socket.create_connection(("127.0.0.1", studio.port), timeout=10) as raw:
        raw.sendall(head.encode())
        sent = 0
        try:
            while sent < most:
                raw.sendall(body)
                sent += len(body)
        except OSError:
            pass  # it has answered and closed
        try:
            return raw.recv(4096), sent
        except OSError:
            return b"", sent


def test_what_is_too_long_is_refused_while_it_arrives(studio: Studio) -> None:
    start = (
        f"POST /api/read HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nx-studio-token: {TOKEN}\r\nx-file-name: a.mid\r\n"
    )
    answer, sent = send_raw(studio, f"{start}Content-Length: 50000000\r\n\r\n", b"", 0)
    assert b" 413 " in answer and sent == 0, "a length that is stated is refused at once"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer, sent = send_raw(studio, f"{start}Transfer-Encoding: chunked\r\n\r\n", chunk, 50_000_000)
    assert (b" 413 " in answer or not answer) and sent < 3 * MOST_OF_FILE, sent
    assert studio.ask("/api/make", data=b"x" * (MOST_BYTES + 1)).status_code == 413
    assert studio.ask("/api/alive").status_code == 200, "it goes on"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[" * 30000, 422),
        (b"[]", 422),
        (b'{"task": 1}', 422),
        (b'{"task": "sing"}', 422),
        (b'{"task": "harmonise"}', 422),
        (b'{"task": "harmonise", "seed": NaN}', 422),
        (b'{"task": "arrange", "style": "pop", "seed": 1, "piece": {"quarter": 4, "tracks": []}}', 422),
        (b"\xff\xfe", 422),
        (b'{"task": "\\ud800"}', 422),
        (b'{"task": "harmonise", "\\ud800": 1}', 422),
    ],
)
def test_what_is_no_recipe_gets_a_sentence(studio: Studio, body: bytes, status: int) -> None:
    answer = studio.ask("/api/make", data=body, headers={"content-type": "application/json"})
    assert answer.status_code == status and not any(word in answer.text for word in OWN_WORDS)
    said = answer.json()["detail"]
    assert isinstance(said, str) and 0 < len(said) < 1100


def test_a_body_must_say_that_it_is_json(studio: Studio) -> None:
    assert studio.ask("/api/make", data=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    extra = studio.ask("/api/score", {"piece": melody(), "width": 500, "more": 1})
    assert extra.status_code == 422 and "piece" in extra.json()["detail"]


def test_requests_that_cannot_be_met_say_why(studio: Studio) -> None:
    for change, said in (
        ({"model": "nobody"}, "nobody"),
        ({"chords": "C | Hm"}, "Hm"),
        ({"locks": {"Alto": [[0, 24, 20, 80]]}}, "20"),
        ({"locks": {"Voice": []}}, "Voice"),
        ({"melody": melody((40, 90))}, "semitones"),
        ({"melody": melody(quarter=0)}, "quarter"),
        ({"settings": {**drawing(studio.models), "candidates": 99}}, "candidates"),
        ({"melody": {**melody(), "tempos": [[0, 1e9]]}}, "tempo"),
        ({"melody": {**melody(), "meters": [[0, 4, 3]]}}, "meter"),
        ({"seed": 2**40}, "seed"),
        ({"shout": True}, "shout"),
        ({"melody": {**melody(), "tracks": [TWO_AT_A_TIME]}}, "by ticking Take the top line"),
    ):
        answer = studio.ask("/api/make", harmonise(studio, **change))
        assert answer.status_code == 422 and said in answer.json()["detail"], (change, answer.text)


def test_a_fault_of_the_studio_shows_nothing_of_itself(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("etude.studio.server.read_given", fail)
    with serving(models) as own:
        answer = own.ask("/api/read", data=b"x", headers={"x-file-name": "a.mid"})
        assert answer.status_code == 500 and "secret" not in answer.text and "fault" in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert own.ask("/api/alive").status_code == 200


def test_the_same_recipe_gives_the_same_bytes_in_any_studio(studio: Studio, models: Models) -> None:
    recipe = harmonise(studio, seed=3, chords="G | . C D G")
    first = studio.ask("/api/make", recipe)
    assert first.status_code == 200, first.text
    fresh = Models(models.settings, models.session)
    with serving(fresh, token="another-token-of-tests") as other:
        again = other.ask("/api/make", json.loads(json.dumps(recipe)))
        assert again.content == first.content
        piece = first.json()["candidates"][0]["piece"]
        for kind in ("midi", "musicxml", "mp3"):
            one, two = (each.ask("/api/file", {"piece": piece, "kind": kind, "title": "T"}) for each in (studio, other))
            assert one.status_code == 200 and one.content == two.content and len(one.content) > 300, kind


def test_harmonies_keep_melody_and_locks_and_are_sorted_by_cost(studio: Studio) -> None:
    found = studio.make(harmonise(studio, locks={"Alto": [[48, 24, 62, 80]]}, settings=drawing(studio.models, 3)))
    assert found["model"]["name"] == "voices" and len(found["model"]["key"]) == 16
    costs = [candidate["cost"] for candidate in found["candidates"]]
    assert len(costs) == 3 and costs == sorted(costs)
    for candidate in found["candidates"]:
        upper, alto = candidate["piece"]["tracks"][:2]
        assert upper["notes"] == melody()["tracks"][0]["notes"]
        assert [48, 24, 62, 80] in alto["notes"]
        parallels = sum(fault["kind"].startswith("parallel ") for fault in candidate["faults"])
        assert parallels == candidate["parallels"]
        assert candidate["key"]["name"] == "G major" and all(chord["roman"] for chord in candidate["chords"])


def test_filling_leaves_the_rest_and_continuing_all_of_it(studio: Studio) -> None:
    piece = studio.make(harmonise(studio))["candidates"][0]["piece"]
    settings = drawing(studio.models)
    asked = {"model": "voices", "seed": 5, "piece": piece}
    recipe = {"task": "fill", **asked, "settings": settings, "bars": [2, 2], "voices": ["Alto", "Bass"]}
    filled = studio.make(recipe)
    assert len(filled["candidates"]) == 2
    for candidate in filled["candidates"]:
        for before, after in zip(piece["tracks"], candidate["piece"]["tracks"], strict=True):
            ends = 96 if before["name"] in ("Alto", "Bass") else 1000
            assert [n for n in after["notes"] if n[0] < ends] == [n for n in before["notes"] if n[0] < ends]
    more = studio.make({"task": "continue", **asked, "bars": 1, "temperature": 0.9, "top_p": 0.98})
    longer = more["candidates"][0]["piece"]
    assert len(more["candidates"][0]["bars"]) == 3
    for before, after in zip(piece["tracks"], longer["tracks"], strict=True):
        assert after["notes"][: len(before["notes"])] == before["notes"]
    changes: tuple[dict[str, Any], ...] = (
        {"bars": [2, 1]},
        {"bars": [1, 9]},
        {"bars": [1]},
        {"voices": []},
        {"voices": ["Oboe"]},
    )
    for change in changes:
        assert studio.ask("/api/make", {**recipe, **change}).status_code == 422, change


def test_an_arrangement_is_heard_by_parts_and_its_files_have_the_levels(studio: Studio) -> None:
    recipe = {"task": "arrange", "style": "bossa", "seed": 1, "piece": melody(), "intro": 0, "chords": "G | D7 G"}
    made = studio.make(recipe)
    names = list(made["levels"])
    assert names[:2] == ["Melody", "Bass"] and made["chords_from"] == "as given"
    data = studio.ask("/api/sound", {"recipe": recipe}).content
    (size,) = struct.unpack(">I", data[:4])
    listed = json.loads(data[4 : 4 + size])
    assert [part["name"] for part in listed] == names and 4 + size + sum(part["bytes"] for part in listed) == len(data)
    assert data[4 + size :].startswith(b"fLaC")
    levels = {"Bass": {"gain": -6, "pan": 0.5, "mute": False}, "Drums": {"gain": 0, "pan": 0, "mute": True}}
    plain, changed = (
        ScoreTick.from_midi(studio.ask("/api/file", {"recipe": recipe, "kind": "midi", "levels": own}).content)
        for own in ({}, levels)
    )
    volume = {track.name: next(c.value for c in track.controls if c.number == 7) for track in changed.tracks}
    assert volume["Drums"] == 0 and volume["Bass"] < 100
    assert [t.notes.numpy()["pitch"].tolist() for t in plain.tracks] == [
        t.notes.numpy()["pitch"].tolist() for t in changed.tracks
    ]
    mp3s = [studio.ask("/api/file", {"recipe": recipe, "kind": "mp3", "levels": own}).content for own in ({}, levels)]
    assert mp3s[0] != mp3s[1]
    wrong = studio.ask("/api/file", {"recipe": recipe, "kind": "midi", "levels": {"Bass": {"gain": 900}}})
    assert wrong.status_code == 422 and "levels" in wrong.json()["detail"]


def test_files_of_every_kind_are_read(studio: Studio) -> None:
    piece = studio.make(harmonise(studio))["candidates"][0]["piece"]
    for kind, name in (("midi", "My tune.mid"), ("musicxml", "../../etc/Größe.musicxml")):
        data = studio.ask("/api/file", {"piece": piece, "kind": kind, "title": "T"}).content
        found = studio.ask("/api/read", data=data, headers={"x-file-name": quote(name)})
        assert found.status_code == 200, found.text
        value = found.json()
        assert value["title"] == name.rpartition("/")[2].partition(".")[0]
        assert [note[2] for note in value["melody"]["tracks"][0]["notes"]] == [67, 69, 71, 72, 74, 72, 71, 67]
        assert len(value["piece"]["tracks"]) == 4
    abc = b'X:1\nT:A tune\nM:4/4\nL:1/4\nK:G\n"G"GABc|"D7"dcBG|\n'
    tune = studio.ask("/api/read", data=abc, headers={"x-file-name": "tune.abc"}).json()
    assert len(tune["melody"]["tracks"][0]["notes"]) == 8
    for name, data in (("a.mid", b"MThd"), ("a.exe", b"x"), ("", b"x"), ("a.mid", b""), ("a.musicxml", b"<a/>")):
        answer = studio.ask("/api/read", data=data, headers={"x-file-name": name})
        assert answer.status_code == 422 and "/tmp" not in answer.text, (name, answer.text)


def open_socket(studio: Studio, page: str = "p1", **headers: str) -> ClientConnection:
    own = {"x-studio-token": studio.token, **headers}
    return connect(f"ws://127.0.0.1:{studio.port}/ws?page={page}", additional_headers=own, open_timeout=10)


def test_a_socket_needs_the_token_and_the_own_origin(studio: Studio) -> None:
    for headers in ({"x-studio-token": "wrong"}, {"origin": "http://evil.example"}):
        with pytest.raises(InvalidStatus) as refused:
            open_socket(studio, **headers)
        assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{studio.port}/ws?page=a", additional_headers={"cookie": cookie_of(studio)})
    with open_socket(studio, origin=studio.address) as own:
        assert json.loads(own.recv(5))["type"] == "hello"
        own.send('{"type": "ping"}')
        assert json.loads(own.recv(5)) == {"type": "pong"}


@pytest.mark.parametrize("message", ["", "{", "null", '{"type": "shout"}', "x" * (LONGEST + 1), b"\x00\x01", "[" * 900])
def test_a_malformed_message_ends_its_socket_alone(studio: Studio, message: str | bytes) -> None:
    with open_socket(studio, "good") as good, open_socket(studio, "bad") as bad:
        assert [json.loads(each.recv(5))["type"] for each in (good, bad)] == ["hello", "hello"]
        bad.send(message)
        with pytest.raises(ConnectionClosed) as ended:
            bad.recv(5)
        assert ended.value.rcvd is not None and ended.value.rcvd.code == 1008
        good.send('{"type": "ping"}')
        assert json.loads(good.recv(5)) == {"type": "pong"}


def test_a_page_hears_of_its_own_work_alone(studio: Studio) -> None:
    with open_socket(studio, "mine") as mine, open_socket(studio, "yours") as yours:
        mine.recv(5), yours.recv(5)
        headers = {"x-page": "mine", "x-job": "j7"}
        assert studio.ask("/api/make", harmonise(studio, seed=11), headers=headers).status_code == 200
        heard = json.loads(mine.recv(5))
        assert (heard["type"], heard["job"]) == ("work", "j7") and 0 <= heard["share"] <= 1
        with pytest.raises(TimeoutError):
            yours.recv(0.3)


async def is_here() -> bool:
    return False


def test_work_waits_its_turn_and_too_much_is_refused() -> None:
    async def run() -> list[Any]:
        worker, held, order = Worker(most_waiting=2), threading.Event(), list[int]()

        def work(number: int) -> int:
            held.wait(5)
            order.append(number)
            return number

        tasks = [asyncio.create_task(worker.do(lambda own=n: work(own), is_here)) for n in range(3)]  # type: ignore[misc]
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await worker.do(lambda: work(9), is_here)
        held.set()
        made = await asyncio.gather(*tasks)
        assert order == [0, 1, 2]
        assert await worker.do(lambda: 5, is_here) == 5
        worker.close()
        return list(made)

    assert loops.run(run()) == [0, 1, 2]


def test_what_nobody_waits_for_is_left() -> None:
    async def run() -> None:
        worker, started, waiting, done = Worker(), threading.Event(), threading.Event(), list[str]()

        def long() -> None:
            started.set()
            with bar("frames", 1000) as advance:
                for step in range(1000):
                    time.sleep(0.005)
                    advance(step)
            done.append("long")

        async def is_gone() -> bool:
            return started.is_set() and waiting.is_set()

        async def was_gone() -> bool:
            waiting.set()
            return True

        with pytest.raises(Gone):
            first = asyncio.create_task(worker.do(long, is_gone))
            second = asyncio.create_task(worker.do(lambda: done.append("short"), was_gone))
            await asyncio.gather(first, return_exceptions=False)
        with pytest.raises(Gone):
            await second
        assert done == []
        worker.close()

    loops.run(run())


def test_a_page_that_goes_away_frees_the_studio(studio: Studio) -> None:
    """A request that takes minutes is ended when its browser closes the connection."""
    long = harmonise(studio, melody=melody(TUNE_OF_64), settings={**drawing(studio.models, 8), "particles": 32})
    body = json.dumps(long).encode()
    head = (
        f"POST /api/make HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nx-studio-token: {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", studio.port), timeout=10) as raw:
        raw.sendall(head.encode() + body)
        time.sleep(0.4)
        assert studio.worker.count == 1
    start = time.monotonic()
    while studio.worker.count and time.monotonic() - start < 20:
        time.sleep(0.05)
    assert studio.worker.count == 0 and time.monotonic() - start < 10


TUNE_OF_64 = (67, 69, 71, 72, 74, 72, 71, 69) * 8


def test_tokens_are_random_or_long() -> None:
    assert make_token() != make_token() and len(make_token()) >= 32
    assert make_token("abcdefgh-_123456") == "abcdefgh-_123456"
    for short in ("", "short", "abcdefgh 12345678", "ä" * 20, "x" * 1000):
        with pytest.raises(EtudeError, match="token"):
            make_token(short)


def test_an_address_that_is_taken_is_named(studio: Studio, models: Models) -> None:
    with pytest.raises(EtudeError, match=f"port = {studio.port}"):
        serve(models.settings, models.session, port=studio.port, open_page=False)
    with pytest.raises(EtudeError, match="token"):
        serve(models.settings, models.session, token="short")


def test_the_command_serves_until_ctrl_c(tmp_path: Path) -> None:
    """Outside a project, on a free port; it writes nothing, and prints nothing of what is asked."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "ETUDE_PROGRESS": "0"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "etude", "studio", f"port={port}", "open=false"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell ignores in the background
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.fullmatch(rf"etude: the studio is at (http://127\.0\.0\.1:{port}/\?token=[\w-]{{32}})\n", first)
    assert found, first
    while True:
        try:
            answer = requests.get(found[1], timeout=30)
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    assert answer.status_code == 200 and "etude" in answer.text
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    first, second = err.splitlines()
    assert first == "etude: Ctrl-C ends it." and second.startswith("etude: interrupted. ")
    assert list(tmp_path.iterdir()) == []
