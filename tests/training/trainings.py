"""Small trainings, for the tests of this room."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from conftest import SMALL, smoke
from injection import CONTEXT, start_server

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.models.building import build_model
from etude.models.weights import save_weights
from etude.representations.base.loading import load_representation
from etude.stages.train import train
from etude.training.task import Learned, Task

SCHEDULE = {"max_steps": 15, "steps_per_epoch": 5, "batch_size": 2, "window": 16, "patience": 50}


def start_process(target: Callable[..., None], *args: object) -> Any:
    """Run a function in a process of its own, which imports nothing again."""
    start_server()
    process = CONTEXT.Process(target=target, args=args)
    process.start()
    return process


def settings_for(model_name: str, **changes: object) -> Settings:
    base = smoke()
    sections = {**base.models, model_name: {**base.models[model_name], **SMALL.get(model_name, {})}}
    return smoke(train={**SCHEDULE, **changes}, models=sections, trainer={"steps": None}, optim={"averaging": 0.9})


def with_optim(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, optim={**settings.optim, **changes})


def run_training(
    settings: Settings,
    model_name: str,
    session: Session,
    folder: Path,
    report: Callable[[Mapping[str, float], int], None],
) -> tuple[str, Learned]:
    store = Store(session.root / "data/tokenize" / settings.models[model_name]["representation"])
    folder.mkdir(parents=True, exist_ok=True)
    model, _, learned = train(settings, model_name, store, session, folder, report)
    return save_weights(model, folder / "w.safetensors"), learned


def task_of(settings: Settings, session: Session, folder: Path, model_name: str = "lstm") -> tuple[Any, Task]:
    store = Store(session.root / "data/tokenize" / settings.models[model_name]["representation"])
    representation = load_representation(store)
    torch.manual_seed(0)
    model = build_model(settings.model(model_name), model_name, representation)
    return model, Task(settings, model_name, session, store, representation, folder, lambda row, step: None)
