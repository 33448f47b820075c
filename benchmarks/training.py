"""Training throughput of every neural variant beside plain PyTorch on the same model and batches.

Needs data/tokenize as `dvc repro` leaves it. The transformer is also measured beside GPT-2 of the same size from
transformers of Hugging Face, where that is installed (`pip install -e '.[benchmark]'`). The sides take turns, round by
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

from etude import models, representations
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.seeds import seed_of
from etude.training import Task, learn
from etude.training.trainer import Scheme, learning_rate, resolved

BOS = 10  # steps that are not counted: memory is laid out, libraries choose their ways


def task_of(settings: Settings, session: Session, model_name: str, folder: Path, report: Any) -> tuple[Any, Task]:
    """A fresh model and what it learns from."""
    store = Store(session.root / "data/tokenize" / settings.models[model_name]["representation"])
    representation = representations.load(store)
    torch.manual_seed(seed_of("weights", settings.train.seed))
    model = models.build(settings, model_name, representation)
    return model, Task(settings, session, store, representation, folder, report)


def ours(settings: Settings, session: Session, model_name: str) -> float:
    """Steps a second of ``etude train``, without the validation at its end."""
    times: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        model, task = task_of(
            settings, session, model_name, Path(folder), lambda row, step: times.setdefault(step, time.perf_counter())
        )
        learn(model, task, model_name)
    last = max(times)
    return (last - BOS) / (times[last] - times[BOS])


def scheme_of(settings: Settings, model_name: str) -> type[Scheme]:
    """The scheme by which a variant learns."""
    module = importlib.import_module(f"etude.training.{settings.models[model_name]['objective']}")
    own = [kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == module.__name__]
    schemes = [kind for kind in own if issubclass(kind, Scheme)]
    (found,) = (kind for kind in schemes if not any(other in schemes for other in kind.__subclasses__()))
    return found


class Plain:
    """What a training step of a scheme needs, done by hand: no Lightning, no checkpoints, no history."""

    def __init__(self, scheme: Scheme) -> None:
        """Args: the scheme whose step is taken."""
        self.scheme = scheme
        made = scheme.configure_optimizers()
        self.optimizers = made if isinstance(made, list) else [made]
        self.bf16 = resolved(scheme.task.settings.trainer, scheme.model)[1] == "bf16"
        away: Any = scheme
        away.log = away.log_dict = lambda *_, **__: None
        away.optimizers = lambda: self.optimizers
        away.manual_backward = lambda loss: loss.backward()
        away.clip_gradients = lambda optimizer, gradient_clip_val, gradient_clip_algorithm: self.clip(optimizer)
        away.toggle_optimizer = lambda optimizer: self.others_learn(optimizer, False)
        away.untoggle_optimizer = lambda optimizer: self.others_learn(optimizer, True)

    def clip(self, optimizer: torch.optim.Optimizer) -> None:
        """Bound the norm of the gradient."""
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, self.scheme.optim.clip)

    def others_learn(self, optimizer: torch.optim.Optimizer, learn: bool) -> None:
        """Whether gradients of the weights of the other optimizers are worked out."""
        for other in self.optimizers:
            for group in other.param_groups if other is not optimizer else []:
                for weight in group["params"]:
                    weight.requires_grad_(learn)

    def step(self, number: int) -> None:
        """One step."""
        scheme, config = self.scheme, self.scheme.config
        batch = scheme.draw(np.random.default_rng((config.seed, number)))
        torch.manual_seed(seed_of("step", config.seed, number))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(number, scheme.optim, config.max_steps) * scheme.lr_scale
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss: Any = scheme.training_step(batch, number)
        if scheme.automatic_optimization:
            self.optimizers[0].zero_grad()
            loss.backward()
            self.clip(self.optimizers[0])
            self.optimizers[0].step()


def timed(step: Callable[[int], None], steps: int) -> float:
    """Steps a second after the first few."""
    for number in range(BOS):
        step(number)
    began = time.perf_counter()
    for number in range(BOS, steps):
        step(number)
    return (steps - BOS) / (time.perf_counter() - began)


def plain(settings: Settings, session: Session, model_name: str) -> float:
    """Steps a second of the plain loop."""
    with tempfile.TemporaryDirectory() as folder:
        model, task = task_of(settings, session, model_name, Path(folder), lambda row, step: None)
        model.train()
        torch.set_num_threads(settings.trainer.threads)
        return timed(Plain(scheme_of(settings, model_name)(model, task)).step, settings.config.max_steps)


def gpt2(settings: Settings, session: Session, model_name: str) -> float:
    """Steps a second of a plain loop on Hugging Face's GPT-2 of the transformer's size, on the same batches."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from etude.training.next_token import NextToken

    with tempfile.TemporaryDirectory() as folder:
        own, task = task_of(settings, session, model_name, Path(folder), lambda row, step: None)
        section, scheme = settings.models[model_name], NextToken(own, task)
        torch.set_num_threads(settings.trainer.threads)
        torch.manual_seed(0)
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=own.embed.num_embeddings,
                n_positions=scheme.config.window,
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
        optimizer = torch.optim.AdamW(model.parameters(), scheme.optim.lr, weight_decay=scheme.optim.weight_decay)
        bf16 = resolved(settings.trainer, own)[1] == "bf16"

        def step(number: int) -> None:
            tokens = scheme.draw(np.random.default_rng((scheme.config.seed, number)))
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = model(input_ids=tokens, labels=tokens).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), scheme.optim.clip)
            optimizer.step()

        return timed(step, settings.config.max_steps)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing but the table on standard output."""
    with contextlib.redirect_stdout(None):
        yield


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("variants", nargs="*", help="default: every neural variant of params.yaml")
    parser.add_argument("--steps", type=int, default=60, help="of a round; the first 10 are not counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["auto", "float32", "bf16"], default="auto")
    given = parser.parse_args()
    session = Session(progress=False)
    settings = Settings.from_params(session.root / "params.yaml")
    settings = replace(
        settings,
        train=replace(settings.train, max_steps=given.steps, steps_per_epoch=given.steps),
        optim=replace(settings.optim, averaging=None),
        trainer=replace(settings.trainer, precision=given.precision),
    )
    chosen = given.model_names or [name for name in settings.models if settings.models[name]["objective"] != "counting"]
    print("| variant | precision | etude, steps a second | plain loop | etude / plain | GPT-2 | etude / GPT-2 |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for model_name in chosen:
        splits: dict[str, Callable[[Settings, Session, str], float]] = {"ours": ours, "plain": plain}
        if model_name == "transformer":
            with contextlib.suppress(ImportError):
                import transformers  # noqa: F401

                splits["gpt2"] = gpt2
        best = dict.fromkeys(splits, 0.0)
        for _ in range(given.rounds):
            for name, measure in splits.items():
                with quiet():
                    best[name] = max(best[name], measure(settings, session, model_name))
        model, _ = task_of(settings, session, model_name, Path(), lambda row, step: None)
        cells = [f"`{model_name}`", resolved(settings.trainer, model)[1], f"{best['ours']:.2f}", f"{best['plain']:.2f}"]
        cells.append(f"{best['ours'] / best['plain']:.2f}")
        other = best.get("gpt2")
        cells += [f"{other:.2f}", f"{best['ours'] / other:.2f}"] if other else ["–", "–"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
