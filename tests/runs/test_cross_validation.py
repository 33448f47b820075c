"""Cross-validation on a tiny project: the folds, the mean and the spread, and what is done a second time."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Log, make_project, tiny

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json
from etude.runs import cross_validation
from etude.runs.cross_validation import spread
from etude.stages import train


@pytest.fixture
def settings() -> Settings:
    made = tiny()
    return replace(made, models={name: made.models[name] for name in ("ngram", "gan")})


@pytest.fixture
def session(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # away
    monkeypatch.setattr("etude.tracking.server.PATIENCE", 0.1)
    return replace(make_project(tmp_path / "project", settings, pieces=12), workers=1)


def test_mean_and_deviation_by_hand() -> None:
    found = spread([{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0, "b": 5.0}])
    assert found == {"a": {"mean": 3.0, "deviation": pytest.approx(7**0.5)}}


def test_each_piece_is_tested_once_by_a_model_that_never_saw_its_family(
    settings: Settings, session: Session, log: Log
) -> None:
    place = cross_validation.run(settings, session, 3)
    result = read_json(place, "")
    splits = [read_json(place.parent / f"fold-{fold}/data/split/split.json", "") for fold in range(3)]
    tested = [name for split in splits for name in split["test"]]
    assert sorted(tested) == sorted(read_json(session.root / "data/split/split.json", "")["families"])
    for split in splits:
        of = split["families"]
        assert not {of[name] for name in split["test"]} & {of[name] for name in split["train"] + split["valid"]}
    ngram = result["models"]["ngram"]
    costs = [fold["test/nats_per_note"] for fold in ngram["folds"]]
    assert len(set(costs)) == 3 and ngram["over_folds"]["test/nats_per_note"]["mean"] == pytest.approx(sum(costs) / 3)
    assert "valid/roll_distance" in result["models"]["gan"]["over_folds"]
    assert [{one["model"] for one in log.started[at : at + 2]} for at in (0, 2, 4)] == [{"ngram", "gan"}] * 3
    assert log.started[1]["tags"]["overrides"] == "fold 1 of 3" and len({one["key"] for one in log.started}) == 6


def test_a_second_time_goes_on_where_the_first_stopped(
    settings: Settings, session: Session, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_once = train.run

    def cut(settings: Settings, session: Session, model_name: str) -> Path:
        if len(log.started) == 3:
            raise KeyboardInterrupt
        return train_once(settings, session, model_name)

    monkeypatch.setattr(train, "run", cut)
    with pytest.raises(KeyboardInterrupt):
        cross_validation.run(settings, session, 3)
    monkeypatch.setattr(train, "run", train_once)
    place = cross_validation.run(settings, session, 3)
    assert len(log.started) == 6, "no training twice"
    before = digest(place)
    assert cross_validation.run(settings, session, 3) == place and digest(place) == before and len(log.started) == 6


def test_too_few_folds_are_refused(settings: Settings, session: Session) -> None:
    with pytest.raises(EtudeError, match=r"cv = 2: train, valid and test need a fold each\. Set cv=3"):
        cross_validation.run(settings, session, 2)
    with pytest.raises(EtudeError, match=r"too few for split\.folds = 40"):
        cross_validation.run(settings, session, 40)
