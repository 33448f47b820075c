"""The benchmark of training: its plain loop does what a training does, so that their times are comparable."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from conftest import ROOT, SMALL, benchmark_script

from etude.artifacts.context import Session
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.training.objectives import learn


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return benchmark_script("training")


@pytest.mark.parametrize("model_name", sorted(set(SMALL) - {"ngram"}))
def test_the_plain_loop_updates_the_weights_as_training_does(
    model_name: str, benchmark: ModuleType, encoded: Session, tmp_path: Path
) -> None:
    values = yaml.safe_load(compile_params(ROOT / "conf", ["experiment=smoke", f"model=[{model_name}]"]))
    values["models"][model_name] |= SMALL[model_name]
    values["train"] |= {"max_steps": 3, "steps_per_epoch": 3, "batch_size": 2, "window": 16}
    values["trainer"] |= {"steps": None, "threads": 1}
    values["optim"] |= {"averaging": None}
    settings = Settings.of(values)
    model, task = benchmark.task_of(settings, encoded, model_name, tmp_path, lambda row, step: None)
    learn(model, task)
    other, task = benchmark.task_of(settings, encoded, model_name, tmp_path, lambda row, step: None)
    before = {name: weight.detach().clone() for name, weight in other.named_parameters()}
    loop = benchmark.Plain(*benchmark.pair_of(settings, model_name, other.train(), task))
    for number in range(3):
        loop.step(number)
    expected, found = dict(model.named_parameters()), dict(other.named_parameters())
    assert any(not torch.equal(before[name], found[name]) for name in found)
    for name, weight in found.items():
        assert torch.allclose(weight, expected[name], atol=1e-6), name
