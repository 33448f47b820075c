"""Resume: a training killed in mid-epoch ends with the weights of an uninterrupted one."""

import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import smoke
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger
from safetensors.torch import load_file
from training.trainings import run_training, settings_for, start_process, task_of, with_optim

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.schedule import Optim
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json
from etude.core.seeds import seed_of
from etude.models.building import build_model
from etude.representations.base.loading import load_representation
from etude.training.callbacks import Averaging
from etude.training.objectives import learn
from etude.training.objectives.next_token import NextToken, Windows
from etude.training.objectives.wasserstein import RowsOfWindows, Wasserstein
from etude.training.trainer import choose_hardware, learning_rate


def _slow(settings: Settings, model_name: str, session: Session, folder: Path) -> None:
    def report(row: Mapping[str, float], step: int) -> None:
        (folder / f"reported{step}").touch()
        if step >= 5:
            time.sleep(60)

    import etude.training.callbacks as room

    room.LOG_EVERY = 1
    run_training(settings, model_name, session, folder, report)


@pytest.mark.parametrize("model_name", ["transformer", "gan", "wgan", "deepbach"])  # one for each objective
def test_killed_in_mid_epoch_it_ends_with_the_same_weights(
    model_name: str, encoded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etude.training.callbacks.LOG_EVERY", 1)
    settings = settings_for(model_name, max_steps=8, steps_per_epoch=3)
    whole, learned = run_training(settings, model_name, encoded, tmp_path / "whole", lambda row, step: None)
    (tmp_path / "cut").mkdir()
    process = start_process(_slow, settings, model_name, encoded, tmp_path / "cut")
    for _ in range(900):
        if (tmp_path / "cut/reported5").exists() or not process.is_alive():
            break
        time.sleep(0.1)
    assert process.pid is not None and process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert (tmp_path / "cut/last.ckpt").is_file()
    steps: list[int] = []
    cut, resumed = run_training(settings, model_name, encoded, tmp_path / "cut", lambda row, step: steps.append(step))
    assert min(steps) > 3, "it continued from the last epoch, not from the start"
    assert cut == whole
    assert resumed.history == learned.history and resumed.result == learned.result


def test_the_same_seed_gives_the_same_bytes_another_seed_others(encoded: Session, tmp_path: Path) -> None:
    found = []
    for place, seed in enumerate((1, 1, 2)):
        settings, folder = settings_for("lstm", max_steps=4, seed=seed), tmp_path / str(place)
        found.append(run_training(settings, "lstm", encoded, folder, lambda row, step: None)[0])
    assert found[0] == found[1] != found[2]


def test_a_truncated_checkpoint_is_never_seen(encoded: Session, tmp_path: Path) -> None:
    run_training(settings_for("lstm", max_steps=6), "lstm", encoded, tmp_path, lambda row, step: None)
    assert not list(tmp_path.glob(".*part"))
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 1


def test_training_lowers_the_cost_and_keeps_the_best(encoded: Session, tmp_path: Path) -> None:
    base = settings_for("lstm", max_steps=40, steps_per_epoch=10)
    settings = with_optim(base, lr=0.03)
    _, learned = run_training(settings, "lstm", encoded, tmp_path, lambda row, step: None)
    costs = [row["valid/nats_per_note"] for row in learned.history if "valid/nats_per_note" in row]
    assert len(costs) == 4 and costs == sorted(costs, reverse=True)
    assert learned.result["valid/nats_per_note"] == min(costs) and learned.result["steps"] == 40


def test_early_stopping_holds_also_when_resumed(encoded: Session, tmp_path: Path) -> None:
    base = settings_for("lstm", max_steps=40, steps_per_epoch=2, patience=2)
    still = with_optim(base, lr=1e-8)
    first, learned = run_training(still, "lstm", encoded, tmp_path, lambda row, step: None)
    assert learned.result["steps"] < 40
    again, resumed = run_training(still, "lstm", encoded, tmp_path, lambda row, step: None)
    assert again == first and resumed.result == learned.result


def test_a_loss_that_is_no_number_names_step_rate_and_checkpoint(
    encoded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_optim(settings_for("lstm"), lr=0.01, warmup_steps=0, final_lr=1.0)
    model, task = task_of(settings, encoded, tmp_path)
    original = type(model).loss

    def broken(self: Any, tokens: Any, smoothing: float) -> Any:
        costs = original(self, tokens, smoothing)
        return costs * float("nan") if (tmp_path / "last.ckpt").is_file() else costs

    monkeypatch.setattr(type(model), "loss", broken)
    message = rf"train/nats_per_token is nan at step 6, learning rate 0\.01\. .*{tmp_path}/last\.ckpt\. Lower optim\.lr"
    with pytest.raises(EtudeError, match=message):
        learn(model, task)
    torch.nn.init.constant_(model.lm_head.bias, float("nan"))
    shutil.rmtree(tmp_path)
    with pytest.raises(EtudeError, match=r"is nan at step 1, .*There is no checkpoint yet\."):
        learn(model, task)


def test_memory_that_runs_out_names_the_batch_size(
    encoded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = task_of(settings_for("lstm"), encoded, tmp_path)

    def full(*_: Any) -> None:
        torch.empty(1 << 60)

    monkeypatch.setattr(type(model), "loss", full)
    with pytest.raises(EtudeError, match=r"ran out at step 1: train\.batch_size = 2 .* Set train\.batch_size=1"):
        learn(model, task)
    model, task = task_of(settings_for("lstm", batch_size=1), encoded, tmp_path)
    with pytest.raises(EtudeError, match=r"Set train\.window=8"):
        learn(model, task)


def test_other_errors_pass_as_they_are(encoded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, task = task_of(settings_for("lstm"), encoded, tmp_path)
    monkeypatch.setattr(type(model), "loss", lambda *_: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        learn(model, task)


def test_what_is_kept_is_the_average_of_the_weights(encoded: Session, tmp_path: Path) -> None:
    """One parameter is set to 1, 2, 3 ... after each step; the decays after the first are 2/11, 3/12, 4/13."""
    settings = settings_for("lstm", max_steps=4, steps_per_epoch=4)
    model, task = task_of(settings, encoded, tmp_path)

    expected = torch.tensor(1.0)
    for count, now in enumerate((2.0, 3.0, 4.0), start=1):
        expected = torch.lerp(expected, torch.tensor(now), 1 - min(0.9, (1 + count) / (10 + count)))
    averaging = Averaging(0.9)
    objective = NextToken(model, task)
    averaging.setup(None, objective, "fit")
    for now in (1.0, 2.0, 3.0, 4.0):
        torch.nn.init.constant_(model.lm_head.bias, now)
        averaging._average_model.update_parameters(objective)
    averaging.on_train_end(None, objective)
    assert model.lm_head.bias[0].item() == pytest.approx(expected.item())


def test_averaging_changes_the_weights_that_are_kept_and_smoothing_the_training(
    encoded: Session, tmp_path: Path
) -> None:
    base = settings_for("lstm", max_steps=6)
    others = (base, with_optim(base, averaging=None), with_optim(base, label_smoothing=0.1))
    found = [
        run_training(settings, "lstm", encoded, tmp_path / str(place), lambda row, step: None)[0]
        for place, settings in enumerate(others)
    ]
    assert len(set(found)) == 3


def of(history: list[dict[str, float]], name: str) -> list[float]:
    return [row[name] for row in history if name in row]


def _in_processes(settings_of: Mapping[str, Settings], session: Session, folder: Path) -> None:
    for model_name, settings in settings_of.items():
        rows: list[int] = []
        own = folder / model_name
        _, learned = run_training(settings, model_name, session, own, lambda row, step, rows=rows: rows.append(step))  # type: ignore[misc]
        write_json(own / "found.json", {"rows": rows, "made_on": learned.made_on, "history": learned.history})


def in_two_processes(settings_of: Mapping[str, Settings], session: Session, folder: Path) -> dict[str, Any]:
    """What a training of each model in two processes reported, its hardware and its history."""
    two = {
        model_name: replace(settings, trainer=replace(settings.trainer, devices=2, accelerator="auto"))
        for model_name, settings in settings_of.items()
    }
    process = start_process(_in_processes, two, session, folder)
    process.join(240)
    return {model_name: read_json(folder / model_name / "found.json", "") for model_name in settings_of}


def test_two_processes_learn_what_one_learns(encoded: Session, tmp_path: Path) -> None:
    """Each takes one row of each batch; without dropout the weights differ only in the last digits."""
    base = settings_for("lstm", max_steps=10)
    base = replace(base, models={**base.models, "lstm": {**base.models["lstm"], "dropout": 0.0}})
    _, alone = run_training(base, "lstm", encoded, tmp_path / "one", lambda row, step: None)
    found = in_two_processes({"lstm": base}, encoded, tmp_path)["lstm"]
    history = found["history"]
    assert found["made_on"] == {"accelerator": "cpu", "devices": 2, "precision": "float32"}
    assert found["rows"] == [row["step"] for row in history] == [row["step"] for row in alone.history]
    costs = [
        [row["valid/nats_per_note"] for row in rows if "valid/nats_per_note" in row]
        for rows in (history, alone.history)
    ]
    assert len(costs[0]) == 2 and costs[0] == pytest.approx(costs[1], rel=1e-4)
    losses = [
        [row["train/nats_per_token"] for row in rows if "train/nats_per_token" in row]
        for rows in (history, alone.history)
    ]
    assert losses[0] != losses[1], "each process has its own rows"


def test_two_processes_update_all_networks_of_a_model(encoded: Session, tmp_path: Path) -> None:
    """Networks in turn (gan, wgan), one a voice (deepbach), and members each with their own rows (voices)."""
    settings_of = {
        model_name: settings_for(model_name, max_steps=5, batch_size=4)
        for model_name in ("gan", "wgan", "deepbach", "voices")
    }
    found = in_two_processes(settings_of, encoded, tmp_path)
    for model_name, settings in settings_of.items():
        assert found[model_name]["made_on"]["devices"] == 2
        assert found[model_name]["rows"] == [row["step"] for row in found[model_name]["history"]]
        store = Store(encoded.root / "data/tokenize" / settings.models[model_name]["representation"])
        torch.manual_seed(seed_of("weights", settings.schedule(model_name)[0].seed))
        started = dict(
            build_model(settings.model(model_name), model_name, load_representation(store)).named_parameters()
        )
        ended = load_file(tmp_path / model_name / "w.safetensors")
        networks = {tuple(name.split(".")[:2]) for name in started}
        moved = {tuple(name.split(".")[:2]) for name, weight in started.items() if not torch.equal(weight, ended[name])}
        assert moved == networks, model_name


def test_a_batch_that_cannot_be_split_is_refused(encoded: Session, tmp_path: Path) -> None:
    base = settings_for("lstm", batch_size=3)
    with pytest.raises(EtudeError, match=r"train\.batch_size = 3 cannot be split among trainer\.devices = 2"):
        run_training(
            replace(base, trainer=replace(base.trainer, devices=2)), "lstm", encoded, tmp_path, lambda row, step: None
        )


def test_precision_auto_is_bf16_where_cpu_and_model_benefit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Benefiting(torch.nn.Module):
        gains_by_bf16 = True

    own = replace(smoke().trainer, precision="auto")
    for amx, pinned, supported in ((True, "", True), (True, "AVX2", False), (False, "", False)):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", pinned)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        assert choose_hardware(own, Benefiting()) == ("cpu", "bf16" if supported else "float32")
        assert choose_hardware(own, torch.nn.Module()) == ("cpu", "float32")
    assert choose_hardware(replace(own, precision="bf16"), torch.nn.Module()) == ("cpu", "bf16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_named() -> None:
    with pytest.raises(EtudeError, match=r"trainer\.accelerator = gpu, but torch finds none here\. Use trainer=cpu\."):
        choose_hardware(replace(smoke().trainer, accelerator="gpu"), torch.nn.Module())


def test_the_learning_rate_warms_up_and_decays() -> None:
    optim = Optim(0.1, weight_decay=0.0, warmup_steps=10, final_lr=0.1, clip=1.0, label_smoothing=0.0, averaging=None)
    assert learning_rate(0, optim, 100) == pytest.approx(0.01)
    assert learning_rate(10, optim, 100) == pytest.approx(0.1)
    assert learning_rate(100, optim, 100) == pytest.approx(0.01)
    assert learning_rate(55, optim, 100) == pytest.approx(0.055)


@pytest.mark.parametrize("model_name", ["transformer", "wgan"])  # one optimizer, and two in turn
def test_lightnings_own_trainer_and_monitor_see_batches_and_learning_rate(
    model_name: str, encoded: Session, tmp_path: Path
) -> None:
    settings = with_optim(settings_for(model_name, max_steps=5, steps_per_epoch=3), warmup_steps=2)
    model, task = task_of(settings, encoded, tmp_path, model_name)
    objective: Any = NextToken(model, task) if model_name == "transformer" else Wasserstein(model, task)
    data: Any = Windows(model, task) if model_name == "transformer" else RowsOfWindows(model, task)
    monitor = LearningRateMonitor()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        reload_dataloaders_every_n_epochs=1,
        callbacks=[monitor],
        logger=CSVLogger(tmp_path),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(objective, datamodule=data)
    expected = [learning_rate(step, objective.optim, 5) * objective.lr_scale for step in range(5)]
    assert len(monitor.lrs) == (2 if model_name == "transformer" else 4)
    assert all(rates == expected for rates in monitor.lrs.values())


@pytest.mark.parametrize("model_name", ["lstm", "gan"])
def test_a_row_has_the_learning_rate_of_its_step_and_only_what_is_reported_has_the_speed(
    model_name: str, encoded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etude.training.callbacks.LOG_EVERY", 1)
    settings = settings_for(model_name, max_steps=6, steps_per_epoch=3)
    reported: list[Mapping[str, float]] = []
    _, learned = run_training(settings, model_name, encoded, tmp_path, lambda row, step: reported.append(row))
    scale, optim = settings.models[model_name].get("lr_scale", 1.0), settings.schedule(model_name)[1]
    assert of(learned.history, "train/learning_rate") == [learning_rate(step, optim, 6) * scale for step in range(6)]
    assert not of(learned.history, "train/steps_per_second")
    speeds = [row["train/steps_per_second"] for row in reported if "train/steps_per_second" in row]
    assert len(speeds) == 4 and min(speeds) > 0, "the first step of an epoch has none"
