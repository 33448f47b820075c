"""Where MIDI comes from and goes to: ports of this machine, TCP sockets, files that are played, a loop for tests."""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
from mido.parser import Parser

from etude.core.errors import EtudeError
from etude.core.project import given_path
from etude.live.clock import Clock
from etude.live.sender import Output

PORT, TCP = "port:", "tcp:"
HOW = "port:NAME (a MIDI port of this machine), tcp:HOST:PORT, or for input a MIDI file"
BUSIEST = 2000  # messages a second that are taken from an input; the rest is left out
BLOCK, UNREADABLE = 4096, 65536  # bytes that are read at a time; without a message after which they are forgotten
PATIENCE = 1.0  # seconds that a receiver may take for a message before it counts as lost


class Loop:
    """An output that keeps what it is sent, with the time."""

    def __init__(self, clock: Clock) -> None:
        """Args: the time."""
        self.name, self.clock = "loop", clock
        self.sent: list[tuple[float, mido.Message]] = []

    def send(self, message: mido.Message) -> None:
        """See Output."""
        self.sent.append((self.clock.now(), message))

    def close(self) -> None:
        """See Output."""


class Tcp:
    """An output to what listens at a TCP address."""

    def __init__(self, address: str, host: str, port: int) -> None:
        """Connect to it. Raises OSError where nothing answers within ``PATIENCE``."""
        self.name = address
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # messages are small, and must not wait

    def send(self, message: mido.Message) -> None:
        """See Output."""
        self._socket.sendall(bytes(message.bytes()))

    def close(self) -> None:
        """See Output."""
        self._socket.close()


def open_output(address: str) -> Output:
    """An output by its address.

    Raises:
        EtudeError: it is no address, or cannot be opened.
    """
    if address.startswith(PORT):
        output: Output = _open_port(address.removeprefix(PORT), "output")
        return output
    if address.startswith(TCP):
        host, port = _host_and_port(address, "out")
        try:
            return Tcp(address, host, port)
        except (OSError, UnicodeError) as error:
            raise EtudeError(
                f"out = {address}: nothing listens there ({getattr(error, 'strerror', None) or error}). Start first "
                "what is to play."
            ) from None
    raise EtudeError(f"out = {address} is no address. Give {HOW.partition(', or')[0]}.")


def names_of_ports(kind: str) -> list[str]:
    """The names of this machine's MIDI ports: ``output`` or ``input``. Raises EtudeError where there is no MIDI."""
    backend = _rtmidi()
    try:
        return list(backend.get_output_names() if kind == "output" else backend.get_input_names())
    except Exception as error:  # what the library raises where there is no sequencer
        raise EtudeError(f"This machine has no MIDI ports ({error}). Give {TCP}HOST:PORT, or write a file.") from None


def _rtmidi() -> Any:
    try:
        import rtmidi  # noqa: F401
    except ImportError:
        raise EtudeError(
            f"MIDI ports need a package that is not installed: pip install python-rtmidi. Without it: {TCP}HOST:PORT"
        ) from None
    return mido.Backend("mido.backends.rtmidi")


def _open_port(name: str, kind: str) -> Any:
    backend, names = _rtmidi(), names_of_ports(kind)
    found = [one for one in names if one == name] or [one for one in names if name.lower() in one.lower()]
    if not found:
        there = ", ".join(names) or "none"
        raise EtudeError(f'There is no MIDI {kind} port "{name}". There are: {there}.')
    return backend.open_output(found[0]) if kind == "output" else backend.open_input(found[0])


def _host_and_port(address: str, key: str) -> tuple[str, int]:
    host, _, port = address.removeprefix(TCP).rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise EtudeError(f"{key} = {address} must be {TCP}HOST:PORT, as {TCP}127.0.0.1:9080.")
    return host or "127.0.0.1", int(port)


