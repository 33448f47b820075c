"""The stage instances that dvc.yaml has, and what each needs."""

from dataclasses import replace

import yaml
from conftest import ROOT

from etude.config.code import SECTIONS, names_of
from etude.config.sections import Settings
from etude.runs.graph import Instance, edges, instances

SETTINGS = Settings.from_params(ROOT / "params.yaml")


def test_they_are_those_that_have_code_digests() -> None:
    found = {(one.stage, one.name) for one in instances(ROOT, SETTINGS)}
    assert found == {
        (s, n) for s, section in SECTIONS.items() for n in (names_of(section, SETTINGS) if section else [None])
    }


def test_each_stands_after_those_that_it_needs() -> None:
    found = instances(ROOT, SETTINGS)
    needs = edges(found)
    named = {one.target: {other.target for other in needs[one]} for one in found}
    assert all({*found[:place]} >= needs[one] for place, one in enumerate(found))
    assert named["train@lstm"] == {"tokenize@remi"} and named["arrange@lstm"] == {
        "ingest",
        "generate@lstm",
        "evaluate@lstm",
    }
    assert named["harmonize@voices"] == {"ingest", "split", "train@voices"}
    assert {"train@lstm", "arrange@gan", "reference", "control@conditional"} <= named["report"]


def test_a_band_with_a_learned_part_waits_for_the_model_that_plays_it() -> None:
    section = yaml.safe_load((ROOT / "conf/model/accompaniment.yaml").read_text())["models"]["accompaniment"]
    sheets = yaml.safe_load((ROOT / "conf/tokenize/leadsheet.yaml").read_text())
    models, tokenize = {**SETTINGS.models, "accompaniment": section}, {**SETTINGS.tokenize, "leadsheet": sheets}
    parts = {**SETTINGS.style["parts"], "Piano": {"play": "accompaniment"}}

    def needs(settings: Settings) -> set[str]:
        found = instances(ROOT, settings)
        return {one.target for one in edges(found)[_named(found, "arrange@lstm")]}

    plain = replace(SETTINGS, models=models, tokenize=tokenize)
    learned = replace(plain, style={**SETTINGS.style, "parts": parts})
    assert needs(learned) - needs(plain) == {"train@accompaniment"}


def _named(found: list[Instance], target: str) -> Instance:
    return next(one for one in found if one.target == target)


def test_what_decides_an_instance_is_its_own_settings_and_code() -> None:
    heard = _named(instances(ROOT, SETTINGS), "arrange@lstm")
    assert set(heard.params) == {"arrange", "style", "mix"}, "what code.yaml has a digest of counts"
    one = _named(instances(ROOT, SETTINGS), "train@lstm")
    made = one.decides(SETTINGS)
    assert set(made["params"]) == {"models.lstm", "optim", "train", "trainer"} and len(made["code"]) == 16
    assert made["params"]["models.lstm"]["representation"] == "remi"
