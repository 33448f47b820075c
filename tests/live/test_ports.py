"""Where MIDI comes from and goes to: addresses, sockets, files; whatever comes, the music goes on."""

import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import mido
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_music import Desk, hanging, tune, until

from etude.core.errors import EtudeError
from etude.live import ports
from etude.live.clock import FastClock, RealClock
from etude.live.ports import Input, names_of_ports, open_output


def pour(client: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # nobody may read on
        client.sendall(data)


class Line:
    """An input on a free TCP port, and a client of it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.input = Input("tcp:127.0.0.1:0", RealClock(), self.said.append)
        self.client = self.connect()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.input.port), 5)

    def took(self, count: int) -> list[mido.Message]:
        """The messages, when so many have come."""
        found: list[mido.Message] = []

        def there() -> bool:
            found.extend(one for _, one in self.input.take(0))
            return len(found) >= count

        until(there)
        return found


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.client.close()
    made.input.close()
    assert made.input._thread is not None and not made.input._thread.is_alive()


def on(pitch: int, channel: int = 0) -> bytes:
    return bytes([0x90 | channel, pitch, 80])


def test_messages_come_in_order_with_their_times(line: Line) -> None:
    line.client.sendall(on(60) + bytes([0xB0, 1, 64]) + on(62) + bytes([0x80, 60, 0]))
    assert [str(one.type) for one in line.took(4)] == ["note_on", "control_change", "note_on", "note_off"]
    assert not line.said and line.input.is_live and not line.input.is_over


def test_a_message_may_come_in_parts(line: Line) -> None:
    for byte in on(60):
        line.client.sendall(bytes([byte]))
        time.sleep(0.01)
    assert line.took(1)[0].note == 60


@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_nothing(data: bytes) -> None:
    class Client:
        def __init__(self) -> None:
            self.parts = [data or b"\0", on(99)]

        def settimeout(self, seconds: float) -> None:
            """At once."""

        def recv(self, count: int) -> bytes:
            return self.parts.pop(0) if self.parts else b""

    made = Input.__new__(Input)
    said: list[str] = []
    made.__dict__.update(
        address="x", clock=FastClock(), say=said.append, at_once=None, _file=None, _queue=deque(), _held=set(),
        _second=0, _count=0, _told=False, _closed=threading.Event(), _thread=None,
    )  # fmt: skip
    made._read(Client())  # type: ignore[arg-type]
    found = [message for _, message in made.take(0)]
    assert not said and any(one.type == "note_on" and one.note == 99 for one in found)
    ended = {(one.channel, one.note) for one in found if one.type == "note_off"}
    started = {(one.channel, one.note) for one in found if one.type == "note_on" and one.velocity}
    assert started <= {
        *ended,
        *((one.channel, one.note) for one in found if one.type == "note_on" and not one.velocity),
    }


def test_a_client_that_goes_leaves_nothing_sounding_also_where_it_is_sent_on(line: Line) -> None:
    passed: list[mido.Message] = []
    line.input.at_once = passed.append
    line.client.sendall(on(60) + on(64, 3) + bytes([0x80, 60, 0]))
    line.took(3)
    line.client.close()
    (last,) = line.took(1)
    assert (last.type, last.channel, last.note) == ("note_off", 3, 64) and not hanging(passed)
    line.client = line.connect()
    line.client.sendall(on(70))
    assert line.took(1)[0].note == 70, "the next one is heard"


def test_a_client_that_is_cut_off_leaves_nothing_sounding(line: Line) -> None:
    line.client.sendall(on(60))
    line.took(1)
    line.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    line.client.close()
    assert line.took(1)[0].type == "note_off"


@pytest.mark.parametrize("filler", [b"\x01" * 4096, (b"\x01" * 63 + b"\xf8") * 64])
def test_an_endless_system_exclusive_message_is_forgotten(line: Line, filler: bytes) -> None:
    before = psutil.Process().memory_info().rss
    line.client.sendall(b"\xf0")
    for _ in range(100 if filler[63] == 1 else 20):
        line.client.sendall(filler)
        line.input.take(0)
    line.client.sendall(b"\xf7" + on(60))
    found: list[mido.Message] = []

    def there() -> bool:
        found.extend(one for _, one in line.input.take(0))
        return any(one.type == "note_on" for one in found)

    until(there)
    assert not any(one.type == "sysex" for one in found if len(one.bytes()) > ports.UNREADABLE + ports.BLOCK)
    assert psutil.Process().memory_info().rss - before < 30_000_000


def test_a_flood_is_held_back_and_no_end_of_a_note_is_left_out(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 messages in a burst: the queue stays short, and each note that was taken has its end."""
    busiest = 500  # a second, which a busy machine sends, too
    monkeypatch.setattr(ports, "BUSIEST", busiest)
    flood = b"".join(on(pitch % 128) + bytes([0x80, pitch % 128, 0]) for pitch in range(25_000))
    thread = threading.Thread(target=pour, args=(line.client, flood))
    thread.start()
    found: list[mido.Message] = []
    longest, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        longest = max(longest, len(line.input._queue))
        found += [message for _, message in line.input.take(0)]
        time.sleep(0.004)
    line.input.close()
    thread.join(20)
    found += [message for _, message in line.input.take(0)]
    assert longest <= 2 * busiest and len(line.said) == 1 and "some are left out" in line.said[0]
    assert busiest <= len(found) <= 4 * busiest + 300
    sounding: set[int] = set()
    for one in found:  # an end whose start was left out ends nothing
        sounding.add(one.note) if one.type == "note_on" else sounding.discard(one.note)
    assert not sounding


def test_in_a_flood_the_music_stays_on_time(line: Line) -> None:
    from etude.live.player import Player

    desk = Desk(clock=RealClock(), bars=None, seconds=1.5)
    desk.console.set("tempo", "240")
    desk.engine.player = Player(line.input, desk.console, desk.said.append)
    flood = b"".join(on(pitch % 128, 5) + bytes([0x85, pitch % 128, 0]) for pitch in range(25_000))
    thread = threading.Thread(target=pour, args=(line.client, flood))
    thread.start()
    before, switch = psutil.Process().memory_info().rss, sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # as etude live does
    try:
        desk.run()
    finally:
        sys.setswitchinterval(switch)
    line.input.close()
    thread.join(20)
    sent = desk.sender.punctuality
    assert sent.late <= sent.sent / 3, f"{sent.late} of {sent.sent} late"  # wide, as machines of tests are busy
    assert psutil.Process().memory_info().rss - before < 30_000_000 and len(desk.recording.slots) == 2
    assert not hanging([one for _, one in desk.loop.sent])


# --- outputs


def test_messages_go_to_what_listens_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        output = open_output(f"tcp:127.0.0.1:{port}")
        client, _ = server.accept()
        with client:
            output.send(mido.Message("note_on", note=60, velocity=80))
            assert client.recv(3) == on(60) and output.name == f"tcp:127.0.0.1:{port}"
            output.close()
            assert client.recv(1) == b""


def test_an_output_that_takes_nothing_more_is_lost_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        output = open_output(f"tcp:127.0.0.1:{server.getsockname()[1]}")
        message, start = mido.Message("sysex", data=[1] * 60000), time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            for _ in range(1000):
                output.send(message)
        assert time.monotonic() - start < 5
        output.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nowhere", "is no address. Give port:NAME"), ("file.mid", "no address"),
        ("tcp:127.0.0.1:1", "nothing listens there (Connection refused)"),
        ("tcp:127.0.0.1", "must be tcp:HOST:PORT"), ("tcp:127.0.0.1:x", "must be tcp:HOST:PORT"),
        ("tcp:127.0.0.1:99999", "must be tcp:HOST:PORT"), ("tcp:127.0.0.1:٣", "nothing listens there"),
        ("tcp:" + "x" * 300 + ":5", "nothing listens there"),
    ],
)  # fmt: skip
def test_an_output_that_cannot_be_is_refused(address: str, words: str) -> None:
    with pytest.raises(EtudeError) as refused:
        open_output(address)
    assert words in str(refused.value)


