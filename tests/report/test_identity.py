"""What made the page: digests that change with data and settings, those of code.yaml, and no clock or place."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from conftest import ROOT, smoke

from etude.config.code import SECTIONS
from etude.config.sections import Settings
from etude.report.identity import code_digests, describe_environment, describe_inputs
from etude.report.inputs import ReportInputs


def inputs(shard: str, test: list[str]) -> ReportInputs:
    empty: dict[str, Any] = {name: {} for name in ReportInputs.__dataclass_fields__}
    empty["ingest"] = {"shards": [{"file": "00000.zip", "sha256": shard}]}
    empty["split"] = {"train": ["a"], "valid": ["b"], "test": test}
    return ReportInputs(**empty)


def test_the_identity_follows_data_split_and_settings() -> None:
    settings = smoke()
    one = dict(describe_inputs(settings, inputs("1", ["c"])))
    assert one == dict(describe_inputs(settings, inputs("1", ["c"]))) and len(one["Data"]) == 16
    for other in (inputs("2", ["c"]), inputs("1", ["d"])):
        assert dict(describe_inputs(settings, other)) == {
            **one,
            "Data": dict(describe_inputs(settings, other))["Data"],
        }
        assert dict(describe_inputs(settings, other))["Data"] != one["Data"]
    changed = dict(describe_inputs(replace(settings, seed=7), inputs("1", ["c"])))
    assert changed["Data"] == one["Data"] and changed["Settings"] != one["Settings"]


def test_digests_of_code_are_those_that_git_log_finds_in_code_yaml() -> None:
    settings = Settings.from_params(ROOT / "params.yaml")
    committed = yaml.safe_load((ROOT / "code.yaml").read_text())
    found = code_digests(settings)
    stages = {name.partition("@")[0] for name in found}
    assert stages == set(SECTIONS) - {"track"} and set(found) >= {"report", "train@lstm", "evaluate@gan"}
    assert found["train@lstm"] == committed["train"]["lstm"] and found["report"] == committed["report"]


def test_the_environment_has_releases_and_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETUDE_CPU", raising=False)
    facts = dict(describe_environment(smoke()))
    assert facts["torch"][0].isdigit() and "+" not in facts["torch"], "CPU and CUDA builds are one release"
    assert facts["Python"].count(".") == 1 and facts["CPU kernels"] == "pinned to AVX2"
    assert not any("/" in value for value in facts.values())
