"""Bad input gets a sentence; one subcommand a stage."""

import subprocess
import sys
from pathlib import Path

import pytest
from arranging.sheets import tune
from conftest import ROOT
from symusic.core import ScoreTick

from etude.cli import main as cli
from etude.cli.commands import COMMANDS
from etude.cli.overrides import check_overrides, drop_nulls, place_override, quote_text
from etude.config.code import SECTIONS
from etude.core.errors import EtudeError

CONF = ROOT / "conf"


def etude(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "etude", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=ltsm", r'There is no model "ltsm" in conf/model/. Did you mean "lstm"\?'),
        ("model=lstm,gann", r'There is no model "gann".*Did you mean "gan"\?'),
        ("model=[lstm,gann]", r'There is no model "gann"'),
        ("dataset=bahc", r'There is no dataset "bahc".*Did you mean "bach"\?'),
        ("optim.lrr=1", r'There is no setting "optim.lrr".*Did you mean optim.lr'),
        ("trian.max_steps=1", r"Did you mean train.max_steps"),
        ("max_steps=1", r"Did you mean train.max_steps"),
        ("bar=8", r"Did you mean generate.bars"),
        ("peices=2", r"Did you mean generate.pieces"),
        ("model=null", r"model=null leaves no model to run with\. There are: .*lstm"),
        ("model=[lstm,null]", r"model=\[lstm,null\] leaves no model to run with"),
        ("tokenize=[]", r"tokenize=\[\] leaves no tokenize to run with"),
        ("size=null,full", r"size=null,full: a sweep goes over options, and null is none\."),
        ("models=null", r"models = None must be a section of keys"),
        ("models.lstm=null", r"models\.lstm = None must be a section of keys"),
        ("harmonizers=null", r"harmonizers = None must be a section of keys"),
        ("hydra=null", r"hydra=null leaves Hydra without a part"),
        ("hydra/launcher=null", r"hydra/launcher=null leaves Hydra without a part"),
        ("hydra.sweeper=null", r"hydra\.sweeper=null leaves Hydra without a part"),
        ("zzz=1", r"There are the sections: .*train"),
        ("optim.learning_rate=1", r'There is no setting "optim.learning_rate" in conf/. Did you mean optim.lr\?'),
        ("train.lr=1", r"Did you mean optim.lr\?"),
        ("epochs=3", r"Did you mean train.max_steps or train.patience or train.keep\?"),
        ("dataset.path=x", r"It is a setting of dataset=folder: give that too\."),
    ],
)
def test_an_unknown_name_is_reported_with_the_closest(override: str, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        check_overrides(CONF, [override])


def test_what_exists_passes() -> None:
    check_overrides(
        CONF, ["model=lstm,gan", "optim.lr=1e-3,3e-4", "seed=range(1,4)", "hydra/launcher=joblib", "experiment=smoke"]
    )
    check_overrides(
        CONF,
        [
            "model=[lstm,gan]",
            "models.gan.latent=3",
            "hydra/launcher=joblib",
            "hydra.launcher.n_jobs=4",
            "session.progress=false",
        ],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ui", "prot=5001"], r'etude ui has no key "prot"\. Did you mean "port"'),
        (["ui", "port=0"], r"port = 0 must be a whole number from 1 to 65535"),
        (["ui", "port=x"], r"port = x must be a whole number"),
        (["verify", "record=yes"], r"record = yes must be true"),
        (["rebuild", "jobs=0"], r"jobs = 0 must be a whole number"),
        (["sweep-report", "one", "two"], r"etude sweep-report does not take two"),
        (["compare"], r"etude compare needs runs"),
        (["compare", "pipeline", "output=."], r"output = \. must name a file that ends in \.html"),
        (["compare", "pipeline", "output=notes.txt"], r"must name a file that ends in \.html"),
        (["log-model"], r"etude log-model needs a model"),
        (["log-model", "model=lstm", "session.run=nowhere"], r"session.run = .*nowhere: there is no such folder"),
        (["studio", "prot=1"], r'etude studio has no key "prot"\. Did you mean "port"'),
        (["studio", "port=70000"], r"port = 70000 must be a whole number from 1 to 65535"),
        (["studio", "open=yes"], r"open = yes must be true or false"),
        (["studio", "token=short"], r"token must have at least 16"),
        (["studio", "session.run=nowhere"], r"session.run = .*nowhere: there is no such folder"),
        (["ui", "5001"], r"etude ui does not take 5001\. See: etude ui --help"),
    ],
)
def test_a_command_without_settings_checks_its_own_keys(arguments: list[str], message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        cli.run_command(arguments)


def test_a_value_out_of_range_is_one_sentence_and_status_2() -> None:
    done = etude("train", "model=lstm", "train.max_steps=0")
    assert done.returncode == 2
    assert "train.max_steps = 0 is out of range: it must be at least 1." in done.stderr
    assert done.stderr.startswith("etude: ") and done.stderr.count("\n") == 1  # neither a traceback nor words of Hydra


def test_a_refused_command_leaves_no_folder(tmp_path: Path) -> None:
    done = etude("generate", "pieces=0", cwd=tmp_path)
    assert done.returncode == 2 and not list(tmp_path.glob("runs/*generate*"))


def test_an_unknown_command_is_one_sentence() -> None:
    done = etude("trian")
    assert done.returncode == 2 and done.stderr.startswith('etude: There is no command "trian". Did you mean "train"?')


def test_outside_a_project_it_works_in_the_folder_and_says_what_needs_a_project(tmp_path: Path) -> None:
    done = etude("train", "model=lstm", cwd=tmp_path)
    assert done.returncode == 2 and "data/tokenize/remi does not exist." in done.stderr
    done = etude("rebuild", cwd=tmp_path)
    assert done.returncode == 2 and "is not inside an etude project" in done.stderr


def test_the_composed_settings_are_shown() -> None:
    done = etude("train", "model=gan", "--cfg", "job")
    assert done.returncode == 0 and "etude.models.gan.GAN" in done.stdout and "LSTM" not in done.stdout


def test_a_group_that_may_be_empty_is_left_out_by_null() -> None:
    given = ["experiment=smoke", "model=lstm", "experiment=null", "size=NULL", "hparams=null", "prime=null"]
    assert drop_nulls(given) == ["model=lstm", "prime=null"]
    assert drop_nulls(["experiment=null", "experiment=smoke"]) == ["experiment=smoke"]
    plain, nulls = (
        etude("generate", *more, "--cfg", "job") for more in ([], ["experiment=null", "size=null", "hparams=null"])
    )
    assert (nulls.returncode, nulls.stderr) == (0, "") and nulls.stdout == plain.stdout


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.accelerator=cuda"], r"trainer\.accelerator = cuda is not known.*cpu, gpu"),
        (["session.workers=0"], r"session\.workers = 0 is out of range"),
        (["session.samples=-1"], r"session\.samples = -1 is out of range"),
        (["session=null"], r"session = None must be a section"),
        (["+session.fool=1"], r"session\.fool is not a setting"),
    ],
)
def test_a_session_is_checked_as_the_settings_are(
    overrides: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["etude"])
    with pytest.raises(EtudeError, match=message):
        cli.run_command(["train", "model=ngram", f"hydra.run.dir={tmp_path}", *overrides])


