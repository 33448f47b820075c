"""``etude listen`` on the command line: from a page to an analysis in MLflow; what a word does not take is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import make_piece
from listening.panel import Panel, write

from etude import tracking
from etude.cli.main import run_command
from etude.core.errors import EtudeError
from etude.listening.analysis import Key


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETUDE_PROGRESS", "0")
    for place, name in enumerate(("mine", "other")):
        (tmp_path / name).mkdir()
        for number in range(2):
            make_piece(10 * place + number, 16).dump_midi(tmp_path / name / f"{number}.mid")
    return tmp_path


def test_from_a_page_to_an_analysis(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[Any] = []
    monkeypatch.setattr("etude.tracking.study.log_study", lambda *given: logged.append(given))
    monkeypatch.setattr("etude.config.compile.settings_of", _settings)
    build = ["listen", "build", "models=mine=mine,b=other", "real=false", "pieces=1", "seconds=10"]
    assert run_command([*build, "pairs=1", "ratings=1", "repeats=0", "contact=lab"]) == 0
    said = capsys.readouterr().out
    assert (
        "listen.html" in said and "4 clips of 10 to 10 seconds; 3 pages" in said and (project / "listen.html").is_file()
    )
    key = Key.read(project / "listen.key.json")
    write(project / "answers", key.test, Panel(key, {"mine": 1.0, "b": -1.0}, seed=1).listeners(6))
    assert run_command(["listen", "analyse", "answers=answers"]) == 0
    made = project / "reports/listen/analysis.json"
    text = capsys.readouterr().out
    assert "# Listening test" in made.with_suffix(".md").read_text() and "mine" in text and "# " not in text
    assert json.loads(made.read_text())["systems"] == ["b", "mine"]
    ((_, test, files, figures, note),) = logged
    assert test == key.test.id and files == [made, made.with_suffix(".md")] and figures["listen/listeners"] == 6
    assert note.startswith("These answers are simulated")
    assert run_command(["listen", "analyse", "answers=answers"]) == 0, "the same test, again"
    made.write_text('{"test": "another"}')
    with pytest.raises(EtudeError, match="is no analysis of this test"):
        run_command(["listen", "analyse", "answers=answers"])
    assert made.read_text() == '{"test": "another"}'
    assert run_command(["listen", "analyse", "answers=answers", "overwrite=true"]) == 0
    (theirs,) = sorted((project / "answers").glob("*.json"))[:1]
    before = theirs.read_bytes(), (project / "listen.key.json").read_bytes()
    for output in (theirs, project / "answers/new.json", project / "listen.key.json"):
        with pytest.raises(EtudeError, match="is the key, or lies in the answers"):
            run_command(["listen", "analyse", "answers=answers", f"output={output}", "overwrite=true"])
    assert (theirs.read_bytes(), (project / "listen.key.json").read_bytes()) == before


def _settings(root: Path) -> object:
    from conftest import smoke

    return smoke()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"what is to be done\? There are: analyse, build, serve"),
        (["biuld"], 'Did you mean "build"'),
        (["build"], "needs models"),
        (["serve", "models=lstm"], 'etude listen serve has no key "models"'),
        (["build", "models=lstm", "modles=x"], 'has no key "modles"'),
        (["build", "models=lstm", "seconds=long"], "seconds = long must be a number from 10 to 30"),
        (["build", "models=lstm", "pieces=0"], "pieces = 0 must be a whole number from 1"),
        (["build", "models=lstm", "overwrite=yes"], "overwrite = yes"),
        (["build", "models=lstm", "session.run=nowhere"], "no such folder"),
        (["build", "models=lstm", "questions=nowhere.yaml"], "questions = nowhere.yaml"),
        (["serve", "port=x"], "port = x"),
        (["serve"], r"page = listen\.html cannot be read"),
        (["analyse"], "needs answers"),
        (["analyse", "answers=x"], r"listen\.key\.json does not exist"),
        (["build", "serve"], "does not take serve"),
    ],
)
def test_what_is_wrong_is_named(project: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        run_command(["listen", *arguments])


def test_the_room_that_knows_mlflow_is_not_imported_by_the_listening_room() -> None:
    room = Path(tracking.__file__).parents[1] / "listening"
    assert not [file.name for file in room.glob("*.py") if "etude.tracking" in file.read_text()]
