"""``etude train -m``: a grid with failures, a search that is interrupted, and slips that start nothing."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Log, make_project, smoke

from etude.artifacts.context import Session
from etude.cli import entry
from etude.cli.overrides import check_overrides, take_flags
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json
from etude.stages import train

Etude = Callable[..., tuple[int, str]]
NGRAM = ("experiment=smoke", "model=ngram", "session.samples=0", "session.progress=false")
SEARCH = ("hydra/sweeper=optuna", "models.ngram.order=range(1,6)", "hydra.sweeper.trials=4")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project up to the tokens of ngram; copy it."""
    made = smoke()
    few = replace(made, tokenize={"remi": made.tokenize["remi"]}, models={"ngram": made.models["ngram"]})
    return make_project(tmp_path_factory.mktemp("sweeps"), few).root


class Parents:
    """Stands in for the parent runs of MLflow: what was started, and how it ended."""

    def __init__(self) -> None:
        self.started: list[tuple[str, bool]] = []
        self.ended: list[tuple[str, bool]] = []
        self.files: list[str] = []

    def start(self, session: Session, name: str, tags: dict[str, str], resume: bool = False) -> str:
        self.started.append((name, resume))
        return "parent"

    def finish(self, session: Session, run_id: str, status: str = "FINISHED", started: bool = True) -> None:
        if run_id:
            self.ended.append((status, started))

    def add(self, session: Session, name: str, file: Path) -> bool:
        self.files.append(file.name)
        return True


class WatchedLog(Log):
    """A log that shows each row to the session's watch, as the real one does."""

    def start(self, session: Session, *rest: Any) -> "WatchedLog":
        self.watch = session.watch
        super().start(session, *rest)
        return self

    def metrics(self, values: Any, step: int) -> None:
        super().metrics(values, step)
        if self.watch is not None:
            self.watch(values, step)


@pytest.fixture
def parents(monkeypatch: pytest.MonkeyPatch) -> Parents:
    made = Parents()
    monkeypatch.setattr("etude.tracking.start_parent", made.start)
    monkeypatch.setattr("etude.tracking.finish_parent", made.finish)
    monkeypatch.setattr("etude.tracking.add_to_parent", made.add)
    monkeypatch.setattr(train, "start", WatchedLog().start)
    return made


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parents: Parents) -> Path:
    root = tmp_path / "project"
    shutil.copytree(built, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def etude(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Etude]:
    """The command in this process: its exit status and what it prints."""
    for name in ("HYDRA_FULL_ERROR", "ETUDE_LAUNCH"):
        monkeypatch.setenv(name, "")  # the command sets them: put back after the test

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["etude", *arguments])
        with pytest.raises(SystemExit) as end:
            entry.main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out + printed.err

    yield run


def fail_for(monkeypatch: pytest.MonkeyPatch, fails: Callable[[Settings], BaseException | None]) -> None:
    train_once = train.run

    def run(settings: Settings, session: Session, model_name: str) -> Path:
        error = fails(settings)
        if error is not None:
            raise error
        return train_once(settings, session, model_name)

    monkeypatch.setattr(train, "run", run)


def test_a_failed_job_stops_no_other_and_is_listed(
    project: Path, etude: Etude, parents: Parents, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {2: EtudeError("The second seed cannot."), 3: ValueError("a bug")}
    fail_for(
        monkeypatch, lambda settings: faults.get(settings.seed) if settings.models["ngram"]["order"] == 2 else None
    )
    status, said = etude("train", "-m", *NGRAM, "seed=1,2,3", "models.ngram.order=1,2")
    assert status == 1
    assert "etude: 2 of 6 jobs failed:\n  seed=2 models.ngram.order=2: The second seed cannot.\n" in said
    assert "  seed=3 models.ngram.order=2: ValueError: a bug\n" in said and "Traceback" in said, "of the bug"
    (folder,) = (project / "runs").iterdir()
    states = [read_json(folder / str(number) / "outcome.json", "")["state"] for number in range(6)]
    assert states == ["finished", "finished", "finished", "failed", "finished", "failed"]
    text = (folder / "sweep.md").read_text()
    assert "| 1 | 0, 2, 4 | 3 |" in text and "| 2 | 1 | 1 |" in text
    assert "- 3 (models.ngram.order=2 seed=2): The second seed cannot." in text
    assert parents.started == [(folder.name, False)] and parents.ended == [("FAILED", True)]
    assert parents.files == ["sweep.md"]
    status, said = etude("sweep-report")
    assert status == 0 and said.startswith(f"# Sweep {folder.name}\n") and f"wrote runs/{folder.name}/sweep.md" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("seed=1,2", "models.ngram.ordre=3"), "There is no setting"),
        (("train.max_steps=5,0",), r"train\.max_steps = 0 is out of range"),
        (("optim.lr=interval(1e-4,1e-2)",), "is a range to search in, and a grid needs its values"),
        (("hparams=lrr",), 'There is no hparams "lrr"'),
        (("hydra/sweeper=optuna",), "nothing to search"),
        (("hydra/sweeper=optuna", "seed=1,2"), "A search over seed would choose by chance"),
        (("hparams=optuna", "model=[lstm,gan]"), "A search optimises the validation figure of one model, .* has 2"),
        (("hparams=optuna", "hydra.sweeper.trials=0"), r"hydra\.sweeper\.trials = 0 is out of range"),
    ],
)
def test_a_slip_starts_nothing(
    arguments: tuple[str, ...], message: str, project: Path, etude: Etude, parents: Parents
) -> None:
    status, said = etude("train", "-m", *NGRAM, *arguments)
    assert status == 2 and said.startswith("etude: ") and said.count("\n") == 1, said
    assert re.search(message, said), said
    assert not parents.started and not (project / "runs").exists()


