"""Helpers of the tests of this room: trainings on disk, and what MLflow has of them."""

import json
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from etude import tracking
from etude.artifacts.context import Session
from etude.tracking.server import server

SOURCES = Path(tracking.__file__).parents[2]
SETTINGS = {
    "seed": 3,
    "optim": {"lr": 2.0e-3},
    "augment": {"stretch": [0.9, 1.0], "transpose": True},
    "models": {"lstm": {"hidden": 8, "_target_": "etude.models.lstm.LSTM"}, "gan": {"noise": 4}},
}
HISTORY = "step,train/loss,valid/nats_per_note\n1,4.5,\n2,3.5,2.0\n3,2.5,1.5\n"


def start(session: Session, key: str = "k1", settings: dict[str, Any] = SETTINGS) -> tracking.Run:
    return tracking.start(session, "lstm", key, settings, {"tokens": "digest"})


def write_training(top: Path, model_name: str = "lstm", key: str = "k1") -> Path:
    """models/V as a training leaves it."""
    folder = top / "models" / model_name
    (folder / "samples").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps({"key": key, "settings": SETTINGS, "tags": {"tokens": "digest"}}))
    (folder / "history.csv").write_text(HISTORY)
    (folder / "result.json").write_text(json.dumps({"best/step": 3, "valid/nats_per_note": 1.25, "note": "x"}))
    for name in ("00.mid", "00.mp3", "00.html"):
        (folder / "samples" / name).write_text(name)
    return folder


def all_runs(session: Session) -> list[Any]:
    """All runs, whatever their state, the youngest first."""
    tracking.reap(session)
    client, experiment = server(session).client, server(session).experiment_id
    assert client is not None
    return list(client.search_runs([experiment]))


def points_of(session: Session, run_id: str, name: str) -> list[tuple[int, float]]:
    client = server(session).client
    assert client is not None
    return sorted((point.step, point.value) for point in client.get_metric_history(run_id, name))


def artifacts_of(session: Session, run_id: str) -> list[str]:
    top = session.root / "mlruns" / "artifacts" / run_id / "artifacts"
    return sorted(file.relative_to(top).as_posix() for file in top.rglob("*") if file.is_file())


def forked(work: Callable[[Connection], None]) -> tuple[BaseProcess, Connection]:
    """A process of its own that does ``work``, and where it sends to; a fork has MLflow loaded, which takes seconds."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    process = fork.Process(target=work, args=(there,), daemon=True)
    process.start()
    there.close()
    return process, here


class Away:
    """A client whose server is away."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("gone")