def test_ports_of_the_machine_or_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no sequencer a sentence says what to do instead."""
    try:
        there = names_of_ports("output")
    except EtudeError as error:
        assert "tcp:HOST:PORT" in str(error)
    else:
        assert isinstance(there, list)
    with pytest.raises(EtudeError):
        open_output("port:no such port")
    with pytest.raises(EtudeError):
        Input("port:no such port", FastClock(), print)

    class Backend:
        @staticmethod
        def get_output_names() -> list[str]:
            return ["Synth 1", "Synth"]

        get_input_names = get_output_names
        open_output = open_input = staticmethod(lambda name: name)

    monkeypatch.setattr(ports, "_rtmidi", Backend)
    assert (ports._open_port("Synth", "output"), ports._open_port("th 1", "input")) == ("Synth", "Synth 1")
    with pytest.raises(EtudeError, match="There are: Synth 1, Synth"):
        ports._open_port("Piano", "output")


def test_a_port_that_is_unplugged_is_said_and_leaves_nothing_sounding(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cable:
        def __init__(self) -> None:
            self.messages: list[Any] = [mido.Message("note_on", note=60, velocity=5)]

        def poll(self) -> Any:
            if self.messages:
                return self.messages.pop()
            raise OSError("unplugged")

        def __enter__(self) -> "Cable":
            return self

        def __exit__(self, *_: object) -> None:
            """Closed."""

    monkeypatch.setattr(ports, "_open_port", lambda name, kind: Cable())
    said: list[str] = []
    source = Input("port:Cable", FastClock(), said.append)
    until(lambda: len(source._queue) == 2)
    assert said == ["the input port:Cable is lost (unplugged); the music goes on without it"]
    assert not hanging([message for _, message in source.take(0)])
    source.close()


# --- inputs


def test_a_port_that_is_taken_is_refused(line: Line) -> None:
    with pytest.raises(EtudeError, match="cannot be listened on"):
        Input(f"tcp:127.0.0.1:{line.input.port}", FastClock(), print)


def test_a_file_plays_in_its_time(tmp_path: Path) -> None:
    source = Input(str(tune(tmp_path / "a.mid", [(1, 2, 60), (2, 3, 62)], tempo=60)), FastClock(), print)
    assert not source.is_live and not source.take(5.0) and not source.is_over
    found = source.take(7.0)
    assert [(at, one.type, one.note) for at, one in found] == [
        (6.0, "note_on", 60), (7.0, "note_off", 60), (7.0, "note_on", 62),
    ]  # fmt: skip
    source.take(100.0)
    assert source.is_over
    source.close()


def test_a_file_ends_what_it_leaves_sounding(tmp_path: Path) -> None:
    file = mido.MidiFile()
    file.tracks.append(
        mido.MidiTrack([mido.Message("note_on", note=60, velocity=80), mido.Message("note_on", note=62)])
    )
    file.save(tmp_path / "a.mid")
    source = Input(str(tmp_path / "a.mid"), FastClock(), print)
    assert not hanging([one for _, one in source.take(10**6)])


def midi(body: bytes, division: int = 480, kind: int = 0, tracks: int = 1) -> bytes:
    return (
        b"MThd"
        + struct.pack(">LHHH", 6, kind, tracks, division & 0xFFFF)
        + b"MTrk"
        + struct.pack(">L", len(body))
        + body
    )


NOTE, END = b"\x00\x90\x3c\x50\x60\x80\x3c\x00", b"\x00\xff\x2f\x00"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"MThd", b"RIFF" + b"\0" * 40, b"<html>", midi(END), midi(b"\x00\x90\x3c\x00" + END),
        midi(NOTE + END)[:30],
        midi(NOTE + END, division=0), midi(NOTE + END, division=-6360), midi(NOTE + END, kind=2),
        midi(NOTE + END, tracks=9), midi(b"\x00\x90\xff\xff" + END), midi(b"\xff" * 50), b"\xff" * 3000,
    ],
    ids=lambda data: f"{len(data)} bytes",
)  # fmt: skip
def test_a_file_that_is_damaged_or_without_notes_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(data)
    with pytest.raises(EtudeError, match=r"a\.mid (is no MIDI file|has no notes)"):
        Input(str(tmp_path / "a.mid"), FastClock(), print)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for address in (str(tmp_path), str(tmp_path / "none.mid"), "keyboard"):
        with pytest.raises(EtudeError, match=r"is no file, and no address\. Give port:NAME"):
            Input(address, FastClock(), print)
