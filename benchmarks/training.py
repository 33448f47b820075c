"""Training throughput of every neural model compared with plain PyTorch on the same model and batches.

Needs data/tokenize as `dvc repro` leaves it. The transformer is also compared with GPT-2 of the same size from Hugging
Face's transformers, where that is installed (`pip install -e '.[benchmark]'`). The contestants take turns, round by
round; the best round of each counts.
"""

import argparse
import contextlib
import importlib
import inspect
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.seeds import seed_of
from etude.models.building import build_model
from etude.representations.base.loading import load_representation
from etude.training.data import TrainingData
from etude.training.objectives import learn
from etude.training.task import Task
from etude.training.trainer import Objective, choose_hardware

WARMUP = 10  # steps that are not counted: memory is laid out, libraries choose their algorithms


def task_of(settings: Settings, session: Session, model_name: str, folder: Path, report: Any) -> tuple[Any, Task]:
    """A fresh model and what it learns from."""
    store = Store(session.root / "data/tokenize" / settings.models[model_name]["representation"])
    representation = load_representation(store)
    torch.manual_seed(seed_of("weights", settings.schedule(model_name)[0].seed))
    model = build_model(settings.model(model_name), model_name, representation)
    return model, Task(settings, model_name, session, store, representation, folder, report)


def measure_etude(settings: Settings, session: Session, model_name: str) -> float:
    """Steps a second of ``etude train``, without its final validation."""
    times: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        model, task = task_of(
            settings, session, model_name, Path(folder), lambda row, step: times.setdefault(step, time.perf_counter())
        )
        learn(model, task)
    last = max(times)
    return (last - WARMUP) / (times[last] - times[WARMUP])


def pair_of(settings: Settings, model_name: str, model: Any, task: Task) -> tuple[Objective, TrainingData[Any]]:
    """The objective of a model, and what draws its batches."""
    module = importlib.import_module(f"etude.training.objectives.{settings.models[model_name]['objective']}")
    own = [kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == module.__name__]

    def last(base: type) -> Any:
        kinds = [kind for kind in own if issubclass(kind, base)]
        (found,) = (kind for kind in kinds if not any(other in kinds for other in kind.__subclasses__()))
        return found

    return last(Objective)(model, task), last(TrainingData)(model, task)


class Plain:
    """A training step of an objective in plain PyTorch: no Lightning, no checkpoints, no history."""

    def __init__(self, objective: Objective, data: TrainingData[Any]) -> None:
        """Args: the objective whose step is taken, and what draws its batches."""
        self.objective, self.data = objective, data
        made: Any = objective.configure_optimizers()
        scheduled = made if isinstance(made, list) else [made]
        self.optimizers = [one["optimizer"] for one in scheduled]
        self.schedulers = [one["lr_scheduler"]["scheduler"] for one in scheduled]
        self.bf16 = choose_hardware(objective.task.settings.trainer, objective.model)[1] == "bf16"
        stub: Any = objective  # without Lightning's trainer
        stub.log = stub.log_dict = lambda *_, **__: None
        stub.optimizers = lambda: self.optimizers
        stub.manual_backward = lambda loss: loss.backward()
        stub.clip_gradients = lambda optimizer, gradient_clip_val, gradient_clip_algorithm: self.clip(optimizer)
        stub.toggle_optimizer = lambda optimizer: self.others_learn(optimizer, False)
        stub.untoggle_optimizer = lambda optimizer: self.others_learn(optimizer, True)

    def clip(self, optimizer: torch.optim.Optimizer) -> None:
        """Bound the norm of the gradient."""
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, self.objective.optim.clip)

    def others_learn(self, optimizer: torch.optim.Optimizer, learn: bool) -> None:
        """Whether gradients of the weights of the other optimizers are computed."""
        for other in self.optimizers:
            for group in other.param_groups if other is not optimizer else []:
                for weight in group["params"]:
                    weight.requires_grad_(learn)

    def step(self, number: int) -> None:
        """One step."""
        objective, config = self.objective, self.objective.config
        batch = self.data.draw(np.random.default_rng((config.seed, number)))
        torch.manual_seed(seed_of("step", config.seed, number))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss: Any = objective.training_step(batch, number)
        if objective.automatic_optimization:
            self.optimizers[0].zero_grad()
            loss.backward()
            self.clip(self.optimizers[0])
            self.optimizers[0].step()
        for scheduler in self.schedulers:
            scheduler.step()