class Input:
    """Messages from somewhere, each with its time, taken by the thread that plays.

    What a port or a socket sends is read by a thread of its own, within limits: a flood does not stop the music.
    """

    def __init__(self, address: str, clock: Clock, say: Callable[[str], None]) -> None:
        """Open it.

        Args:
            address: ``port:NAME``, ``tcp:HOST:PORT``, where it listens, or a MIDI file, which is played in real time.
            clock: the time.
            say: gets a sentence when it is lost.

        Raises:
            EtudeError: it cannot be opened.
        """
        self.address, self.clock, self.say = address, clock, say
        self.port = 0  # of a TCP input
        self.at_once: Callable[[mido.Message], None] | None = None  # sees a message as soon as it is there
        self._file: deque[tuple[float, mido.Message]] | None = None  # seconds from the start
        self._start: float | None = None
        self._queue: deque[tuple[float, mido.Message]] = deque()
        self._held: set[tuple[int, int]] = set()  # channel and pitch of what has not ended
        self._second, self._count, self._told = 0, 0, False
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        run = self._opened(address)
        if run is not None:
            self._thread = threading.Thread(target=self._guarded, args=(run,), name="input", daemon=True)
            self._thread.start()

    def take(self, until: float) -> list[tuple[float, mido.Message]]:
        """What has come, or what a file plays, up to a time."""
        found = []
        if self._file is not None:
            self._start = until if self._start is None else self._start
            while self._file and self._start + self._file[0][0] <= until:
                seconds, message = self._file.popleft()
                found.append((self._start + seconds, message))
            return found
        while self._queue:
            found.append(self._queue.popleft())
        return found

    @property
    def is_live(self) -> bool:
        """Whether messages come from somebody, from no file."""
        return self._file is None

    @property
    def is_over(self) -> bool:
        """Whether a file has been played to its end."""
        return self._file is not None and not self._file

    def close(self) -> None:
        """Take nothing more."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(1)

    def _opened(self, address: str) -> Callable[[], None] | None:
        if address.startswith(PORT):
            port = _open_port(address.removeprefix(PORT), "input")
            return lambda: self._poll(port)
        if address.startswith(TCP):
            host, number = _host_and_port(address, "input")
            try:
                server = socket.create_server((host, number))
            except (OSError, UnicodeError) as error:
                reason = getattr(error, "strerror", None) or error
                raise EtudeError(f"input = {address} cannot be listened on ({reason}). Give another port.") from None
            self.port = int(server.getsockname()[1])
            return lambda: self._listen(server)
        path = given_path(address)
        if not path.is_file():
            raise EtudeError(f"input = {address} is no file, and no address. Give {HOW}.")
        self._file = _messages_of(path)
        return None

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as error:
            if not self._closed.is_set():
                self.say(f"the input {self.address} is lost ({error}); the music goes on without it")
            self._end_all()

    def _keep(self, message: mido.Message) -> None:
        if int(time.monotonic()) != self._second:
            self._second, self._count = int(time.monotonic()), 0
        self._count += 1
        starts = message.type == "note_on" and message.velocity > 0
        ends = message.type in ("note_on", "note_off") and not starts
        key = (message.channel, message.note) if starts or ends else (-1, -1)
        busy = self._count > BUSIEST or len(self._queue) >= BUSIEST
        if busy and not (ends and key in self._held):  # the end of a note is never left out
            if not self._told:
                self.say(f"the input {self.address} sends more than {BUSIEST} messages a second; some are left out")
                self._told = True
            return
        if starts:
            self._held.add(key)
        else:
            self._held.discard(key)
        self._queue.append((self.clock.now(), message))
        if self.at_once is not None:
            self.at_once(message)

    def _end_all(self) -> None:
        """End what was left sounding."""
        for channel, note in sorted(self._held):
            self._keep(mido.Message("note_off", channel=channel, note=note))

    def _poll(self, port: Any) -> None:
        with port:
            while not self._closed.is_set():
                message = port.poll()
                if message is None:
                    self._closed.wait(0.001)
                else:
                    self._keep(message)

    def _listen(self, server: socket.socket) -> None:
        server.settimeout(0.2)
        with server:
            while not self._closed.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                with client:
                    self._read(client)

    def _read(self, client: socket.socket) -> None:
        """Read one client to its end, and end then what it has left sounding."""
        client.settimeout(0.2)
        parser, pending = Parser(), 0
        while not self._closed.is_set():
            try:
                data = client.recv(BLOCK if self._count <= BUSIEST else BLOCK // 8)
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
            pending += len(data)
            parser.feed(data)
            for message in parser:
                if not message.is_realtime:  # one of these may come within another message
                    pending = 0
                self._keep(message)
            if pending > UNREADABLE:  # no message, as a system exclusive one that never ends
                parser, pending = Parser(), 0
            if self._count > BUSIEST:
                self._closed.wait(0.05)  # what sends it has to wait
        self._end_all()


def _messages_of(path: Path) -> deque[tuple[float, mido.Message]]:
    """The messages of a MIDI file, with seconds from its start; notes that it does not end, end with it."""
    found: deque[tuple[float, mido.Message]] = deque()
    held: set[tuple[int, int]] = set()
    seconds = 0.0
    try:
        file = mido.MidiFile(path)
        if file.ticks_per_beat <= 0:
            raise ValueError("its time is in frames of a film")
        for message in file:
            seconds += message.time
            if message.is_meta:
                continue
            found.append((seconds, message))
            if message.type == "note_on" and message.velocity:
                held.add((message.channel, message.note))
            elif message.type in ("note_on", "note_off"):
                held.discard((message.channel, message.note))
    except Exception as error:  # a damaged file raises what mido's parser raises
        raise EtudeError(f"input = {path} is no MIDI file ({error or type(error).__name__}).") from None
    if not any(message.type == "note_on" and message.velocity for _, message in found):
        raise EtudeError(f"input = {path} has no notes.")
    for channel, note in sorted(held):
        found.append((seconds, mido.Message("note_off", channel=channel, note=note)))
    return found
