"""Servers that take connections and then hang, in several ways: in place of MLflow's."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def hanging(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that takes connections, and then does ``answer``."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        kept: list[socket.socket] = []  # open: a connection that is closed is no server that hangs

        def serve() -> None:
            with suppress(OSError):
                while True:
                    one, _ = server.accept()
                    kept.append(one)
                    threading.Thread(target=_try, args=(answer, one), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        for one in kept:
            one.close()


def _try(answer: Callable[[socket.socket], None], one: socket.socket) -> None:
    with suppress(OSError):
        answer(one)


def _reply(text: bytes) -> Callable[[socket.socket], None]:
    def answer(one: socket.socket) -> None:
        one.recv(65536)
        one.sendall(text)

    return answer


ANSWERS: dict[str, Callable[[socket.socket], None]] = {
    "never answers": lambda one: None,
    "begins an answer and stops": _reply(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "answers 500": _reply(b"HTTP/1.1 500 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    "answers what is no JSON": _reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{["),
    "closes": lambda one: one.close(),
}
