"""The keys of trainer that are Lightning's own: what each does to a training."""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import smoke
from training.trainings import run_training, settings_for, start_process, task_of

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json
from etude.training import processes
from etude.training.objectives.next_token import NextToken, Windows
from etude.training.processes import forks, strategy
from etude.training.task import Learned
from etude.training.trainer import choose_hardware

PARENT = os.getpid()


def with_trainer(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, trainer=replace(settings.trainer, **changes))


def train_with(session: Session, folder: Path, model_name: str = "lstm", **changes: Any) -> Learned:
    settings = with_trainer(settings_for(model_name, max_steps=6, steps_per_epoch=3), **changes)
    return run_training(settings, model_name, session, folder, lambda row, step: None)[1]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The train batches that are drawn from here on, each as one number."""
    found: list[int] = []
    original = Windows.draw

    def draw(self: Windows, rng: np.random.Generator) -> torch.Tensor:
        batch = original(self, rng)
        found.append(hash(batch.numpy().tobytes()))
        return batch

    monkeypatch.setattr(Windows, "draw", draw)
    monkeypatch.setattr("etude.training.callbacks.LOG_EVERY", 1)
    return found


def steps_of(learned: Learned) -> list[float]:
    return [row["step"] for row in learned.history if "train/learning_rate" in row]


def test_accumulated_batches_make_one_step(encoded: Session, tmp_path: Path, drawn: list[int]) -> None:
    one = train_with(encoded, tmp_path / "one")
    assert len(drawn) == len(set(drawn)) == 6
    three = train_with(encoded, tmp_path / "three", accumulate_grad_batches=3)
    assert len(drawn) == 6 + 18 and len(set(drawn)) == 18, "each batch is drawn by its own number"
    assert steps_of(one) == steps_of(three) == [1, 2, 3, 4, 5, 6]
    rates = [
        [row["train/learning_rate"] for row in found.history if "train/learning_rate" in row] for found in (one, three)
    ]
    assert rates[0] == rates[1] and one.history != three.history


@pytest.mark.parametrize("model_name", ["gan", "wgan"])
def test_two_networks_in_turn_accumulate_nothing(model_name: str, encoded: Session, tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=rf"accumulate_grad_batches = 2 .*{model_name} updates two networks in turn"):
        train_with(encoded, tmp_path, model_name, accumulate_grad_batches=2)


def test_epochs_are_cut_short(encoded: Session, tmp_path: Path, drawn: list[int]) -> None:
    found = train_with(encoded, tmp_path, limit_train_batches=2)
    assert steps_of(found) == [1, 2, 3, 4] and len(set(drawn)) == 4
    half = train_with(encoded, tmp_path / "half", limit_train_batches=0.34)
    assert steps_of(half) == [1, 2] and half.result["steps"] == 2


def test_the_same_batches_in_every_epoch(encoded: Session, tmp_path: Path, drawn: list[int]) -> None:
    found = train_with(encoded, tmp_path, overfit_batches=2)
    assert steps_of(found) == [1, 2, 3, 4] and drawn[:2] == drawn[2:4] and len(set(drawn)) == 2


def test_a_validation_of_some_pieces_measures_these_alone(
    encoded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = task_of(settings_for("lstm"), encoded, tmp_path)
    objective, data = NextToken(model.eval(), task), Windows(model, task)
    found: list[float] = []
    monkeypatch.setattr(objective, "log", lambda name, value, **_: found.append(value))
    parts = [(places[row : row + 1], items[row : row + 1]) for places, items in data.valid for row in range(len(items))]
    for part in (parts, parts[:1], parts[1:]):
        objective.on_validation_epoch_start()
        for batch in part:
            with torch.no_grad():
                objective.validation_step(batch, 0)
        objective.on_validation_epoch_end()
    assert min(found[1:]) < found[0] < max(found[1:]), "all lie between the two parts"
    learned = train_with(encoded, tmp_path, limit_val_batches=1)
    assert np.isfinite(learned.result["valid/nats_per_note"])


def test_a_training_stops_in_time_and_keeps_what_it_has(encoded: Session, tmp_path: Path) -> None:
    settings = with_trainer(settings_for("lstm", max_steps=100000, steps_per_epoch=100000), max_time="00:00:00:01")
    started = time.monotonic()
    weights, learned = run_training(settings, "lstm", encoded, tmp_path, lambda row, step: None)
    assert time.monotonic() - started < 60 and 0 < learned.result["steps"] < 100000 and weights


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", r"Lightning refuses these settings of trainer: .*DD:HH:MM:SS"),
        ("00:00:00:00", r"trainer\.max_time = 00:00:00:00 was over before the first step"),
    ],
)
def test_a_time_that_cannot_be_kept_is_refused(text: str, message: str, encoded: Session, tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=message):
        train_with(encoded, tmp_path, max_time=text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("limit_train_batches", 1.5, r"between 1e-09 and 1"),
        ("limit_val_batches", 0, "out of range"),
        ("strategy", "dpp", r'Did you mean "ddp"\?'),
        ("num_nodes", 0, "at least 1"),
        ("max_time", 10, "must be a text"),
    ],
)
def test_values_are_checked(key: str, value: object, message: str) -> None:
    with pytest.raises(EtudeError, match=rf"trainer\.{key} = .*{message}"):
        smoke(trainer={key: value})


@pytest.mark.parametrize("name", ["simple", "advanced"])
def test_a_profile_is_a_file_of_the_run(name: str, encoded: Session, tmp_path: Path) -> None:
    session = replace(encoded, out=tmp_path, profiler=name)
    train_with(session, tmp_path / "checkpoints")
    (file,) = (tmp_path / "profile").iterdir()
    assert "lstm" in file.name and "run_training_batch" in file.read_text()


def _bf16_in_another_process() -> bool:
    return os.getpid() != PARENT


def test_the_precision_of_a_gpu_is_asked_elsewhere_as_processes_are_forked_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Benefiting(torch.nn.Module):
        gains_by_bf16 = True

    def refuse(*_: object) -> None:
        raise AssertionError("this process opened the GPU")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "_lazy_init", refuse)
    monkeypatch.setattr(torch.cuda, "is_available", refuse)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", _bf16_in_another_process)
    own = replace(smoke().trainer, precision="auto", accelerator="auto", devices=2)
    assert choose_hardware(own, Benefiting()) == ("gpu", "bf16")
    assert choose_hardware(own, torch.nn.Module()) == ("gpu", "float32")
    assert strategy(own, "gpu", True).process_group_backend == "nccl"  # type: ignore[union-attr]


def test_several_machines_need_an_address_and_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    own = smoke().trainer
    assert not forks(own) and strategy(own, "cpu", True) == "auto"
    assert forks(replace(own, strategy="ddp"))
    with pytest.raises(EtudeError, match=r"num_nodes = 2: .*MASTER_ADDR and MASTER_PORT .* NODE_RANK \(0 to 1\)"):
        strategy(replace(own, num_nodes=2), "cpu", True)
    forced = strategy(replace(own, strategy="ddp_find_unused_parameters_true"), "cpu", True)
    assert forced._ddp_kwargs["find_unused_parameters"] is True  # type: ignore[union-attr]


def _machine(settings: Settings, session: Session, place: Path, rank: int, port: int) -> None:
    from etude.stages import train

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": str(rank)}
    rows: list[Mapping[str, float]] = []

    class Log:
        def metrics(self, row: Mapping[str, float], step: int) -> None:
            rows.append(row)

        def finish(self, *_: object) -> None:
            pass

    pytest.MonkeyPatch().setattr(train, "start", lambda *_: Log())
    train.run(settings, session, "lstm")
    write_json(place / f"{rank}.json", {"rows": len(rows)})


def test_two_machines_train_one_model_and_the_first_keeps_it(encoded: Session, tmp_path: Path) -> None:
    settings = with_trainer(settings_for("lstm", max_steps=6, steps_per_epoch=3), num_nodes=2, accelerator="cpu")
    session = replace(encoded, out=tmp_path / "out")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machines = [start_process(_machine, settings, session, tmp_path, rank, port) for rank in (0, 1)]
    for machine in machines:
        machine.join(240)
    found = [read_json(tmp_path / f"{rank}.json", "")["rows"] for rank in (0, 1)]
    assert found[0] > 0 and found[1] == 0
    result = read_json(tmp_path / "out" / catalog.model("lstm").place / "result.json", "")
    assert result["steps"] == 6
    assert processes.forks(settings.trainer)
