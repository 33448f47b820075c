"""A trained model logged to MLflow, and loaded as its server loads it."""

import base64
import os
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
from conftest import make_piece
from symusic.core import ScoreTick
from tracking.tracked import Away, all_runs, write_training

import etude
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.tracking.logged_model import download_model, log_model
from etude.tracking.server import server


class Piece:
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def to_midi(self) -> bytes:
        return bytes(make_piece(self.seed, beats=4).dumps_midi())


class Model:
    """Stands in for what etude.load gives."""

    def __init__(self, folder: str) -> None:
        assert (Path(folder) / "config.json").is_file() and (Path(folder) / "model.safetensors").is_file()
        self.asked: list[dict[str, Any]] = []

    def generate(self, pieces: int = 1, seed: int = 1, **more: Any) -> list[Piece]:
        self.asked.append({"pieces": pieces, "seed": seed, **more})
        return [Piece(seed + place) for place in range(pieces)]


@pytest.fixture
def folder(session: Session, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(etude, "load", Model, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))  # MLflow puts the logged code into it
    return write_training(session.root)


@pytest.mark.usefixtures("folder")
def test_a_logged_model_answers_with_midi_files(session: Session) -> None:
    import mlflow

    address = log_model(session, "lstm")
    assert log_model(session, "lstm") == address  # once
    folders = {download_model(name, session) for name in (address, f"runs:/{all_runs(session)[0].info.run_id}")}
    assert all((folder / "config.json").is_file() for folder in folders)
    (run,) = all_runs(session)
    assert [f"models:/{made.model_id}" for made in run.outputs.model_outputs] == [address]
    assert run.info.status == "FINISHED" and "MLFLOW_TRACKING_URI" not in os.environ
    client = server(session).client
    assert client is not None
    model = client.get_logged_model(address.removeprefix("models:/"))
    assert (model.experiment_id, model.source_run_id) == (run.info.experiment_id, run.info.run_id)
    top = Path(model.artifact_location)
    assert (top / "code/etude/conf/config.yaml").is_file()
    assert (top / "code/etude/__init__.py").is_file() and "torch" in (top / "requirements.txt").read_text()
    assert not list(top.rglob("*.pkl"))
    loaded = mlflow.pyfunc.load_model(str(top))
    answer = loaded.predict(pandas.DataFrame([{"pieces": 2, "seed": 5, "temperature": 0.9}]))
    assert list(answer) == ["midi"] and len(answer) == 2
    notes = [ScoreTick.from_midi(base64.b64decode(text)).note_num() for text in answer["midi"]]
    assert notes == [make_piece(5, beats=4).note_num(), make_piece(6, beats=4).note_num()]
    composer = loaded.unwrap_python_model()
    assert composer.model.asked == [{"pieces": 2, "seed": 5, "temperature": 0.9}]
    assert len(loaded.predict(pandas.DataFrame([{"pieces": 1}, {"pieces": 2}]))) == 3
    with pytest.raises(mlflow.MlflowException, match="pieces"):
        loaded.predict(pandas.DataFrame([{"pieces": "many"}]))


def test_what_cannot_be_logged_is_a_sentence(session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EtudeError, match=r"models/gan does not exist\. Make it"):
        log_model(session, "gan")
    record = (folder / "config.json").read_text()
    (folder / "config.json").unlink()
    with pytest.raises(EtudeError, match=r"has no config\.json.*etude train model=lstm"):
        log_model(session, "lstm")
    (folder / "config.json").write_text(record)
    server(session).client = Away()
    with pytest.warns(UserWarning, match="gone"), pytest.raises(EtudeError, match="The model lstm was not logged"):
        log_model(session, "lstm")


@pytest.mark.usefixtures("folder")
def test_a_model_that_somebody_deleted_is_logged_again(session: Session) -> None:
    first = log_model(session, "lstm")
    client = server(session).client
    assert client is not None
    client.delete_logged_model(first.removeprefix("models:/"))
    assert log_model(session, "lstm") != first
