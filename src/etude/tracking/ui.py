"""MLflow's pages of the project's runs: the server that is named, or one started on this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from typing import TYPE_CHECKING

from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.tracking.server import Server, server, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

HOST = "127.0.0.1"  # MLflow's server has no login: nobody else may reach it
QUIET = {  # for the server, unless the user sets something else
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a second process of 240 MB, for what this project does not use
    "PYTHONWARNINGS": "ignore",  # of its libraries' next releases
}


def show(session: Session, port: int) -> int:
    """Show the runs in a browser, and print the address of their table.

    A server at http://, named by MLFLOW_TRACKING_URI, is there already: its address is printed. For a database MLflow's
    own server is started on 127.0.0.1 and serves until it is interrupted.

    Returns the exit status.

    Raises:
        EtudeError: MLflow is away, the port is taken, or the server does not start.
    """
    tracker = server(session)
    if is_remote(tracker.uri):
        link = table_link(tracker.uri, experiment_of(tracker))
        print(f"etude: the runs are at {link}", flush=True)
        open_browser(link)
        return 0
    if is_taken(port):
        raise EtudeError(
            f"Port {port} of {HOST} is taken. Stop what uses it, or take another: etude ui port={port + 1}"
        )
    return _serve(tracker, port)


def is_remote(uri: str) -> bool:
    """Whether an address is that of a server, which needs none of our own."""
    return uri.startswith(("http://", "https://"))


def table_link(base: str, experiment_id: str) -> str:
    """The address of the table of runs: MLflow's first page shows traces, which a training has none of.

    A name and a password in ``base`` are left out.
    """
    return f"{without_password(base).rstrip('/')}/#/experiments/{experiment_id}/runs"


def experiment_of(tracker: Server) -> str:
    """The id of the project's experiment, which is made where there is none."""
    found: list[str] = []

    def work(client: "MlflowClient", experiment: str) -> None:
        found.append(experiment)

    if not tracker.attempt(work, at_once=True):
        raise EtudeError(
            f"MLflow at {tracker.shown} cannot be read. Start its server, check "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN), or unset "
            "MLFLOW_TRACKING_URI for the project's own runs."
        )
    return found[0]


def is_taken(port: int) -> bool:
    """Whether another process listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was closed a moment ago is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def open_browser(link: str) -> bool:
    """Open a page in the user's browser; not where nobody looks on: in a script, or without a display."""
    has_display = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return is_terminal() and has_display and webbrowser.open(link)


def is_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty()


def command(uri: str, port: int) -> list[str]:
    """The command that serves a database. One worker is enough for one person, and starts fastest."""
    own = ["--host", HOST, "--port", str(port), "--backend-store-uri", uri]
    return [sys.executable, "-m", "mlflow", "ui", *own, "--workers", "1", "--uvicorn-opts", "--log-level=warning"]


def _serve(tracker: Server, port: int) -> int:
    experiment_id = experiment_of(tracker)  # makes the database too
    print(f"etude: starting MLflow on {HOST}:{port}, which takes some seconds ...", flush=True)
    # a group of its own: MLflow's server has processes below it, and all are ended together
    process = subprocess.Popen(command(tracker.uri, port), env={**QUIET, **os.environ}, start_new_session=True)
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise EtudeError(f"MLflow's server ended with status {process.returncode}; its message stands above.")
            time.sleep(0.2)
        link = table_link(f"http://{HOST}:{port}", experiment_id)
        print(f"etude: the runs are at {link} (stop with Ctrl-C)", flush=True)
        open_browser(link)
        return process.wait()
    finally:
        _end(process)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=30) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(4)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
