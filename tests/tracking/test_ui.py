"""The pages of MLflow: which address is shown, and when a server is started."""

import socket
import sys

import pytest
from tracking.tracked import Away

from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.tracking import ui
from etude.tracking.server import server

ANSWERS = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Healthy).handle_request()
"""


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is opened in a browser, by a person who sits at a terminal with a display."""
    links: list[str] = []

    def take(link: str) -> bool:
        links.append(link)
        return True

    monkeypatch.setattr(ui, "is_terminal", lambda: True)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", take)
    return links


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((ui.HOST, 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_named_is_shown_and_none_is_started(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], opened: list[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://clara:secret@music.example:8080/")
    monkeypatch.setattr("subprocess.Popen", None)
    place = server(session)
    place.client, place.experiment_id = Away(), "7"
    assert ui.show(session, 5000) == 0
    link = "http://music.example:8080/#/experiments/7/runs"
    assert capsys.readouterr().out == f"etude: the runs are at {link}\n" and opened == [link]


def test_a_server_that_is_away_is_a_sentence(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://clara:secret@127.0.0.1:9")
    with (
        pytest.warns(UserWarning, match="is away"),
        pytest.raises(EtudeError, match=r"http://127\.0\.0\.1:9 cannot be read\..*MLFLOW_TRACKING_TOKEN") as caught,
    ):
        ui.show(session, 5000)
    assert "secret" not in str(caught.value)


def test_the_database_of_the_project_is_served_until_the_server_ends(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    opened: list[str],
    port: int,
) -> None:
    served = ui.command(server(session).uri, port)
    assert served[served.index("--host") + 1] == "127.0.0.1" and served[served.index("--port") + 1] == str(port)
    assert served[served.index("--backend-store-uri") + 1] == f"sqlite:///{session.root.resolve()}/mlruns/mlflow.db"
    monkeypatch.setattr(ui, "command", lambda uri, port: [sys.executable, "-c", ANSWERS, str(port)])
    assert ui.show(session, port) == 0
    assert opened == [f"http://127.0.0.1:{port}/#/experiments/{server(session).experiment_id}/runs"]
    assert opened[0] in capsys.readouterr().out
    monkeypatch.setattr(ui, "command", lambda uri, port: [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(EtudeError, match="ended with status 3"):
        ui.show(session, port)


def test_a_port_that_is_taken_is_a_sentence(session: Session) -> None:
    with socket.socket() as other:
        other.bind((ui.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(EtudeError, match=rf"Port {taken} of 127\.0\.0\.1 is taken.*port={taken + 1}"):
            ui.show(session, taken)


@pytest.mark.parametrize("missing", ["terminal", "display"])
def test_no_browser_is_opened_where_nobody_looks_on(
    missing: str, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert ui.open_browser("http://127.0.0.1:5000")
    if missing == "terminal":
        monkeypatch.setattr(ui, "is_terminal", lambda: False)
    else:
        monkeypatch.delenv("DISPLAY")
    assert not ui.open_browser("http://127.0.0.1:5000") and len(opened) == 1
