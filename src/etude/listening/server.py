"""``etude listen serve``: a small server for many listeners at once, which keeps no data about them but their answers.

It stores no addresses and no user agents, writes no log of requests, and listens on 127.0.0.1 unless another address is
given. What a browser sends is checked against the test: its size, its host, every field.
"""

import json
import sqlite3
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from etude.core.errors import EtudeError
from etude.core.serving import HEADERS, Guard, address_of, bind, listens_everywhere, require_names, serve_at
from etude.listening.answers import ID
from etude.listening.page import Served, read_page
from etude.listening.store import Store, Taken, Unknown

HOST, PORT = "127.0.0.1", 8000
MOST_BYTES = 8192  # of a request
BURST, RATE = 40, 2.0  # answers of one listener at once, and a second: a page takes at least as long as its clips
ALL_BURST, ALL_RATE = 400, 100.0  # of all listeners
NEW_BURST, NEW_RATE = 100, 2.0  # new listeners
REMEMBERED = 10_000  # listeners whose rate is known


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


def application(
    served: Served,
    store: Store,
    names: Iterable[str],
    limits: Limits | None = None,
    on_finished: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application.

    Args:
        served: the page.
        store: where answers are kept.
        names: the host names under which it may be asked; others are refused, as a foreign page could rebind its name.
        limits: how much is taken in a time.
        on_finished: called when a listener's last answer is kept.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    rates = limits or Limits()
    headers = {**HEADERS, "Content-Security-Policy": f"{served.policy}; frame-ancestors 'none'"}
    app.add_middleware(Guard, names=names, headers=headers, most_bytes=lambda path: MOST_BYTES)

    @app.exception_handler(Exception)
    async def say_sorry(request: Request, error: Exception) -> Response:
        return Response("the server has a fault; the page tries again", 500, headers)

    @app.api_route("/", methods=["GET", "HEAD"])
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
        try:
            return {"listener": await run_in_threadpool(store.enrol, value.get("simulated", False))}
        except sqlite3.OperationalError:
            raise _busy() from None

    @app.put("/api/answers/{listener}/{place}")
    async def put_answer(listener: str, place: str, request: Request) -> dict[str, bool]:
        value = await _json(request)
        if not ID.fullmatch(listener):
            raise HTTPException(404, "this listener is not known here")
        rates.check(listener)
        if not isinstance(value, dict) or str(value.get("page")) != place:
            raise HTTPException(422, "the answer is not to the page of its address")
        try:
            if await run_in_threadpool(store.put, listener, value):
                on_finished()
        except Unknown as error:
            raise HTTPException(404, str(error)) from None
        except Taken as error:
            raise HTTPException(409, str(error)) from None
        except EtudeError as error:
            raise HTTPException(422, str(error)) from None
        except sqlite3.OperationalError:
            raise _busy() from None
        return {"saved": True}

    return app


def _busy() -> HTTPException:
    """Another process writes, or the disk is full: the page tries again."""
    return HTTPException(503, "nothing can be kept now; the page tries again", {"Retry-After": "5"})


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
    import uvicorn

    names, served = require_names(names), read_page(page)
    address = bind(host, port)
    try:
        store = Store(answers, served.test)
    except EtudeError:
        address.close()
        raise
    real = address.getsockname()[1]
    every = ", and at each address of this machine" if listens_everywhere(host) else ""

    def show_counts() -> None:
        print(f"etude: one more has finished; {store.counts()}", file=sys.stderr, flush=True)

    app = application(served, store, {"localhost", host, *names}, on_finished=show_counts)
    config = uvicorn.Config(app, access_log=False, log_level="error", server_header=False, timeout_graceful_shutdown=5)
    print(
        f"etude: {page} is at {address_of(host, real)}{every}, its answers in {answers} ({store.counts()} so far). "
        "Ctrl-C ends it.",
        file=sys.stderr,
        flush=True,
    )
    try:
        serve_at(config, address)
    except KeyboardInterrupt:
        pass  # it has shut down
    finally:
        address.close()
        counts = store.counts()
        store.close()
    print(f"etude: {answers} has {counts}.", file=sys.stderr)
    return 0
