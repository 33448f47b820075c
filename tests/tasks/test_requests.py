"""Requests: the keys that a command takes for files of one's own, and whose they are."""

from dataclasses import fields

import pytest
import yaml
from conftest import ROOT

from etude.cli.commands import COMMANDS
from etude.core.errors import EtudeError
from etude.tasks.requests import DEFAULTS, REQUESTS, HarmonizeFiles, ScoreSets, keys_of, take_request, texts_of


def test_the_defaults_are_those_of_conf_and_the_help_names_the_keys() -> None:
    conf = yaml.safe_load((ROOT / "conf/cli.yaml").read_text())
    assert {key: conf[key] for key in DEFAULTS} == DEFAULTS
    for command, kind in REQUESTS.items():
        assert {field.name for field in fields(kind)} <= {*COMMANDS[command].keys}
        assert all(field.default == DEFAULTS[field.name] for field in fields(kind))


def test_a_request_is_taken_out_of_the_values() -> None:
    values = {**DEFAULTS, "input": "a.mid", "overwrite": True, "seed": 1}
    assert take_request("harmonize", values) == HarmonizeFiles("a.mid", overwrite=True) and values == {"seed": 1}
    assert take_request("evaluate", dict(DEFAULTS)) == ScoreSets() and take_request("train", dict(DEFAULTS)) is None
    assert keys_of("train") == texts_of("train") == () and "overwrite" not in texts_of("evaluate")


def test_keys_of_other_commands_and_wrong_types_are_named() -> None:
    with pytest.raises(EtudeError, match=r"output is of etude .* alone, not of etude generate"):
        take_request("generate", {**DEFAULTS, "output": "a.mid"})
    with pytest.raises(EtudeError, match="prime is of etude generate alone, not of etude ingest"):
        take_request("ingest", {**DEFAULTS, "prime": "a.mid"})
    with pytest.raises(EtudeError, match="overwrite = 3 must be true or false"):
        take_request("evaluate", {**DEFAULTS, "overwrite": 3})
