"""Completion by the tab key, asked as a shell asks, and written into the files of the shells."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from etude.cli.completion import complete, install
from etude.core.errors import EtudeError

CONF = ROOT / "conf"
ASK = """
source {script}
COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9
complete -p etude
_python_argcomplete etude
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, with a command ``etude`` that runs this package."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/etude"
    source = shlex.quote(str(ROOT / "src"))
    command.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {shlex.quote(sys.executable)} -m etude "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def ask_bash(home: Path, line: str, cwd: Path = ROOT) -> list[str]:
    """What bash offers at the end of a line."""
    code = ASK.format(script=shlex.quote(str(home / ".local/share/etude/completion.bash")), line=shlex.quote(line))
    done = subprocess.run(["bash", "--norc", "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    first, *found = done.stdout.splitlines()
    assert first.startswith("complete ") and first.endswith("_python_argcomplete etude"), done.stderr
    return [one for one in found if one]


def test_bash_completes_commands_keys_options_and_files(home: Path) -> None:
    install("bash")
    assert ask_bash(home, "etude gen") == ["generate "]
    assert ask_bash(home, "etude generate model=ls") == ["lstm", "lstm_attention"]
    assert ask_bash(home, "etude train optim.l") == ["optim.lr=", "optim.label_smoothing="]
    assert ask_bash(home, "etude generate model=gan prime=docs/ode.a") == ["docs/ode.abc "]
    assert ask_bash(home, 'etude generate prime="docs/ode.a') == ["docs/ode.abc"]
    assert ask_bash(home, "etude train", home) == ["train "], "commands are known outside a project too"
    (home / "my midi").mkdir()
    assert ask_bash(home, "etude all dataset=folder dataset.path=~/my") == ["~/my\\ midi/"]


@pytest.mark.parametrize(
    ("words", "prefix", "expected"),
    [
        ([], "h", ["harmonize"]),
        (["generate"], "top", ["top_k=", "top_p="]),
        (["generate", "top_k=3"], "top", ["top_p="]),
        (["train"], "mo", ["model="]),
        (["train"], "models.lstm.hid", ["models.lstm.hidden="]),
        (["train", "model=gru"], "models.", ["models.gru."]),
        (["all", "dataset=folder"], "dataset.pa", ["dataset.path="]),
        (["train"], "model=[lstm,gr", ["model=[lstm,gru"]),
        (["train"], "trainer.precision=b", ["trainer.precision=bf16"]),
        (["harmonize"], "overwrite=", ["overwrite=true", "overwrite=false"]),
        (["generate"], "control.mode=", ["control.mode=major", "control.mode=minor"]),
        (["verify"], "", ["record=true"]),
        (["mix"], "lou", ["loudness="]),
        (["mix"], "tracks=[conf/cli.yaml,conf/conf", ["tracks=[conf/cli.yaml,conf/config.yaml"]),
        (["mix"], "soundfont=conf/conf", ["soundfont=conf/config.yaml"]),
        (["generate"], "seed=", []),
        (["nothing"], "", []),
    ],
)
def test_what_may_stand_next(
    words: list[str], prefix: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONF.parent)
    found = list(complete(words, prefix, CONF))
    if expected == ["models.gru."]:
        assert found and all(one.startswith("models.gru.") for one in found)
    else:
        assert found == expected


def test_each_completion_says_what_it_is() -> None:
    assert complete(["generate"], "top_k", CONF)["top_k="].startswith("keep so many")
    assert complete([], "train", CONF)["train"].startswith("train models")
    assert complete(["train"], "dataset=fol", CONF)["dataset=folder"].startswith("Your own scores")


@pytest.mark.parametrize(
    ("shell", "written"),
    [
        ("bash", [".bashrc", ".local/share/etude/completion.bash"]),
        ("zsh", [".local/share/etude/completion.zsh", ".zshrc"]),
        ("fish", [".config/fish/completions/etude.fish"]),
    ],
)
def test_twice_installed_is_once_installed(shell: str, written: list[str], home: Path) -> None:
    start = home / written[0 if shell == "bash" else -1]
    if shell != "fish":
        start.write_text("alias ll='ls -l'\nsource /elsewhere # completion of etude\n")
    texts = []
    for _ in range(2):
        assert f"every new {shell}" in install(shell)
        files = sorted(file for file in home.rglob("*") if file.is_file() and file.parent.name != "bin")
        assert [str(file.relative_to(home)) for file in files] == written
        texts.append([file.read_text() for file in files])
    assert texts[0] == texts[1]
    if shell != "fish":
        lines = start.read_text().splitlines()
        assert lines[0] == "alias ll='ls -l'" and len(lines) == 2 and "/elsewhere" not in lines[1]


def test_the_shell_is_that_of_the_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "every new fish" in install(None)
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    with pytest.raises(EtudeError, match=r'no completion for the shell "tcsh"\. .*There are: bash, fish, zsh\.'):
        install(None)