def test_a_preset_is_for_sweeps(project: Path, etude: Etude) -> None:
    status, said = etude("train", *NGRAM, "hparams=seeds")
    assert status == 2 and "hparams=seeds is for sweeps: etude train -m" in said


def test_a_search_goes_on_where_it_was_interrupted(
    project: Path, etude: Etude, parents: Parents, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def cut(settings: Settings) -> BaseException | None:
        trained.append(settings.models["ngram"]["order"])
        return KeyboardInterrupt() if len(trained) == 3 else None

    fail_for(monkeypatch, cut)
    command = ("train", "-m", *NGRAM, *SEARCH, "hydra.sweeper.pruner=NopPruner")
    status, said = etude(*command)
    assert status == 130 and parents.ended == [("KILLED", True)]
    status, said = etude(*command)
    assert status == 0 and "etude: 2 of 4 trials have ended" in said
    assert len(trained) == 5 and trained[2] == trained[3], "the interrupted one again, and the one that was missing"
    (folder,) = (project / "runs").iterdir()
    assert folder.name.startswith("search-") and parents.started == [(folder.name, True)] * 2
    states = [read_json(folder / str(number) / "outcome.json", "")["state"] for number in range(4)]
    assert states == ["finished"] * 4
    import optuna

    study = optuna.load_study(study_name="etude", storage=f"sqlite:///{folder / 'study.db'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    kept = [read_json(folder / str(number) / "models/ngram/result.json", "") for number in range(4)]
    assert [trial.value for trial in study.trials] == [found["valid/nats_per_note"] for found in kept]
    status, said = etude(*command)
    assert status == 0 and "etude: 4 of 4 trials have ended" in said and len(trained) == 5, "nothing is left to do"


def test_a_search_prunes_and_lists_failures_of_earlier_commands(
    project: Path, etude: Etude, parents: Parents, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruner = ("hydra.sweeper.pruner=ThresholdPruner", "+hydra.sweeper.pruner_options.upper=0.0")
    command = ("train", "-m", *NGRAM, *SEARCH, *pruner)
    trained: list[int] = []

    def second(settings: Settings) -> BaseException | None:
        trained.append(1)
        return EtudeError("No second training.") if len(trained) == 2 else None

    fail_for(monkeypatch, second)
    status, said = etude(*command)
    assert status == 1 and "1 of 4 jobs failed:" in said and "No second training." in said
    (folder,) = (project / "runs").iterdir()
    states = [read_json(folder / str(number) / "outcome.json", "")["state"] for number in range(4)]
    assert states == ["pruned", "failed", "pruned", "pruned"]
    assert not list((project / ".checkpoints").glob("*/*.ckpt"))
    text = (folder / "sweep.md").read_text()
    assert "Of 4 jobs: 3 pruned, 1 failed." in text and "at step 1, valid/nats_per_note" in text
    status, said = etude(*command)
    assert status == 1 and "1 of 4 jobs failed:" in said, "still, though nothing ran"


@pytest.mark.parametrize("file", sorted((ROOT / "conf/hparams").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_preset_composes_and_its_keys_are_settings(file: Path) -> None:
    composed = check_overrides(ROOT / "conf", ["model=lstm", f"hparams={file.stem}"])
    assert composed.hydra.sweeper.params
    kind = "SearchSweeper" if file.stem == "optuna" else "GridSweeper"
    assert composed.hydra.sweeper._target_ == f"hydra_plugins.etude_sweepers.{kind}"


def test_a_preset_of_the_user_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "hparams").mkdir()
    (tmp_path / "hparams/mine.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      optim.lrr: 1,2\n"
    )
    with pytest.raises(EtudeError, match=r'no setting "optim\.lrr".*Did you mean optim\.lr'):
        check_overrides(ROOT / "conf", ["hparams=mine"], tmp_path)


def test_the_user_s_own_folder_has_options_too(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    text = (ROOT / "conf/model/lstm.yaml").read_text().replace("models.lstm", "models.mine")
    (tmp_path / "model/mine.yaml").write_text(text)
    check_overrides(ROOT / "conf", ["model=mine,lstm", "models.mine.hidden=8"], tmp_path)
    check_overrides(ROOT / "conf", [f"hydra.searchpath=[file://{tmp_path}]", "model=mine"])
    with pytest.raises(EtudeError, match=r'There is no model "mine" in conf/model/'):
        check_overrides(ROOT / "conf", ["model=mine"])
    with pytest.raises(EtudeError, match=r'There is no model "minne" in conf/model/\. Did you mean "mine"\?'):
        check_overrides(ROOT / "conf", ["model=minne"], tmp_path)


def test_flags_may_stand_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_conf").mkdir()
    for flags in (["-cd", "my_conf"], ["--config-dir=my_conf"], ["--config-dir", "my_conf"], ["-cd=my_conf"]):
        found, rest = take_flags(["model=mine", *flags, "-m", "seed=1,2", "--cfg", "job"])
        assert (
            found.many
            and found.config_dir == tmp_path / "my_conf"
            and rest == ["model=mine", "seed=1,2", "--cfg", "job"]
        )
        assert found.for_hydra == ["--config-dir", str(tmp_path / "my_conf"), "--multirun"]
    with pytest.raises(EtudeError, match="-cd names no folder"):
        take_flags(["-cd"])
    with pytest.raises(EtudeError, match="there is no such folder"):
        take_flags(["-cd", "nowhere"])
