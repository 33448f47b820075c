"""Weights on disk, as safetensors: each tensor in float16 where that loses nothing."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from etude.core.files import digest, require_room


@torch.no_grad()
def round_weights(model: nn.Module) -> None:
    """Round the float32 parameters of a model to float16, in place, so that they are stored in half the space.

    A parameter with a number beyond the range of float16 stays as it is.
    """
    for parameter in model.parameters():
        rounded = parameter.half()
        if parameter.dtype == torch.float32 and rounded.isfinite().all():
            parameter.copy_(rounded)


def save_weights(model: nn.Module, file: Path) -> str:
    """Write the weights as safetensors and return their digest."""
    data = save({name: _smallest(tensor) for name, tensor in sorted(model.state_dict().items())})
    require_room(file, len(data))
    file.write_bytes(data)
    return digest(file)


def load_weights(model: nn.Module, file: Path) -> None:
    """Put the weights of a file into a model of the same shapes."""
    model.load_state_dict(load_file(file))


def _smallest(tensor: Tensor) -> Tensor:
    tensor = tensor.contiguous()
    half = tensor.half()
    return half if tensor.dtype == torch.float32 and torch.equal(half.float(), tensor) else tensor


def count_parameters(model: nn.Module) -> int:
    """Number of trained numbers: weights, or stored counts."""
    return sum(tensor.numel() for tensor in model.state_dict().values())