@pytest.mark.parametrize("path", ["~/my midi", "/a/b", "été/песня (2)", "it's", "a=b,c", "null"])
def test_a_path_needs_no_quotes(path: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(quote_text(f"dataset.path={path}"))
    assert parsed.value() == (None if path == "null" else path)
    assert quote_text("dataset.path='quoted'") == "dataset.path='quoted'"
    assert quote_text("optim.lr=1") == "optim.lr=1"


def test_control_attributes_are_of_the_stage_that_samples() -> None:
    assert quote_text(place_override("control.key=F# minor", "generate")) == "generate.control.key='F# minor'"
    assert place_override("control.density=high", "generate") == "generate.control.density=high"
    assert place_override("control.key=C", "train") == "control.key=C"


def test_each_command_is_a_stage_or_has_a_function_of_its_own() -> None:
    from etude.cli.plain import PLAIN

    assert set(COMMANDS) == {*SECTIONS, *PLAIN, "all", "mix", "video"}


def test_a_style_of_ones_own_is_given_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (CONF / "style/folk.yaml").read_text(encoding="utf-8")
    path = tmp_path / "my styles" / "folk.yaml"  # one of conf/style has this name too
    path.parent.mkdir()
    path.write_text(text.replace("lead: ", "lead: 21 # it was "), encoding="utf-8")
    tune(4).dump_midi(tmp_path / "tune.mid")
    given = [
        "input=tune.mid",
        "output=song.mid",
        "style=my styles/folk.yaml",
        "style.intro=0",
        "session.progress=false",
    ]
    assert cli.run_command(["arrange", *given]) == 0
    assert ScoreTick(tmp_path / "song.mid").tracks[0].program == 21
    path.write_text(text.replace("swing: ", "swung: "), encoding="utf-8")
    with pytest.raises(EtudeError, match=r"my styles/folk\.yaml: style\.swung is not a setting\. Did you mean .swing"):
        cli.run_command(["arrange", *given, "overwrite=true"])
    with pytest.raises(EtudeError, match=r"style = my/funk\.yaml is a file, which etude arrange takes"):
        cli.run_command(["train", "style=my/funk.yaml"])
