"""A project with a real sqlite database of MLflow."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from etude import tracking
from etude.artifacts.context import Session


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, made once: its creation takes 3 s."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracking.reap(Session(root=root, experiment="template"))
    return root / "mlruns" / "mlflow.db"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "ETUDE_PARENT_RUN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def session(tmp_path: Path, database: Path) -> Session:
    root = tmp_path / "a project"
    (root / "mlruns").mkdir(parents=True)
    shutil.copy(database, root / "mlruns" / "mlflow.db")
    return Session(root=root, experiment="etude")


@pytest.fixture
def quiet() -> Iterator[None]:
    """No warning is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield
