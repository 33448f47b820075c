"""A server of pages on this machine: what every request passes first, every answer last, and the address it has."""

import errno
import re
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import Response

from etude.core.errors import EtudeError

if TYPE_CHECKING:
    from uvicorn import Config

NAME = re.compile(r"[A-Za-z0-9.-]+")  # of a host
HIGHEST_PORT = 65535
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Refusal = tuple[int, str]  # a status and its sentence


def admit_all(scope: Message) -> Refusal | None:
    """Refuse nobody."""
    return None


def header(scope: Message, name: str) -> str | None:
    """The value of a header of a request, or of the start of a WebSocket; None where it was not sent."""
    found = [value for key, value in scope["headers"] if key == name.lower().encode()]
    return found[0].decode("latin-1") if found else None


class Guard:
    """What every request passes first, and every answer last.

    A request under another host name is refused, as a foreign page could rebind its own name to this machine; so is one
    that ``admit`` refuses, and one of too many bytes, whatever length it states. Each answer has the headers.
    """

    def __init__(
        self,
        app: Callable[[Message, Receive, Send], Awaitable[None]],
        names: Iterable[str],
        headers: Mapping[str, str],
        most_bytes: Callable[[str], int],
        admit: Callable[[Message], Refusal | None] = admit_all,
    ) -> None:
        """Args: the application; host names (addresses need none); headers; bytes of a body by path; who may ask."""
        self.app, self.names = app, {name.lower() for name in names}
        self.most_bytes, self.admit = most_bytes, admit
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Read the request, and hand it on if it is small, admitted, and asks for a known name."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.headers]
            await send(message)

        async def refuse(status: int, reason: str) -> None:
            # what is left of the body is not read: the connection is closed
            answer = Response(reason, status, {"Connection": "close"}, media_type="text/plain")
            await answer(scope, receive, send_with_headers)

        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            if refusal is None:
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})  # before it is open: the status 403
            return
        if refusal is not None:
            await refuse(*refusal)
            return
        most = self.most_bytes(scope["path"])
        stated = header(scope, "content-length") or ""
        if stated.isdecimal() and (len(stated) > 20 or int(stated) > most):
            await refuse(413, "too long")
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the browser went away
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                await refuse(413, "too long")
                return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send_with_headers)

    def _refusal(self, scope: Message) -> Refusal | None:
        if not self._is_known(header(scope, "host") or ""):
            return 400, "this host name is not known here: start the server with names="
        return self.admit(scope)

    def _is_known(self, host: str) -> bool:
        """Whether a Host header has a known name, or an address, which no page can rebind."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.names or bool(ip_address(name))
        except ValueError:
            return False


def require_names(names: Iterable[str]) -> list[str]:
    """Further host names of a server. Raises EtudeError where one is none."""
    names = list(names)
    if wrong := [name for name in names if not NAME.fullmatch(name)]:
        raise EtudeError(f"names = {','.join(wrong)}: these are no host names, as in: names=study.example.org")
    return names


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 takes a free one. Raises EtudeError where it cannot be used."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        advice = (
            f"Give another port, as in: port={port + 1 if port < HIGHEST_PORT else 8001}"
            if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES)
            else "Give an address of this machine, as 127.0.0.1 or 0.0.0.0."
        )
        raise EtudeError(f"host = {host}, port = {port}: the address cannot be used ({reason}). {advice}") from None


def serve_at(config: "Config", address: socket.socket) -> None:
    """Serve pages at an address until INT, TERM or HUP; then end what is asked for, and raise KeyboardInterrupt.

    uvicorn knows the first two. HUP, of a terminal that closes, ends it in the same way.
    """
    from uvicorn import Server

    server, hung_up = Server(config), threading.Event()

    def hang_up(number: int, frame: object) -> None:
        hung_up.set()
        server.should_exit = True

    before = signal.getsignal(signal.SIGHUP)
    own = threading.current_thread() is threading.main_thread() and before != signal.SIG_IGN
    try:
        if own:
            signal.signal(signal.SIGHUP, hang_up)
        server.run(sockets=[address])
    finally:
        if own:
            signal.signal(signal.SIGHUP, before)
    if hung_up.is_set():
        signal.raise_signal(signal.SIGHUP)


def listens_everywhere(host: str) -> bool:
    """Whether an address stands for all addresses of this machine."""
    return host in ("0.0.0.0", "::")


def address_of(host: str, port: int) -> str:
    """The address at which a browser on this machine finds a server: ``http://127.0.0.1:8000``."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
