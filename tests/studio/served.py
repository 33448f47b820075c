"""A studio for tests: a server in a thread of this process, which can be stopped and started again on its port."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
import uvicorn

from etude.artifacts.context import Session
from etude.config.compile import settings_of
from etude.core.serving import bind
from etude.studio.admission import Admission
from etude.studio.models import Models
from etude.studio.server import application
from etude.studio.work import Worker

TOKEN = "a-token-of-the-tests"
TUNE = (67, 69, 71, 72, 74, 72, 71, 67)  # two bars of quarter notes


def make_models(root: Path) -> Models:
    """The models that come with etude, which draw with few particles."""
    settings = settings_of(root)
    few = replace(settings.harmonize, particles=2, candidates=2)
    return Models(replace(settings, harmonize=few), Session(root=root, progress=False))


def melody(pitches: tuple[int, ...] = TUNE, quarter: int = 24, **changes: Any) -> dict[str, Any]:
    """A melody of quarter notes as the page writes it."""
    notes = [[quarter * place, quarter, pitch, 80] for place, pitch in enumerate(pitches)]
    track = {"name": "Melody", "program": 73, "drums": False, "notes": notes}
    return {"quarter": quarter, "tempos": [[0, 90]], "meters": [[0, 4, 4]], "keys": [], "marks": []} | {
        "tracks": [track],
        **changes,
    }


def drawing(models: Models, candidates: int = 2) -> dict[str, Any]:
    """The settings by which voices are drawn."""
    config = models.settings.harmonize
    names = ("particles", "sweeps", "temperature", "top_p", "parallel_cost")
    return {"candidates": candidates, **{name: getattr(config, name) for name in names}}


class Studio:
    """A server on a port of its own."""

    def __init__(self, models: Models, token: str = TOKEN, port: int = 0) -> None:
        """Start it and wait until it listens."""
        self.models, self.token, self.socket = models, token, bind("127.0.0.1", port)
        self.port = self.socket.getsockname()[1]
        self.worker = Worker()
        self.app = application(models, Admission(token, self.port), {"localhost"}, self.worker)
        config = uvicorn.Config(self.app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def link(self) -> str:
        """Where it is, with the token."""
        return f"{self.address}/?token={self.token}"

    def ask(self, path: str, json: Any = None, **options: Any) -> requests.Response:
        """One request with the token: GET, or POST where there is something to send."""
        headers = {"x-studio-token": self.token, **options.pop("headers", {})}
        method = "GET" if json is None and "data" not in options else "POST"
        return requests.request(method, self.address + path, json=json, headers=headers, timeout=60, **options)

    def make(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """What a recipe describes."""
        answer = self.ask("/api/make", recipe)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def stop(self) -> None:
        """End it, as where its terminal is closed."""
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(20)
        self.worker.close()
        self.socket.close()


@contextmanager
def serving(models: Models, **options: Any) -> Iterator[Studio]:
    """A studio that is stopped in the end."""
    studio = Studio(models, **options)
    try:
        yield studio
    finally:
        studio.stop()
