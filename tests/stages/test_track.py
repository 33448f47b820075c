"""Stage track: what was trained is published; the file it leaves does not depend on MLflow."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import smoke

from etude import tracking
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.stages import track


@pytest.fixture
def settings() -> Settings:
    return replace(smoke(), models={name: {} for name in ("lstm", "gan", "ngram")})


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "ETUDE_PARENT_RUN"):
        monkeypatch.delenv(name, raising=False)
    for model_name in ("lstm", "gan", "stranger"):  # ngram is not trained, stranger is not in the settings
        (tmp_path / "models" / model_name).mkdir(parents=True)
        record = {"key": f"key of {model_name}", "settings": {"seed": 1, "models": {model_name: {}}}}
        (tmp_path / "models" / model_name / "config.json").write_text(json.dumps(record))
    return Session(root=tmp_path, experiment="etude")


def test_what_was_trained_is_published(settings: Settings, session: Session) -> None:
    track.run(settings, session)
    written = (session.root / "mlruns" / "published.json").read_bytes()
    assert json.loads(written) == {"gan": "key of gan", "lstm": "key of lstm"}
    table = tracking.runs(session)
    assert list(table["model"]) == ["gan", "lstm"]
    track.run(settings, session)
    assert (session.root / "mlruns" / "published.json").read_bytes() == written
    assert tracking.runs(session).equals(table)


def test_a_server_that_is_away_changes_nothing_in_the_file(
    settings: Settings, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.warns(UserWarning, match="is away") as caught:
        track.run(settings, session)
    assert len(caught) == 1
    assert json.loads((session.root / "mlruns" / "published.json").read_text()) == {
        "gan": "key of gan",
        "lstm": "key of lstm",
    }


def test_trainings_under_runs_are_published_too_and_a_damaged_one_is_skipped(
    settings: Settings, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    for job in ("0", "1"):
        folder = session.root / "runs/sweep" / job / "models/lstm"
        folder.mkdir(parents=True)
        record = {"key": f"job {job}", "settings": {"seed": int(job), "models": {"lstm": {}}}}
        (folder / "config.json").write_text(json.dumps(record))
    (session.root / "runs/broken/models/gan").mkdir(parents=True)
    (session.root / "runs/broken/models/gan/config.json").write_text("{")
    track.run(settings, session)
    assert sorted(tracking.runs(session)["place"]) == ["", "", "runs/sweep/0", "runs/sweep/1"]
    assert "skipped: " in (output := capsys.readouterr().out) and "runs/broken" in output
    assert set(json.loads((session.root / "mlruns/published.json").read_text())) == {"gan", "lstm"}
