import json
import subprocess
from pathlib import Path

import pytest
import yaml

from etude.core.errors import EtudeError
from etude.runs import verify as room
from etude.runs.verify import numbers, summarize, verify


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
    printed = capsys.readouterr().out
    assert "equal to the byte: 1 of 2" in printed and "within tolerance: 1 of 2" in printed


def test_far_results_are_different_and_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, 2.2)
    assert verify(project) == 1
    assert "different: 1 of 2 (train@lstm)" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{[broken", "schema: '2.0'", "stages: 3"])
def test_a_damaged_lock_is_named(project: Path, text: str) -> None:
    (project / "dvc.lock").write_text(text)
    with pytest.raises(EtudeError, match=r"dvc\.lock is damaged.*git checkout dvc\.lock"):
        verify(project)


def test_one_sentence_after_a_rebuild(project: Path) -> None:
    equal = "The results are equal to the committed ones to the byte."
    assert summarize(project) == equal
    change(project, 2.01)
    assert "1 of 2 results differ from the committed ones in last digits" in summarize(project)
    change(project, 2.2)
    assert "1 of 2 results differ from the committed ones beyond the tolerances" in summarize(project)
    subprocess.run(["git", "-C", str(project), "checkout", "-q", "."], check=True)
    committed = {"params": ("code.yaml", "a"), "split": ("data/split", "a"), "train@lstm": ("models/lstm", "b")}
    (project / "code.yaml").touch()
    (project / "dvc.lock").write_text(lock(committed))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(project)]
    subprocess.run([*git, "commit", "-qam", "y"], check=True)
    (project / "dvc.lock").write_text(lock(committed | {"params": ("code.yaml", "b")}))
    assert summarize(project) == equal, "an edit of code, which changed no result"


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


def arranged(project: Path, pieces: list[dict[str, object]], generated: str, committed: bool = False) -> None:
    for place in ("data/generate/lstm", "data/arrange/lstm", "reports/arrange"):
        (project / place).mkdir(parents=True, exist_ok=True)
    (project / "reports/arrange/lstm.json").write_text(json.dumps({"sample_rate": 32000, "pieces": pieces}))
    sound = ("data/arrange/lstm", "a" if committed else "b")
    outs = {"generate@lstm": ("data/generate/lstm", generated), "arrange@lstm": sound}
    (project / "dvc.lock").write_text(lock(outs))
    if committed:
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(project)]
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "y"], check=True)


def mix(seconds: float, *voices: str) -> dict[str, object]:
    return {
        "file": "1.mp3",
        "loudness_lufs": -16.0,
        "seconds": seconds,
        "tracks": [{"name": voice} for voice in voices],
    }


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([mix(30, "Alto", "Bass")], "within tolerance: 2 of 2"),
        ([mix(30, "Alto")], "has the voices Alto, committed Alto, Bass"),
        ([], "0 pieces, committed 1"),
        ([{**mix(30, "Alto", "Bass"), "loudness_lufs": -60.0}], "loudness_lufs is -60"),
    ],
)
def test_sound_of_other_samples_has_the_same_voices_and_loudness(
    pieces: list[dict[str, object]], message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arranged(project, [mix(20, "Alto", "Bass")], "a", committed=True)
    arranged(project, pieces, "b")
    assert verify(project) == int("within" not in message)
    assert message in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_sound_of_the_same_samples_must_have_the_same_length(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arranged(project, [mix(20, "Alto", "Bass")], "a", committed=True)
    arranged(project, [mix(30, "Alto", "Bass")], "a")
    assert verify(project) == 1
    assert "different: 1 of 2 (arrange@lstm)" in capsys.readouterr().out


def test_a_report_that_differs_though_nothing_above_does_is_different(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "reports/index.html").touch()
    stages = {"split": ("data/split", "a"), "report": ("reports/index.html", "b")}
    (project / "dvc.lock").write_text(lock(stages))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(project)]
    subprocess.run([*git, "commit", "-qam", "y"], check=True)
    (project / "dvc.lock").write_text(lock({**stages, "report": ("reports/index.html", "c")}))
    assert verify(project) == 1
    assert "different: 1 of 2 (report)" in capsys.readouterr().out
    (project / "dvc.lock").write_text(lock({"split": ("data/split", "c"), "report": ("reports/index.html", "c")}))
    verify(project)
    assert "different: 1 of 2 (split)" in capsys.readouterr().out


@pytest.mark.parametrize(("cost", "verdict"), [(1.02, "within tolerance: 1 of 1"), (1.2, "different: 1 of 1")])
def test_harmonies_may_differ_as_far_as_is_stated(
    cost: float, verdict: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(project)]
    for place in ("data/harmonize/voices", "reports/harmonize"):
        (project / place).mkdir(parents=True)
    for value, digest in ((1.0, "a"), (cost, "b")):
        metrics = {"harmony/nats_per_note": value, "harmony/parallels_beside_all_real": 0.0}
        (project / "reports/harmonize/voices.json").write_text(json.dumps({"metrics": metrics}))
        (project / "dvc.lock").write_text(lock({"harmonize@voices": ("data/harmonize/voices", digest)}))
        if value == 1.0:
            subprocess.run([*git, "add", "-A"], check=True)
            subprocess.run([*git, "commit", "-qm", "y"], check=True)
    verify(project)
    assert verdict in capsys.readouterr().out
