"""Resume: a training killed in mid-epoch ends with the weights of an uninterrupted one."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from conftest import smoke

from etude import models
from etude.encoding.store import Store
from etude.errors import EtudeError
from etude.session import Session
from etude.settings import Optim, Settings
from etude.stages.train import train
from etude.training import Learned
from etude.training.trainer import learning_rate

PLAN = {"max_steps": 15, "steps_per_epoch": 5, "batch_size": 2, "window": 16, "patience": 50, "threads": 1}
SMALL = {
    "lstm": {"hidden": 8},
    "lstm_attention": {"hidden": 8},
    "gan": {"hidden": 8, "latent": 4},
    "deepbach": {"hidden": 8, "embedding": 4, "window": 32},
}


def plan(variant: str, **changes: object) -> Settings:
    base = smoke()
    sections = {**base.models, variant: {**base.models[variant], **SMALL.get(variant, {})}}
    return smoke(train={**PLAN, **changes}, models=sections)


def trained(
    settings: Settings, variant: str, session: Session, folder: Path, report: Callable[[Mapping[str, float], int], None]
) -> tuple[str, Learned]:
    store = Store(session.root / "data/tokenize" / settings.models[variant]["representation"])
    folder.mkdir(parents=True, exist_ok=True)
    model, _, learned = train(settings, variant, store, session, folder, report)
    return models.save(model, folder / "w.safetensors"), learned


def _slow(settings: Settings, variant: str, session: Session, folder: Path) -> None:
    def report(row: Mapping[str, float], step: int) -> None:
        (folder / f"told{step}").touch()
        if step >= 10:
            time.sleep(60)

    import etude.training.trainer as room

    room.LOG_EVERY = 1
    trained(settings, variant, session, folder, report)


@pytest.mark.parametrize("variant", ["lstm", "lstm_attention", "gan", "deepbach"])
def test_killed_in_mid_epoch_it_ends_with_the_same_weights(
    variant: str, encoded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etude.training.trainer.LOG_EVERY", 1)
    settings = plan(variant)
    whole, learned = trained(settings, variant, encoded, tmp_path / "whole", lambda row, step: None)
    (tmp_path / "cut").mkdir()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_slow, args=(settings, variant, encoded, tmp_path / "cut"))
    process.start()
    for _ in range(900):
        if (tmp_path / "cut/told10").exists() or not process.is_alive():
            break
        time.sleep(0.1)
    assert process.pid is not None and process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert (tmp_path / "cut/last.ckpt").is_file()
    steps: list[int] = []
    cut, resumed = trained(settings, variant, encoded, tmp_path / "cut", lambda row, step: steps.append(step))
    assert min(steps) > 5, "it went on from the last epoch, not from the begin"
    assert cut == whole
    assert resumed.history == learned.history and resumed.result == learned.result


def test_the_same_seed_gives_the_same_bytes_another_seed_others(encoded: Session, tmp_path: Path) -> None:
    found = [
        trained(plan("lstm", max_steps=4, seed=seed), "lstm", encoded, tmp_path / str(place), lambda row, step: None)[0]
        for place, seed in enumerate((1, 1, 2))
    ]
    assert found[0] == found[1] != found[2]


def test_a_torn_checkpoint_is_never_seen(encoded: Session, tmp_path: Path) -> None:
    trained(plan("lstm", max_steps=6), "lstm", encoded, tmp_path, lambda row, step: None)
    assert not list(tmp_path.glob(".*part"))
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 1


def test_training_lowers_the_cost_and_keeps_the_best(encoded: Session, tmp_path: Path) -> None:
    base = plan("lstm", max_steps=40, steps_per_epoch=10)
    settings = Settings(**{**vars(base), "optim": Optim(**{**vars(base.optim), "lr": 0.03})})
    _, learned = trained(settings, "lstm", encoded, tmp_path, lambda row, step: None)
    costs = [row["valid/nats_per_note"] for row in learned.history if "valid/nats_per_note" in row]
    assert len(costs) == 4 and costs == sorted(costs, reverse=True)
    assert learned.result["valid/nats_per_note"] == min(costs) and learned.result["steps"] == 40


def test_early_stopping_holds_also_when_resumed(encoded: Session, tmp_path: Path) -> None:
    base = plan("lstm", max_steps=40, steps_per_epoch=2, patience=2)
    still = Settings(**{**vars(base), "optim": Optim(**{**vars(base.optim), "lr": 1e-8})})
    first, learned = trained(still, "lstm", encoded, tmp_path, lambda row, step: None)
    assert learned.result["steps"] < 40
    again, resumed = trained(still, "lstm", encoded, tmp_path, lambda row, step: None)
    assert again == first and resumed.result == learned.result


def test_a_loss_that_is_no_number_names_step_rate_and_checkpoint(encoded: Session, tmp_path: Path) -> None:
    settings = plan("lstm")
    store = Store(encoded.root / "data/tokenize/remi")
    from etude import representations
    from etude.training import Task, learn

    representation = representations.load(store)
    model = models.build(settings, "lstm", representation)
    torch.nn.init.constant_(model.read_out.bias, float("nan"))
    with pytest.raises(
        EtudeError, match=r"train/nats_per_token is nan at step 1, learning rate .*checkpoint.*optim\.lr"
    ):
        learn(model, Task(settings, encoded, store, representation, tmp_path, lambda row, step: None), "lstm")


def test_the_learning_rate_warms_up_and_decays() -> None:
    optim = Optim(lr=0.1, weight_decay=0.0, warmup_steps=10, final_lr=0.1, clip=1.0)
    assert learning_rate(0, optim, 100) == pytest.approx(0.01)
    assert learning_rate(10, optim, 100) == pytest.approx(0.1)
    assert learning_rate(100, optim, 100) == pytest.approx(0.01)
    assert learning_rate(55, optim, 100) == pytest.approx(0.055)
