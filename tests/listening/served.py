"""A server for tests, as ``etude listen serve`` starts it: a process of its own on a free port, which can be killed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from conftest import ROOT

PATIENCE = 60.0  # seconds for a process to start on a busy machine


class Server:
    """``etude listen serve`` in a process of its own."""

    def __init__(self, page: Path, answers: Path, port: int = 0) -> None:
        """Start it and wait until it answers; port 0 takes a free one."""
        code = (
            "import sys; from pathlib import Path; from etude.listening.server import serve; "
            f"sys.exit(serve(Path({str(page)!r}), Path({str(answers)!r}), {port}))"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stderr is not None
        self.lines = [self.process.stderr.readline()]
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.lines[0])
        assert found, self.lines[0] + self.process.stderr.read()
        self.port = int(found[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as a crash does, with what it holds in memory."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def interrupt(self) -> tuple[int, str]:
        """End it with Ctrl-C; its exit status, and what it wrote."""
        self.process.send_signal(signal.SIGINT)
        _, text = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, "".join(self.lines) + text

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        assert self.process.stderr is not None
        self.process.stderr.close()


def ask(app: Any, method: str, path: str, host: str, body: bytes = b"") -> tuple[int, dict[str, str]]:
    """One request to an application in this process: the status and the headers of its answer."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode()), (b"content-type", b"application/json")]
    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method}
    scope |= {"path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}

    def run() -> None:
        with suppress(Exception):  # a fault is answered, and then raised for the log
            asyncio.run(app(scope, receive, send))

    thread = threading.Thread(target=run)  # where no browser's loop runs
    thread.start()
    thread.join(PATIENCE)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def enrol(address: str, test: str) -> str:
    """A new listener, simulated."""
    reply = requests.post(f"{address}/api/listeners", json={"test": test, "simulated": True}, timeout=10)
    assert reply.status_code == 200, reply.text
    name = reply.json()["listener"]
    assert isinstance(name, str)
    return name


def put(address: str, listener: str, answer: dict[str, Any]) -> int:
    """Send an answer; the status, 0 where the server is away."""
    try:
        reply = requests.put(f"{address}/api/answers/{listener}/{answer['page']}", json=answer, timeout=10)
    except requests.RequestException:
        return 0
    return int(reply.status_code)
