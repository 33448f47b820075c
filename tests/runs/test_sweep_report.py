"""The table of a sweep, from folders that the tests write."""

import os
from pathlib import Path

import pytest
import yaml

from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.files import write_json
from etude.runs import sweep_report
from etude.runs.sweep_report import find, interval, jobs_of, table, write
from etude.runs.trials import FAILED, FINISHED, PRUNED, Outcome


def job(folder: Path, number: int, overrides: list[str], outcome: Outcome | None) -> Path:
    place = folder / str(number)
    (place / "settings").mkdir(parents=True)
    (place / "settings/overrides.yaml").write_text(yaml.safe_dump(overrides))
    (folder / "multirun.yaml").touch()
    if outcome is not None:
        outcome.write(place)
    return place


def done(value: float, model_name: str = "lstm") -> Outcome:
    return Outcome(FINISHED, figures={model_name: {"valid/nats_per_note": value}})


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


def test_the_interval_of_a_mean_by_students_t() -> None:
    mean, low, high = interval([1.0, 2.0, 3.0])
    assert (mean, low, high) == (2.0, pytest.approx(2 - 2.484138), pytest.approx(2 + 2.484138))  # t = 4.302653
    assert interval([1.0, 1.0])[1:] == (1.0, 1.0)
    assert interval([4.0])[0] == 4.0 and all(value != value for value in interval([4.0])[1:])


def test_seeds_are_one_row_and_the_settings_that_differ_are_columns(tmp_path: Path) -> None:
    values = {("1e-3", 1): 2.0, ("1e-3", 2): 3.0, ("1e-3", 3): 4.0, ("4e-3", 1): 1.0, ("4e-3", 2): 1.5}
    for number, ((rate, seed), value) in enumerate(values.items()):
        job(tmp_path, number, ["model=lstm", f"optim.lr={rate}", f"seed={seed}"], done(value))
    heads, *rows = rows_of(table(jobs_of(tmp_path), "Sweep"))
    assert heads == ["optim.lr", "folders", "seeds", "valid/nats_per_note"]
    assert rows == [
        ["4e-3", "3, 4", "2", "1.2500 [-1.9266, 4.4266]"],
        ["1e-3", "0, 1, 2", "3", "3.0000 [0.5159, 5.4841]"],
    ]


def test_models_that_differ_are_named_and_stand_by_their_own_figures(tmp_path: Path) -> None:
    job(tmp_path, 0, ["model=gan"], Outcome(FINISHED, figures={"gan": {"valid/roll_distance": 0.5}}))
    job(tmp_path, 1, ["model=lstm"], done(2.5))
    place = job(tmp_path, 2, ["model=gru"], done(2.25, "gru"))
    metrics = {"test/nats_per_note": 2.4, "test/nats_per_note_by_piece": 9.0, "samples/distance": None, "valid/x": 1.0}
    write_json(place / "models/gru/config.json", {"key": "k"})
    write_json(tmp_path.parent / "later/reports/evaluate/gru.json", {"key": "k", "metrics": metrics})  # another run
    write_json(tmp_path.parent / "other/reports/evaluate/gru.json", {"key": "of another training", "metrics": {}})
    heads, *rows = rows_of(table(jobs_of(tmp_path), "Sweep"))
    assert heads == ["model", "folders", "seeds", "valid/nats_per_note", "valid/roll_distance", "test/nats_per_note"]
    assert rows == [
        ["`gru`", "2", "1", "2.2500", "–", "2.4000"],
        ["`lstm`", "1", "1", "2.5000", "–", "–"],
        ["`gan`", "0", "1", "–", "0.5000", "–"],
    ]


def test_what_did_not_finish_is_listed_with_its_reason(tmp_path: Path) -> None:
    job(tmp_path, 0, ["optim.lr=0.0123456789", "seed=1"], done(2.0))
    pruned = Outcome(PRUNED, "at step 3", {"lstm": {"valid/nats_per_note": 3.0}})
    job(tmp_path, 1, ["optim.lr=0.0023456789", "seed=1"], pruned)
    job(tmp_path, 2, ["optim.lr=0.1", "seed=1"], Outcome(FAILED, "the loss is no number."))
    job(tmp_path, 3, ["optim.lr=0.2", "seed=1"], None)
    text = table(jobs_of(tmp_path), "Sweep")
    assert "Of 4 jobs: 1 finished, 1 pruned, 1 failed, 1 interrupted." in text
    assert rows_of(text)[1] == ["0.01235", "0", "1", "2.0000"]
    assert "- 1 (optim.lr=0.002346 seed=1): at step 3, valid/nats_per_note 3.0000" in text
    assert "- 2 (optim.lr=0.1 seed=1): the loss is no number." in text
    assert "## Interrupted\n\n- 3 (optim.lr=0.2 seed=1)" in text


def test_a_sweep_of_an_earlier_release_has_its_models_alone(tmp_path: Path) -> None:
    place = job(tmp_path, 0, ["model=lstm"], None)
    write_json(place / "models/lstm/result.json", {"valid/nats_per_note": 2.0, "steps": 3})
    assert rows_of(write(tmp_path).read_text())[1][-1] == "2.0000"


def test_the_newest_sweep_or_the_named_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(root=tmp_path)
    with pytest.raises(EtudeError, match=r"There is no sweep below runs/.*etude train -m"):
        find(session, None)
    for number, name in enumerate(("older", "newer")):
        job(tmp_path / "runs" / name, 0, ["seed=1"], done(1.0))
        os.utime(tmp_path / "runs" / name / "multirun.yaml", (number, number))
    (tmp_path / "runs/single").mkdir()
    assert find(session, None).name == "newer"
    assert find(session, "older").name == find(session, str(tmp_path / "runs/older")).name == "older"
    monkeypatch.setattr("etude.tracking.name_of_parent", lambda session, run_id: {"abc1": "older"}.get(run_id, ""))
    assert find(session, "abc1").name == "older"
    for name in ("abc2", "single", "a/b"):
        with pytest.raises(EtudeError, match="is neither the folder of a sweep nor its parent run"):
            find(session, name)
    assert sweep_report.OUTCOME == "outcome.json"
