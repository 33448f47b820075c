"""The control port: lines of text, as ``tempo=90``, from programs of this machine, while the music plays."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from etude.core.errors import EtudeError
from etude.live.controls import Console

HOST = "127.0.0.1"
LONGEST = 512  # bytes of a line
MISTAKES = 8  # lines that cannot be read, after which a connection is closed
MOST = 32  # connections at a time; then the one that has been silent for longest is closed
FASTEST = 200  # lines a second that are taken of a connection
HELLO = "etude live: NAME=VALUE sets a control; state shows them; stop ends the music; help lists them\n"


class ControlPort:
    """A server on 127.0.0.1 that sets controls.

    It answers each line with ``ok`` or with a sentence. A web page cannot use it: what a browser sends starts with a
    line of HTTP, at which the connection is closed.
    """

    def __init__(self, console: Console, port: int, stop: Callable[[], None]) -> None:
        """Open it. ``port`` 0 takes a free one. Raises EtudeError where the port is taken."""
        self.console, self.stop = console, stop
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[asyncio.Task[Any], float] = {}  # of each connection, with the time of its last line
        self._thread = threading.Thread(target=self._loop.run_forever, name="control", daemon=True)
        self._thread.start()
        opening = asyncio.run_coroutine_threadsafe(self._listen(port), self._loop)
        try:
            self._server = opening.result()
        except OSError as error:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(2)
            self._loop.close()
            raise EtudeError(
                f"control = {port}: the port cannot be used ({error.strerror or error}). Give another, or 0."
            ) from None
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._serve, HOST, port, limit=LONGEST)

    def close(self) -> None:
        """Close it, and all connections."""

        async def end() -> None:
            self._server.close()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1) if tasks else None
            self._loop.call_soon(self._loop.stop)

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(end(), self._loop)
            self._thread.join(2)
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= MOST:
            silent = min(self._tasks, key=lambda one: self._tasks[one])
            del self._tasks[silent]
            silent.cancel()
        self._tasks[task] = time.monotonic()
        mistakes = 0
        try:
            writer.write(HELLO.encode())
            while mistakes < MISTAKES:
                line = await reader.readline()
                self._tasks[task] = time.monotonic()
                if not line:
                    return
                text = line.decode("utf-8", "replace").strip()
                if text.split(" ")[-1].startswith("HTTP/"):
                    return
                answer, fine = self._answer(text)
                mistakes += not fine
                writer.write(f"{answer}\n".encode())
                await writer.drain()
                await asyncio.sleep(1 / FASTEST)
            writer.write(b"too many lines that cannot be read\n")
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # gone, a line beyond LONGEST, or the music has ended
        finally:
            self._tasks.pop(task, None)
            writer.close()

    def _answer(self, text: str) -> tuple[str, bool]:
        """The answer to a line, and whether it could be read."""
        if not text:
            return "ok", True
        if text == "state":
            return self.console.controls.as_text(), True
        if text == "help":
            return "\n".join(self.console.surface.help()), True
        if text == "stop":
            self.stop()
            return "ok", True
        name, given, value = text.partition("=")
        if not given:
            return f'"{text[:40]}" is no NAME=VALUE, as tempo=90', False
        try:
            self.console.set(name.strip(), value)
        except EtudeError as error:
            return str(error), False
        return "ok", True
