"""The control port: it sets, refuses with sentences, and is closed to browsers, endless lines and floods."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from live_music import until

from etude.core.errors import EtudeError
from etude.live.control_port import HELLO, LONGEST, MISTAKES, MOST, ControlPort
from etude.live.controls import Console, Surface


class Client:
    """Sends lines, and reads what is answered."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.file = self.socket.makefile("rb")

    def ask(self, line: str) -> str:
        self.socket.sendall(line.encode() + b"\n")
        return self.file.readline().decode().rstrip("\n")

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Port:
    def __init__(self) -> None:
        self.stops = 0
        self.console = Console(Surface("voices", ("Top", "Bass"), styles=("bossa",)))
        self.port = ControlPort(self.console, 0, self.stop)
        self.client = Client(self.port.port)
        self.hello = self.client.file.readline().decode()

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def port() -> Iterator[Port]:
    made = Port()
    yield made
    made.client.close()
    made.port.close()
    assert not made.port._thread.is_alive()


def test_it_sets_shows_lists_and_stops(port: Port) -> None:
    assert port.hello == HELLO
    assert port.client.ask("tempo=90") == "ok" and port.console.controls.tempo == 90
    assert port.client.ask(" mute = Bass ") == "ok" and port.console.controls.mute == ("Bass",)
    state = port.client.ask("state")
    assert "tempo=90.0" in state and "temperature=1.0" in state
    first = port.client.ask("help")
    rest = [port.client.file.readline() for _ in range(len(port.console.surface.names) - 1)]
    assert first.startswith("tempo: BPM") and len(rest) == 7 and rest[-1].startswith(b"style:")
    assert port.client.ask("stop") == "ok" and port.stops == 1
    assert port.client.ask("") == "ok"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tempo=fast", "tempo = fast must be a number"), ("volume=3", "There is no control"), 
        ("tempo", '"tempo" is no NAME='),
        ("mood=sad", "voices takes no mood"), ("=5", "There is no control"), ("\x00\x01", "is no NAME="),
        ("ä=ö", "no control"),
    ],
)  # fmt: skip
def test_it_refuses_with_a_sentence_and_changes_nothing(port: Port, line: str, words: str) -> None:
    before = port.console.controls
    assert words in port.client.ask(line) and port.console.controls is before
    assert port.client.ask("tempo=80") == "ok", "and goes on"


def test_too_many_mistakes_close_the_connection(port: Port) -> None:
    for _ in range(MISTAKES):
        assert port.client.ask("nonsense").startswith('"nonsense" is no NAME=VALUE')
    assert b"too many lines" in port.client.file.readline() and port.client.file.read() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET /?tempo=90 HTTP/1.1\r\nHost: x\r\n\r\ntempo=90\n", b"POST / HTTP/1.0\r\n\r\ntempo=90\n",
        b"x" * 3 * LONGEST + b"\ntempo=90\n",
    ],
)  # fmt: skip
def test_a_browser_or_an_endless_line_closes_it_before_anything_is_set(port: Port, data: bytes) -> None:
    port.client.socket.sendall(data)
    with suppress(ConnectionResetError):  # what it has sent was not read
        assert port.client.file.read() == b""
    assert port.console.controls.tempo is None
    other = Client(port.port.port)
    assert other.file.readline().decode() == HELLO and other.ask("tempo=70") == "ok"
    other.close()


def test_a_flood_is_slowed_down(port: Port) -> None:
    port.client.socket.sendall(b"".join(b"tempo=%d\n" % (20 + number % 200) for number in range(5000)))
    time.sleep(0.3)
    assert 1 <= port.console.version <= 120, "200 lines a second at most"
    other = Client(port.port.port)
    other.file.readline()
    assert other.ask("transpose=3") == "ok" and port.console.controls.transpose == 3, "others are heard meanwhile"
    other.close()


def test_bytes_that_are_no_text_are_refused(port: Port) -> None:
    port.client.socket.sendall(b"\xff\xfe\n")
    assert b"is no NAME=VALUE" in port.client.file.readline()


def test_connections_are_limited(port: Port) -> None:
    clients = [Client(port.port.port) for _ in range(MOST + 4)]
    lines = [client.file.readline() for client in clients]
    assert lines[-1] == HELLO.encode() and clients[-1].ask("tempo=70") == "ok", "those that are silent make place"
    until(lambda: len(port.port._tasks) == MOST)
    assert not port.client.file.readline(), "the first one is closed"
    for client in clients:
        client.close()
    until(lambda: not port.port._tasks)


def test_a_port_that_is_taken_is_refused(port: Port) -> None:
    with pytest.raises(EtudeError, match=r"the port cannot be used \(.*in use\)"):
        ControlPort(port.console, port.port.port, port.stop)


def test_closing_it_closes_all_connections(port: Port) -> None:
    port.port.close()
    assert port.client.file.read() == b""
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port.port.port), 1)