def time_steps(step: Callable[[int], None], steps: int) -> float:
    """Steps a second after the first few."""
    for number in range(WARMUP):
        step(number)
    start = time.perf_counter()
    for number in range(WARMUP, steps):
        step(number)
    return (steps - WARMUP) / (time.perf_counter() - start)


def measure_plain(settings: Settings, session: Session, model_name: str) -> float:
    """Steps a second of the plain loop."""
    with tempfile.TemporaryDirectory() as folder:
        model, task = task_of(settings, session, model_name, Path(folder), lambda row, step: None)
        model.train()
        torch.set_num_threads(settings.trainer.threads)
        loop = Plain(*pair_of(settings, model_name, model, task))
        return time_steps(loop.step, loop.objective.config.max_steps)


def measure_gpt2(settings: Settings, session: Session, model_name: str) -> float:
    """Steps a second of a plain loop on Hugging Face's GPT-2 of the transformer's size, on the same batches."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from etude.training.objectives.next_token import NextToken, Windows

    with tempfile.TemporaryDirectory() as folder:
        own, task = task_of(settings, session, model_name, Path(folder), lambda row, step: None)
        section, objective, data = settings.models[model_name], NextToken(own, task), Windows(own, task)
        torch.set_num_threads(settings.trainer.threads)
        torch.manual_seed(0)
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=own.item_spec.size,
                n_positions=objective.config.window,
                n_embd=section["hidden"],
                n_layer=section["layers"],
                n_head=section["heads"],
                resid_pdrop=section["dropout"],
                embd_pdrop=section["dropout"],
                attn_pdrop=0.0,  # ours has none
                attn_implementation="sdpa",
                use_cache=False,
            )
        ).train()
        optimizer = torch.optim.AdamW(model.parameters(), objective.optim.lr, weight_decay=objective.optim.weight_decay)
        bf16 = choose_hardware(settings.trainer, own)[1] == "bf16"

        def step(number: int) -> None:
            tokens = data.draw(np.random.default_rng((objective.config.seed, number)))
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = model(input_ids=tokens, labels=tokens).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), objective.optim.clip)
            optimizer.step()

        return time_steps(step, objective.config.max_steps)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep everything but the table off standard output."""
    with contextlib.redirect_stdout(None):
        yield


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help="default: every neural model of params.yaml")
    parser.add_argument("--steps", type=int, default=60, help="of a round; the first 10 are not counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["auto", "float32", "bf16"], default="auto")
    given = parser.parse_args()
    session = Session(progress=False)
    settings = Settings.from_params(session.root / "params.yaml")
    settings = replace(
        settings,
        train={**settings.train, "max_steps": given.steps, "steps_per_epoch": given.steps},
        optim={**settings.optim, "averaging": None},
        trainer=replace(settings.trainer, precision=given.precision),
    )
    chosen = given.models or [name for name in settings.models if settings.models[name]["objective"] != "counting"]
    print("| model | precision | etude, steps a second | plain loop | etude / plain | GPT-2 | etude / GPT-2 |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for model_name in chosen:
        contestants: dict[str, Callable[[Settings, Session, str], float]] = {
            "etude": measure_etude,
            "plain": measure_plain,
        }
        if model_name == "transformer":
            with contextlib.suppress(ImportError):
                import transformers  # noqa: F401

                contestants["gpt2"] = measure_gpt2
        best = dict.fromkeys(contestants, 0.0)
        for _ in range(given.rounds):
            for name, measure in contestants.items():
                with quiet():
                    best[name] = max(best[name], measure(settings, session, model_name))
        model, _ = task_of(settings, session, model_name, Path(), lambda row, step: None)
        precision = choose_hardware(settings.trainer, model)[1]
        cells = [f"`{model_name}`", precision, f"{best['etude']:.2f}", f"{best['plain']:.2f}"]
        cells.append(f"{best['etude'] / best['plain']:.2f}")
        other = best.get("gpt2")
        cells += [f"{other:.2f}", f"{best['etude'] / other:.2f}"] if other else ["–", "–"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
