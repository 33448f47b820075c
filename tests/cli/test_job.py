"""What a job makes of its settings before the stages run."""

import dataclasses
from pathlib import Path

import pytest
from conftest import tiny

from etude.artifacts.context import Session
from etude.cli import job
from etude.config.sections import Settings


@pytest.mark.parametrize(
    ("task", "built"),
    [
        (["model=lstm"], ["remi"]),
        (["model=lstm", "tokenize=[remi,chorale]"], [*tiny().tokenize]),
        (["dataset=folder"], [*tiny().tokenize]),
    ],
)
def test_of_chosen_models_only_what_they_read_is_built(
    task: list[str], built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def run(settings: Settings, session: Session) -> Path:
        seen.append(list(settings.tokenize))
        return tmp_path / "runs/it/reports/index.html"

    monkeypatch.setattr("etude.runs.pipeline.run", run)
    settings = dataclasses.replace(tiny(), models={"lstm": tiny().models["lstm"]})
    job._run_all(settings, Session(root=tmp_path), None, task)
    assert seen == [built]


def test_the_overrides_that_choose_data_are_those_of_the_dataset_and_the_data_stages() -> None:
    data = [
        "dataset=folder",
        "dataset.path='/my music'",
        "ingest.near=1.0",
        "experiment=smoke",
        "tokenize.tsd.merges=bpe",
    ]
    others = ["model=lstm", "tokenize=remi", "optim.lr=1e-3", "train.max_steps=9", "generate.pieces=2"]
    assert job._choosing_data([*others, *data]) == data


def test_gains_and_pans_of_the_command_line_hold_in_place_of_those_of_a_file() -> None:
    task = ["mix.gain={Bass: -3}", "+mix.gain.Melody=1", "mix.pan.Bass=0.5", "mix.loudness=-16", "gain='{a: 1}'"]
    assert job._given_in_mix(task) == {"gain": {"Bass": -3, "Melody": 1}, "pan": {"Bass": 0.5}}
    assert job._given_in_mix(["output=song.wav"]) == {"gain": {}, "pan": {}}
