"""The share of a training step that its matrix products would take alone, on one thread, for every neural model.

Each product of a plain training step (see ``training.py``) is recorded with its shapes and layout, and then run alone,
many times in a row. A share of 1 is a step that does nothing else, as fast as the machine multiplies such matrices. An
LSTM layer counts as its products: one for the inputs of all frames, one for the state of each frame, and the same
twice for its gradient. Attention counts as two products of all queries with all keys, and four for its gradient,
though of causal attention half is left out.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from training import WARMUP, Plain, pair_of, quiet, task_of

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.training.trainer import choose_hardware

Shape = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], torch.dtype]  # sizes, strides


class Products(TorchDispatchMode):
    """Counts the matrix products of what runs in it, by their shapes."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.found: Counter[Shape] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See TorchDispatchMode."""
        name, tensors = func.overloadpacket.__name__, [one for one in args if isinstance(one, torch.Tensor)]
        if name in ("mm", "bmm"):
            self._add(tensors[0], tensors[1])
        elif name in ("addmm", "baddbmm"):
            self._add(tensors[1], tensors[2])
        elif name == "mkldnn_rnn_layer":
            self._add_layer(tensors, backward=False)
        elif name == "mkldnn_rnn_layer_backward":
            self._add_layer(tensors, backward=True)
        elif name == "_scaled_dot_product_flash_attention_for_cpu":
            self._add_attention(*tensors[:3], times=1)
        elif name == "_scaled_dot_product_flash_attention_for_cpu_backward":
            self._add_attention(*tensors[1:4], times=2)
        elif any(part in name for part in ("mm", "rnn", "lstm", "conv", "attention")) and "cum" not in name:
            raise SystemExit(f"{name} is not counted; see benchmarks/products.py.")
        return func(*args, **(kwargs or {}))

    def _add(self, one: torch.Tensor, other: torch.Tensor, times: int = 1) -> None:
        shape = (tuple(one.shape), tuple(one.stride()), tuple(other.shape), tuple(other.stride()), one.dtype)
        self.found[shape] += times

    def _add_layer(self, tensors: list[torch.Tensor], backward: bool) -> None:
        inputs, of_inputs, of_state = tensors[:3]  # (T, B, I), (4 H, I), (4 H, H)
        frames, batch, width = inputs.shape
        hidden = of_state.shape[1]
        flat, state = inputs.new_empty(frames * batch, width), inputs.new_empty(batch, hidden)
        gates, gates_of_frame = inputs.new_empty(frames * batch, 4 * hidden), inputs.new_empty(batch, 4 * hidden)
        if not backward:
            self._add(flat, of_inputs.t())
            self._add(state, of_state.t(), frames)
            return
        self._add(gates, of_inputs)
        self._add(gates.t(), flat)
        self._add(gates_of_frame, of_state, frames)
        self._add(gates.t(), inputs.new_empty(frames * batch, hidden))

    def _add_attention(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, times: int) -> None:
        queries, keys, values = (one.flatten(0, 1) for one in (queries, keys, values))  # (B * heads, T, D)
        self._add(queries, keys.transpose(1, 2), times)
        self._add(queries.new_empty(*queries.shape[:2], keys.shape[1]), values, times)


def operations(shape: Shape) -> int:
    """Floating-point operations of a product: a multiplication and an addition each."""
    (*batch, rows, inner), _, other, _, _ = shape
    return 2 * (batch[0] if batch else 1) * rows * inner * other[-1]


def alone(shape: Shape) -> float:
    """Seconds of a product that runs again and again."""
    size, stride, other_size, other_stride, dtype = shape
    one = torch.empty_strided(size, stride, dtype=dtype).normal_()
    other = torch.empty_strided(other_size, other_stride, dtype=dtype).normal_()
    return repeat(lambda: torch.matmul(one, other))


def repeat(call: Callable[[], Any], least: float = 0.02, rounds: int = 3) -> float:
    """Seconds of a call: of the best of some rounds, each of ``least`` seconds at least."""
    call()
    times, best = 1, float("inf")
    for _ in range(rounds):
        while True:
            start = time.perf_counter()
            for _ in range(times):
                call()
            taken = time.perf_counter() - start
            if taken >= least:
                break
            times *= 2
        best = min(best, taken / times)
    return best


def measure(settings: Settings, session: Session, model_name: str, rounds: int) -> str:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        model, task = task_of(settings, session, model_name, Path(folder), lambda row, step: None)
        model.train()
        torch.set_num_threads(1)
        loop = Plain(*pair_of(settings, model_name, model, task))
        for number in range(WARMUP):
            loop.step(number)
        products, steps = Products(), range(WARMUP, loop.objective.config.max_steps)
        with products:
            for number in steps:
                loop.step(number)
        work = sum(operations(shape) * times for shape, times in products.found.items()) / len(steps)
        step = product = float("inf")
        for _ in range(rounds):
            start = time.perf_counter()
            for number in steps:
                loop.step(number)
            step = min(step, (time.perf_counter() - start) / len(steps))
            product = min(product, sum(alone(shape) * times for shape, times in products.found.items()) / len(steps))
        precision = choose_hardware(settings.trainer, model)[1]
    rates = [f"{work / seconds / 1e9:.0f}" for seconds in (step, product)]
    cells = [f"`{model_name}`", precision, f"{step * 1e3:.0f}", f"{work / 1e9:.1f}", *rates, f"{product / step:.2f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help="default: every neural model of params.yaml")
    parser.add_argument("--steps", type=int, default=20, help="that are timed after the first 10")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    session = Session(progress=False)
    settings = Settings.from_params(session.root / "params.yaml")
    steps = WARMUP + given.steps
    settings = replace(
        settings,
        train={**settings.train, "max_steps": steps, "steps_per_epoch": steps},
        optim={**settings.optim, "averaging": None},
    )
    chosen = given.models or [name for name in settings.models if settings.models[name]["objective"] != "counting"]
    print("| model | precision | ms a step | GFLOP a step | GFLOP/s | of its products alone | share |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for model_name in chosen:
        with quiet():
            row = measure(settings, session, model_name, given.rounds)
        print(row, flush=True)


if __name__ == "__main__":
    main()
