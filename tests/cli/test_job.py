"""What a job makes of its settings before the stages run."""

import dataclasses
import sys
from pathlib import Path

import pytest
from conftest import tiny

from etude.artifacts.context import Session
from etude.cli import job
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.tasks.requests import ArrangeFiles, HarmonizeFiles


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


@pytest.mark.parametrize(
    ("request_of", "module"),
    [(HarmonizeFiles, "etude.tasks.harmonize_file"), (ArrangeFiles, "etude.runs.arrange_file")],
)
def test_a_slip_in_a_name_is_answered_before_models_and_sound_are_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request_of: type[HarmonizeFiles | ArrangeFiles], module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # to import it is an ImportError
    request = request_of(input=str(tmp_path / "none.mid"), output=str(tmp_path / "out.mid"))
    with pytest.raises(EtudeError, match=r"none\.mid is no file"):
        job._answer(request, tiny(), Session(root=tmp_path), {})
