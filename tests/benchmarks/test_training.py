"""The benchmark of training: its plain loop does what a training does, so that their times are comparable."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import SMALL, benchmark_script, smoke

from etude.artifacts.context import Session
from etude.training.objectives import learn


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return benchmark_script("training")


@pytest.mark.parametrize("model_name", sorted(SMALL))
def test_the_plain_loop_updates_the_weights_as_training_does(
    model_name: str, benchmark: ModuleType, encoded: Session, tmp_path: Path
) -> None:
    base = smoke()
    settings = smoke(
        models={**base.models, model_name: {**base.models[model_name], **SMALL[model_name]}},
        train={"max_steps": 3, "steps_per_epoch": 3, "batch_size": 2, "window": 16},
        trainer={"steps": None, "threads": 1},
        optim={"averaging": None},
    )
    model, task = benchmark.task_of(settings, encoded, model_name, tmp_path, lambda row, step: None)
    learn(model, task)
    other, task = benchmark.task_of(settings, encoded, model_name, tmp_path, lambda row, step: None)
    before = {name: weight.detach().clone() for name, weight in other.named_parameters()}
    loop = benchmark.Plain(benchmark.objective_of(settings, model_name)(other.train(), task))
    for number in range(3):
        loop.step(number)
    expected, found = dict(model.named_parameters()), dict(other.named_parameters())
    assert any(not torch.equal(before[name], found[name]) for name in found)
    for name, weight in found.items():
        assert torch.allclose(weight, expected[name], atol=1e-6), name
