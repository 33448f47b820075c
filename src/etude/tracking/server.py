"""MLflow at its address: the project's own database or the server that MLFLOW_TRACKING_URI names, there or away."""

import logging
import os
import re
import sqlite3
import textwrap
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from etude.artifacts.context import Session

if TYPE_CHECKING:
    from mlflow import MlflowClient

RETRY = 30.0  # seconds before an MLflow that was away is tried again
PATIENCE = 120.0  # seconds to wait for another process that creates the database, which takes about 3
ENVIRONMENT = {  # for this process and its workers, unless the user sets something else
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's 7 delay a training by 270 s
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}

DAMAGED = ("file is not a database", "malformed", "no such table: alembic_version")  # what SQLite says of its file
NOTE = "mlflow.note.content"  # the tag that MLflow shows as the description of a run or an experiment
ABOUT = (
    "Trainings of etude: each run is one training of one model on symbolic music. What is measured by step is called "
    "`train/...` and `valid/...`; what is measured once, of the finished model, has a dot: `test.nats_per_note`, "
    "`samples.distance`. Lower is better in nats and in distance. Samples are among the artifacts, as MIDI and mp3."
)
EXPERIMENT = {NOTE: ABOUT, "mlflow.experimentKind": "custom_model_development"}  # its pages put trainings first

Work = Callable[["MlflowClient", str], None]


def home(session: Session) -> Path:
    """The project that the runs belong to; a DVC experiment's copy of a project logs to the project itself."""
    inside = "DVC_EXP_NAME" in os.environ or "DVC_EXP_BASELINE_REV" in os.environ
    return Path(os.environ["DVC_ROOT"] if inside and "DVC_ROOT" in os.environ else session.root).resolve()


class Server:
    """MLflow at one address, which may go away and come back."""

    def __init__(self, root: Path, uri: str, experiment: str) -> None:
        """Connect to nothing yet; the first ``attempt`` does."""
        self.root, self.uri, self.experiment = root, uri, experiment
        self.client: MlflowClient | None = None
        self.experiment_id = ""
        self.retry_at = 0.0  # by time.monotonic()
        self.warned = False

    def attempt(self, work: Work, at_once: bool = False) -> bool:
        """Call ``work(client, experiment_id)`` and say whether it was done.

        After a failure, and one warning, nothing is tried for 30 s (and for 20 times what the failure took, so that
        a server that hangs takes at most a twentieth of the time) except ``at_once``.
        """
        started = time.monotonic()
        if started < self.retry_at and not at_once:
            return False
        try:
            if self.client is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own, which is of no use here
                    self.client = self._connect()
            work(self.client, self.experiment_id)
        except Exception as error:  # whatever it is (HTTP, SQL, a lock, a full disk), it must not cost the training
            self.client = (
                None  # the next attempt looks again whether there is an experiment, and restores a deleted one
            )
            now = time.monotonic()
            self.retry_at = now + max(RETRY, 20 * (now - started))
            self._warn(error)
            return False
        self.retry_at = 0.0
        return True

    def _warn(self, error: Exception) -> None:
        if self.warned:
            return
        self.warned = True
        reason = textwrap.shorten(str(error), 200, placeholder=" ...") or type(error).__name__
        text = without_password(f"MLflow at {self.uri} is away or refused this ({reason}).")
        later = "`etude track` records it later"
        if any(words in str(error) for words in DAMAGED):
            later = "its database is damaged. Move it away: `etude track` makes another from what is on disk"
        warnings.warn(f"{text} No training waits for it: {later}.", stacklevel=3)

    def _connect(self) -> "MlflowClient":
        """A client; the database and the experiment are made where there are none."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        for name in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.WARNING)  # created tables are no news
        from mlflow import MlflowClient

        if not self.uri.startswith("sqlite:///"):
            client = MlflowClient(self.uri)
            self.experiment_id = self._experiment(client, location=None)
            return client
        database = Path(self.uri.removeprefix("sqlite:///"))
        database.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that create the tables, or the experiment, at the same moment break the database for good.
        with FileLock(f"{database}.lock", timeout=PATIENCE):
            self._create(database)
            client = MlflowClient(self.uri)
            self.experiment_id = self._experiment(client, location=str(self.artifacts))
        return client

    @property
    def shown(self) -> str:
        """The address as messages show it."""
        return without_password(self.uri)

    @property
    def artifacts(self) -> Path:
        """Where artifacts of the project's own database lie."""
        return self.root / "mlruns" / "artifacts"

    def _create(self, database: Path) -> None:
        if database.is_file() and database.stat().st_size:
            with closing(sqlite3.connect(database)) as tables:  # MLflow would retry a damaged file for 100 s
                tables.execute("SELECT version_num FROM alembic_version")
            return
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        # Written under another name and renamed: a database whose creation was interrupted cannot be repaired.
        part = database.with_name(f"{database.name}.part")
        self._discard(part)
        try:
            store = SqlAlchemyStore(f"sqlite:///{part}", str(self.artifacts))
            store.engine.dispose()
            part.replace(database)
        finally:
            self._discard(part)

    def _discard(self, part: Path) -> None:
        for stale in part.parent.glob(f"{part.name}*"):  # with sqlite's journal
            stale.unlink()

    def _experiment(self, client: "MlflowClient", location: str | None) -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            made = client.create_experiment(self.experiment, artifact_location=location)
            found = client.get_experiment(made)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
            warnings.warn(
                f'The experiment "{self.experiment}" was deleted in MLflow, which takes no runs in a deleted one. '
                "It is restored, with its runs. To log elsewhere, set MLFLOW_EXPERIMENT_NAME to another name.",
                stacklevel=4,
            )
        for name, text in EXPERIMENT.items():
            if name not in found.tags:
                client.set_experiment_tag(found.experiment_id, name, text)
        return str(found.experiment_id)


def without_password(text: str) -> str:
    """``text`` without the name and password that an address in it may hold."""
    return re.sub(r"://[^/@\s]*@", "://", text)


_servers: dict[tuple[Path, str, str], Server] = {}


def server(session: Session) -> Server:
    """The MLflow of a session; one object a process, so that an absence is found and reported once."""
    root = home(session)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlruns' / 'mlflow.db'}"
    return _servers.setdefault((root, uri, session.experiment), Server(root, uri, session.experiment))
