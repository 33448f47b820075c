"""``etude listen serve``: a small server for many listeners at once, which keeps no data about them but their answers.

It stores no addresses and no user agents, writes no log of requests, and listens on 127.0.0.1 unless another address is
given. What a browser sends is checked against the test: its size, its host, every field.
"""

import json
import re
import sqlite3
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from etude.core.errors import EtudeError
from etude.listening.answers import ID
from etude.listening.page import Served, read_page
from etude.listening.store import Store, Taken, Unknown

HOST, PORT = "127.0.0.1", 8000
NAME = re.compile(r"[A-Za-z0-9.-]+")  # of a host
MOST_BYTES = 8192  # of a request
BURST, RATE = 40, 2.0  # answers of one listener at once, and a second: a page takes at least as long as its clips
ALL_BURST, ALL_RATE = 400, 100.0  # of all listeners
NEW_BURST, NEW_RATE = 100, 2.0  # new listeners
REMEMBERED = 10_000  # listeners whose rate is known
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


class Bucket:
    """A rate limit: ``burst`` requests at once, and ``rate`` more each second."""

    def __init__(self, burst: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start full."""
        self.burst, self.rate, self.clock = burst, rate, clock
        self.left, self.at = burst, clock()

    def take(self) -> bool:
        """Whether one more request is within the limit."""
        now = self.clock()
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Limits:
    """The rate limits of a server: of each listener, of new listeners, of all requests that write."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start full."""
        self.clock = clock
        self.all, self.new = Bucket(ALL_BURST, ALL_RATE, clock), Bucket(NEW_BURST, NEW_RATE, clock)
        self.own: OrderedDict[str, Bucket] = OrderedDict()

    def check(self, listener: str | None) -> None:
        """Count a request. Raises HTTPException 429 above a limit; None is a new listener."""
        bucket = self.new
        if listener is not None:
            bucket = self.own.setdefault(listener, Bucket(BURST, RATE, self.clock))
            self.own.move_to_end(listener)
            if len(self.own) > REMEMBERED:
                self.own.popitem(last=False)
        if not bucket.take() or not self.all.take():
            raise HTTPException(429, "too many requests; the page tries again", {"Retry-After": "2"})


class Small:
    """Refuses requests of more than ``MOST_BYTES``, whatever length they state."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        """Args: the application."""
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Read the request, and hand it on if it is small."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the browser went away
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MOST_BYTES:
                await Response("too long", 413, HEADERS)(scope, receive, send)
                return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)


def application(served: Served, store: Store, names: Iterable[str], limits: Limits | None = None) -> FastAPI:
    """The application.

    Args:
        served: the page.
        store: where answers are kept.
        names: the host names under which it may be asked; others are refused, as a foreign page could rebind its name.
        limits: how much is taken in a time.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    rates = limits or Limits()
    policy = f"{served.policy}; frame-ancestors 'none'"

    @app.middleware("http")
    async def add_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        for name, value in HEADERS.items():
            response.headers[name] = value
        response.headers["Content-Security-Policy"] = policy
        return response

    app.add_middleware(Small)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=sorted(set(names)), www_redirect=False)

    @app.get("/")
    async def send_page() -> Response:
        return Response(served.html, media_type="text/html; charset=utf-8")

    @app.post("/api/listeners")
    async def enrol(request: Request) -> dict[str, str]:
        value = await _json(request)
        if not isinstance(value, dict) or value.get("test") != served.test.id or value.keys() - {"test", "simulated"}:
            raise HTTPException(422, "this is not the test that is served here: load the page again")
        if not isinstance(value.get("simulated", False), bool):
            raise HTTPException(422, "simulated must be true or false")
        rates.check(None)
        return {"listener": await run_in_threadpool(store.enrol, value.get("simulated", False))}

    @app.put("/api/answers/{listener}/{place}")
    async def put_answer(listener: str, place: str, request: Request) -> dict[str, bool]:
        value = await _json(request)
        if not ID.fullmatch(listener):
            raise HTTPException(404, "this listener is not known here")
        rates.check(listener)
        if not isinstance(value, dict) or str(value.get("page")) != place:
            raise HTTPException(422, "the answer is not to the page of its address")
        try:
            await run_in_threadpool(store.put, listener, value)
        except Unknown as error:
            raise HTTPException(404, str(error)) from None
        except Taken as error:
            raise HTTPException(409, str(error)) from None
        except EtudeError as error:
            raise HTTPException(422, str(error)) from None
        except sqlite3.OperationalError:  # another process writes, or the disk is full: the page tries again
            raise HTTPException(
                503, "the answer cannot be kept now; the page tries again", {"Retry-After": "5"}
            ) from None
        return {"saved": True}

    return app


async def _json(request: Request) -> Any:
    """The body of a request, which must be JSON and say so: a form of a foreign page cannot."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body must be application/json")
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise HTTPException(422, "the body is no JSON") from None


def serve(page: Path, answers: Path, port: int, host: str = HOST, names: Iterable[str] = ()) -> int:
    """Serve a page until Ctrl-C. Returns the exit status.

    Raises:
        EtudeError: the page or the database cannot be used, or the port is taken.
    """
    import socket

    import uvicorn

    names = list(names)
    if wrong := [name for name in names if not NAME.fullmatch(name)]:
        raise EtudeError(f"names = {','.join(wrong)}: these are no host names, as in: names=study.example.org")
    served = read_page(page)
    store = Store(answers, served.test)
    try:
        address = socket.create_server((host, port))
    except OSError as error:
        store.close()
        raise EtudeError(
            f"host = {host}, port = {port}: the address cannot be used ({error.strerror or error}). Give another port, "
            f"as in: port={port + 1 if port < 65535 else 8001}"
        ) from None
    real = address.getsockname()[1]
    app = application(served, store, {"127.0.0.1", "localhost", host, *names} - {"0.0.0.0"})
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=5
    )
    listeners, kept = store.counts()
    print(
        f"etude: {page} is at http://{host}:{real}, its answers in {answers} ({listeners} listeners, {kept} answers so "
        "far). Ctrl-C ends it.",
        file=sys.stderr,
        flush=True,
    )
    try:
        uvicorn.Server(config).run(sockets=[address])
    except KeyboardInterrupt:
        pass  # what uvicorn raises again after it has shut down
    finally:
        address.close()
        listeners, kept = store.counts()
        store.close()
    print(f"etude: {answers} has {kept} answers of {listeners} listeners.", file=sys.stderr)
    return 0
