"""A server of pages: its address and what it takes."""

from typing import Any

import loops
import pytest
from fastapi import FastAPI, Request

from etude.core.errors import EtudeError
from etude.core.serving import Guard, Message, address_of, bind, listens_everywhere, require_names


def ask(app: Any, headers: dict[str, str], parts: list[bytes]) -> tuple[int, int, dict[str, str]]:
    """One POST whose body comes in parts: the status, how many parts were read, and the headers of the answer."""
    sent: list[Message] = []
    left = list(parts)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "root_path": "", "scheme": "http"}
    scope |= {"query_string": b"", "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
    own = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1", **headers}.items()]
    loops.run(app({**scope, "headers": own}, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], len(parts) - len(left), found


def make(most: int, **options: Any) -> Guard:
    app = FastAPI()

    @app.post("/")
    async def count(request: Request) -> int:
        return len(await request.body())

    return Guard(app, ["localhost"], {"X-Own": "yes"}, lambda path: most, **options)


def test_a_body_is_read_no_further_than_it_may_be_long() -> None:
    parts = [b"x" * 10] * 20
    assert ask(make(100), {}, parts)[:2] == (413, 11), "the rest is never read"
    assert ask(make(100), {"content-length": "200"}, parts)[:2] == (413, 0)
    assert ask(make(100), {"content-length": "9" * 5000}, parts)[:2] == (413, 0)
    status, read, headers = ask(make(200), {"content-length": "200"}, parts)
    assert (status, read, headers["x-own"]) == (200, 20, "yes")


def test_who_is_not_admitted_is_refused_before_the_body_is_read() -> None:
    guard = make(100, admit=lambda scope: (403, "not you"))
    status, read, headers = ask(guard, {}, [b"x"])
    assert (status, read, headers["x-own"], headers["connection"]) == (403, 0, "yes", "close")
    assert ask(make(100), {"host": "evil.example"}, [b"x"])[:2] == (400, 0)


def test_addresses_and_names() -> None:
    assert address_of("127.0.0.1", 8) == "http://127.0.0.1:8" and address_of("::", 8) == "http://[::1]:8"
    assert address_of("0.0.0.0", 8) == "http://127.0.0.1:8" and listens_everywhere("0.0.0.0")
    assert require_names(["a.example"]) == ["a.example"]
    with pytest.raises(EtudeError, match="no host names"):
        require_names(["a b"])
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EtudeError, match=f"port = {port}: .*Give another port"):
            bind("127.0.0.1", port)
    with pytest.raises(EtudeError, match="Give an address of this machine"):
        bind("203.0.113.7", 0)
