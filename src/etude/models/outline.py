"""Models without values: their tensors have names, shapes and types, and take no memory."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

T = TypeVar("T")
# What makes the tensors of layers. Others, as the places of features, are computed from what they hold.
MAKERS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.empty: torch.empty,
    torch.zeros: torch.zeros,
    torch.ones: torch.ones,
}
MAKERS |= {torch.randn: torch.empty, torch.rand: torch.empty}
DRAWS = ("normal_", "uniform_", "random_", "bernoulli_", "trunc_normal_", "orthogonal_")  # of values that there are not
SCALES = ("mul", "mul_", "div", "div_")  # by a number, which takes torch a second or more for the first such tensor


class _WithoutValues(TorchFunctionMode):
    """Makes tensors of layers on torch's device ``meta``, and draws no values for them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[Any], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """See torch.overrides.TorchFunctionMode."""
        kwargs = kwargs or {}
        if func in MAKERS:
            return MAKERS[func](*args, **{**kwargs, "device": "meta"})
        if getattr(func, "__name__", "") in DRAWS:
            return args[0] if args else kwargs["tensor"]
        if getattr(func, "__name__", "") in SCALES and args[0].is_meta and isinstance(args[1], int | float):
            return args[0]
        return func(*args, **kwargs)


def outline(make: Callable[[], T]) -> T:
    """What ``make`` makes, its layers without values. torch's random state stays as it is.

    Raises:
        RuntimeError: a tensor would have more numbers than torch can count.
    """
    with torch.random.fork_rng(devices=[]), _WithoutValues():
        return make()


def count_bytes(model: nn.Module) -> tuple[int, int]:
    """The bytes of a model's parameters, and of its other tensors."""
    parameters = sum(tensor.numel() * tensor.element_size() for tensor in model.parameters())
    return parameters, sum(tensor.numel() * tensor.element_size() for tensor in model.buffers())
