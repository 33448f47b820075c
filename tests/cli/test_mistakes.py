"""Words that are no key=value get a sentence that helps; so do commands that do not exist."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from etude.cli import explain
from etude.cli.entry import run
from etude.cli.mistakes import by_meaning, check_words, options_with
from etude.core.errors import EtudeError

CONF = ROOT / "conf"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("generate lstm", r'^"lstm" is no key=value\. Did you mean model=lstm\?$'),
        ("generate lsmt", r"Did you mean model=lstm\?"),
        ("train bach", r"Did you mean experiment=bach or dataset=bach\?"),
        ("train max_steps 100", r"Did you mean max_steps=100\?"),
        ("train model lstm", r"Did you mean model=lstm\?"),
        ("train max_step", r"Did you mean max_steps=\.\.\.\?"),
        ("train zzz", r"etude train --help lists them\."),
        ("generate {tmp}/theme.mid", r"Did you mean prime=.*/theme\.mid\?"),
        ("harmonize {tmp}/theme.mid", r"Did you mean input=.*/theme\.mid\?"),
        ("all {tmp}", r"Did you mean dataset=folder dataset\.path=.*\?"),
        (
            "all dataset=folder dataset.path=my midi files seed=2",
            r'quote both together: .* "dataset\.path=my midi files"',
        ),
    ],
)
def test_a_word_alone_gets_what_was_probably_meant(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "theme.mid").touch()
    command, *arguments = line.format(tmp=tmp_path).split()
    with pytest.raises(EtudeError, match=message):
        check_words(command, arguments, CONF)


@pytest.mark.parametrize(
    "line",
    [
        "train -m model=lstm,gan",
        "train --cfg job",
        "train ~seed",
        "train +new=1",
        "all --config-dir conf",
        "report",
        "all --info",
    ],
)
def test_what_hydra_takes_passes(line: str) -> None:
    command, *arguments = line.split()
    check_words(command, arguments, CONF)


def test_a_command_that_does_not_exist_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(EtudeError, match=r'^There is no command "trian"\. Did you mean "train"\?'):
        run(["trian", "lstm"])


def test_the_sentence_is_all_that_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "etude", "generate", "lstm"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == 'etude: "lstm" is no key=value. Did you mean model=lstm?\n'


def test_a_key_is_found_by_its_meaning() -> None:
    known = explain.settings(CONF).values()
    assert by_meaning("optim.learning_rate", known) == ["optim.lr"]
    assert by_meaning("warmup", known) == ["optim.warmup_steps"]
    assert by_meaning("xyz", known) == by_meaning("", known) == []
    assert options_with("dataset.grid", CONF) == ["dataset=jsb"] and not options_with("optim.lr", CONF)
