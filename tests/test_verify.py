import json
import subprocess
from pathlib import Path

import pytest
import yaml

from etude import verify as room
from etude.errors import EtudeError
from etude.verify import numbers, verify


def lock(digests: dict[str, tuple[str, str]]) -> str:
    return yaml.safe_dump({"stages": {stage: {"outs": [{"path": p, "md5": m}]} for stage, (p, m) in digests.items()}})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(room, "_stale", lambda root: set())
    for name in ("reports/evaluate", "data/split"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models/lstm").mkdir(parents=True)
    report = {"training": {"valid/nats_per_note": 2.0, "parameters": 10}, "history": [{"step": 1}]}
    (tmp_path / "reports/evaluate/lstm.json").write_text(json.dumps(report))
    (tmp_path / "dvc.lock").write_text(lock({"split": ("data/split", "a"), "train@lstm": ("models/lstm", "b")}))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    return tmp_path


def change(project: Path, value: float) -> None:
    report = {"training": {"valid/nats_per_note": value, "parameters": 10}}
    (project / "reports/evaluate/lstm.json").write_text(json.dumps(report))
    (project / "dvc.lock").write_text(lock({"split": ("data/split", "a"), "train@lstm": ("models/lstm", "c")}))


def test_equal_bytes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(project) == 0
    assert "equal to the byte: 2 of 2" in capsys.readouterr().out


def test_other_weights_with_near_results_are_within_tolerance(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(project, 2.01)
    assert verify(project) == 0
    said = capsys.readouterr().out
    assert "equal to the byte: 1 of 2" in said and "within tolerance: 1 of 2" in said


def test_far_results_are_different_and_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, 2.2)
    assert verify(project) == 1
    assert "different: 1 of 2 (train@lstm)" in capsys.readouterr().out


def test_data_must_be_equal_to_the_byte(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dvc.lock").write_text(lock({"split": ("data/split", "z"), "train@lstm": ("models/lstm", "b")}))
    assert verify(project) == 1
    assert "different: 1 of 2 (split)" in capsys.readouterr().out


def test_missing_outputs_are_not_called_equal(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "data/split").rmdir()
    assert verify(project) == 1
    assert "not built: 1 of 2 (split)" in capsys.readouterr().out


def test_without_a_committed_lock_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"dvc\.lock is not committed"):
        verify(tmp_path)


def test_numbers_have_dotted_names() -> None:
    found = dict(numbers({"a": {"b": [1, None]}, "c": "text", "d": True}))
    assert found["a.b.0"] == 1 and found["a.b.1"] != found["a.b.1"] and set(found) == {"a.b.0", "a.b.1"}
