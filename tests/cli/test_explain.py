"""Each key in conf/ is explained, once; defaults and explanations are read as they are written."""

from pathlib import Path

import pytest
from conftest import ROOT

from etude.cli import explain
from etude.cli.commands import COMMANDS, PATHS

CONF = ROOT / "conf"
OPTIONS = [(group, name) for group, names in explain.groups(CONF).items() for name in names]


def test_every_key_is_explained() -> None:
    assert not [key.name for key in explain.settings(CONF).values() if not key.what]


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_every_option_is_explained_and_so_are_its_keys(group: str, name: str) -> None:
    assert explain.groups(CONF)[group][name], f"conf/{group}/{name}.yaml starts with no comment that says what it is"
    if group in explain.GROUPS_WITH_KEYS:
        assert not [key.name for key in explain.option(CONF, group, name) if not key.what]


def test_what_commands_name_is_in_conf() -> None:
    known = {*explain.settings(CONF), "dataset.path"}
    for command in COMMANDS.values():
        assert {*command.keys} <= known and {*command.groups} <= {*explain.groups(CONF)}
    assert {*PATHS} <= known


def test_defaults_and_comments_are_read_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "conf/config.yaml"
    file.parent.mkdir()
    file.write_text(
        """# What this is.
defaults: [_self_]
seed: 7 # of all
part: # a section
  # above its line
  # in two
  first: "a # b"
  second: [1, 2] # one | two | three: which
  third: ${oc.decode:${oc.env:ETUDE_X,null}} # taken
  gain: {a: 1} # a mapping in one line is a value
  bare: true
  _target_: not.a.Key
"""
    )
    found = {key.name: (key.default, key.what) for key in explain.read_keys(file)}
    assert found == {
        "seed": ("7", "of all"),
        "part": ("", "a section"),
        "part.first": ('"a # b"', "above its line in two"),
        "part.second": ("[1, 2]", "one | two | three: which"),
        "part.third": ("null", "taken; or ETUDE_X of the environment"),
        "part.gain": ("{a: 1}", "a mapping in one line is a value"),
        "part.bare": ("true", ""),
    }
    keys = {key.name: key for key in explain.read_keys(file)}
    assert keys["part.second"].choices == ["one", "two", "three"] and keys["part.bare"].choices == ["true", "false"]
    assert keys["seed"].choices == []


def test_a_key_without_a_comment_means_what_it_means_in_its_group() -> None:
    of_gru = {key.name: key for key in explain.option(CONF, "model", "gru")}
    of_lstm = {key.name: key for key in explain.option(CONF, "model", "lstm")}
    assert of_gru["models.gru.hidden"].what == of_lstm["models.lstm.hidden"].what
    assert of_gru["models.gru.hidden"].default == "256"


def test_references_are_resolved_and_defaults_named() -> None:
    assert explain.settings(CONF)["generate.seed"].default == explain.settings(CONF)["seed"].default
    assert explain.default_options(CONF, "dataset") == ["bach"] and "lstm" in explain.default_options(CONF, "model")
    assert explain.default_options(CONF, "experiment") in ([], ["null"])
