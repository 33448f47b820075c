"""The help: grouped commands, the keys of each with default and explanation, at once and without heavy imports."""

import os
import resource
import subprocess
import sys

import pytest
from conftest import ROOT

from etude.cli import explain
from etude.cli.commands import COMMANDS, MUSIC, STAGE, TRAINING
from etude.cli.entry import answer
from etude.cli.help import WIDTH, help_of, usage

CONF = ROOT / "conf"
HEAVY = ("torch", "mlflow", "miditok", "hydra", "omegaconf", "numpy", "pytorch_lightning", "symusic", "rich")
SECONDS = 0.7  # of one CPU; 0.15 on two cores of an EPYC


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_help_has_every_command_under_one_heading() -> None:
    text = usage()
    places = [text.index(f"\n{heading}:") for heading in (MUSIC, TRAINING, STAGE)]
    assert places == sorted(places)
    for name in COMMANDS:
        assert text.count(f"\n    {name}  ") == 1
    assert (
        text.index("\n    generate ") < places[1] < text.index("\n    train ") < places[2] < text.index("\n    split ")
    )
    assert text.index("Exit status:") > places[2] and "130, 143" in text and "--install-completion" in text


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.composes])
def test_a_command_shows_its_keys_with_default_and_explanation(name: str) -> None:
    text = help_of(name, CONF)
    assert text.startswith(f"etude {name} [key=value ...]\n") and f"\n    etude {name}" in text
    assert max(map(len, text.splitlines())) <= WIDTH
    known = explain.settings(CONF)
    for key in known.values():
        own = key.name.startswith((f"{name}.", *(f"{section}." for section in ("session", *COMMANDS[name].keys))))
        if key.default and (own or key.name in COMMANDS[name].keys):
            label = key.name.removeprefix(f"{name}.")
            if label != key.name and label in COMMANDS[name].keys:
                continue  # the command reads it itself
            presets = dict(preset.split("=") for preset in COMMANDS[name].presets)
            shown = f"{label}={presets.get(key.name, key.default)}"
            assert f"    {shown}" in text and flat(key.what) in flat(text)
    for group in COMMANDS[name].groups:
        assert f"\n    {group}=" in text and all(option in text for option in explain.groups(CONF)[group])


def test_the_keys_of_a_chosen_option_are_shown() -> None:
    text = help_of("train", CONF, ["model=wgan", "dataset=folder", "model=nothing", "seed=3"])
    assert "model=wgan: Convolutional" in text and "models.wgan.critic_steps=2" in text and "dataset.path=null" in text
    assert "models.lstm" not in text


@pytest.mark.parametrize(("command", "key"), [("verify", "record=true"), ("rebuild", "jobs=N")])
def test_what_takes_no_settings_has_a_help_of_its_own(command: str, key: str) -> None:
    assert help_of(command, CONF).startswith(f"etude {command} [{key}]\n")


def test_a_word_of_a_command_has_a_help_of_its_own() -> None:
    build, serve, analyse = (help_of("listen", CONF, [word]) for word in ("build", "serve", "analyse"))
    assert build.startswith("etude listen build [models=M,...]") and "port=" not in build and "serve:" not in build
    assert "8000 without it" in serve and "models=" not in serve
    assert "reports/listen/analysis.json" in analyse and "listen.html" not in analyse
    assert "serve: 8000 without it" in help_of("listen", CONF)


def test_help_is_asked_for_in_several_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert answer([]) == answer(["-h"]) == answer(["--help"]) == answer(["help"]) == usage()
    text = help_of("generate", CONF)
    for arguments in (["generate", "-h"], ["generate", "--help"], ["help", "generate"], ["generate", "bars=8", "-h"]):
        assert answer(arguments) == text
    assert answer(["generate", "bars=8"]) is None and answer(["nothing", "--help"]) is None
    version = answer(["--version"])
    assert version is not None and version.startswith("etude ")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "model=lstm", "--help"], ["--version"]])
def test_help_is_there_at_once(arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["etude", *{arguments!r}]
from etude.cli.entry import main
try:
    main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout and done.stderr == "[]\n"
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < SECONDS
