"""The sockets of open pages: each hears how its work goes on, and that the studio is there."""

import json
import re
from collections import defaultdict
from contextlib import suppress
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

MOST = 64  # sockets at a time
LONGEST = 1024  # letters of a message of a page
PAGE = re.compile(r"[A-Za-z0-9]{1,40}")  # what a page calls itself
WRONG, TOO_MANY = 1008, 1013  # codes of RFC 6455


class Pages:
    """The open sockets by page."""

    def __init__(self, start: str) -> None:
        """Args: what tells this run of the studio from others."""
        self.start = start
        self._sockets: dict[str, set[WebSocket]] = defaultdict(set)

    @property
    def count(self) -> int:
        """Number of open sockets."""
        return sum(map(len, self._sockets.values()))

    async def serve(self, socket: WebSocket) -> None:
        """Keep a socket until its page goes away; what is no message of a page closes it."""
        page = socket.query_params.get("page", "")
        await socket.accept()
        if self.count >= MOST or not PAGE.fullmatch(page):
            await socket.close(WRONG if self.count < MOST else TOO_MANY)
            return
        self._sockets[page].add(socket)
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_json({"type": "hello", "start": self.start})
            while True:
                if not is_ping(await socket.receive()):
                    await socket.close(WRONG)
                    break
                await socket.send_json({"type": "pong"})
        self._sockets[page].discard(socket)
        if not self._sockets[page]:
            del self._sockets[page]

    async def send(self, page: str, message: dict[str, Any]) -> None:
        """Send a message to the sockets of a page, if it has any."""
        for socket in list(self._sockets.get(page, ())):
            with suppress(RuntimeError, WebSocketDisconnect, OSError):
                await socket.send_json(message)


def is_ping(message: Any) -> bool:
    """Whether a message of a socket is the one that pages send. Raises WebSocketDisconnect where it is the end."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1000)
    text = message.get("text")
    if text is None or len(text) > LONGEST:
        return False
    try:
        return bool(json.loads(text) == {"type": "ping"})
    except (ValueError, RecursionError):
        return False
