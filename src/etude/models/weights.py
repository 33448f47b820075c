"""Weights on disk, as safetensors: each tensor in float16 where that loses nothing."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from etude.core.errors import EtudeError
from etude.core.files import digest, require_room

MOST_HEADER = 10_000_000  # bytes; a tensor takes about 100
TYPES = {  # of a tensor of a model -> those that it may have in a file, as safetensors names them
    torch.float32: ("F32", "F16"),
    torch.float64: ("F64",),
    torch.float16: ("F16",),
    torch.bfloat16: ("BF16",),
    torch.int64: ("I64",),
    torch.int32: ("I32",),
    torch.int16: ("I16",),
    torch.int8: ("I8",),
    torch.uint8: ("U8",),
    torch.bool: ("BOOL",),
}


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


def check_weights(model: nn.Module, file: Path) -> None:
    """Raise EtudeError unless a file has the tensors of a model, by names, shapes and types; none of them is read.

    A tensor may be in float16 where the model has float32. A model that makes its tensors as it takes them, as one that
    counts, checks them itself.
    """
    _check_header(file)
    if type(model).load_state_dict is not nn.Module.load_state_dict:
        return
    expected = {name: (list(tensor.shape), tensor.dtype) for name, tensor in model.state_dict().items()}
    try:
        with safe_open(file, "pt") as stored:
            slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            found = {name: (list(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except SafetensorError as error:
        raise EtudeError(f"{file} is damaged ({error}).") from None
    if odd := sorted(set(expected) ^ set(found)):
        what = "has no" if odd[0] in expected else "has a"
        raise EtudeError(
            f"{file} {what} tensor {odd[0][:60]!r}, unlike the model of config.json: it is of another one."
        )
    for name, (shape, kind) in expected.items():
        held, stated = found[name]
        if held != shape or stated not in TYPES.get(kind, ()):
            raise EtudeError(
                f"{file}: the tensor {name} is {stated} of shape {held}, the model of config.json has {kind} of shape "
                f"{shape}: the file is of another one."
            )


def _check_header(file: Path) -> None:
    """Refuse a header longer than that of any model: safetensors would read up to 100 MB of text."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if length > MOST_HEADER:
        raise EtudeError(f"{file} is damaged: its header has {length} bytes, {MOST_HEADER} is the most.")


def load_weights(model: nn.Module, file: Path) -> None:
    """Put the weights of a file into a model of the same tensors.

    Raises:
        EtudeError: the file is damaged, has other tensors, or a number that is not finite.
    """
    check_weights(model, file)
    try:
        tensors = load_file(file)
    except SafetensorError as error:
        raise EtudeError(f"{file} is damaged ({error}).") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise EtudeError(f"{file}: the tensor {name[:60]} has a number that is not finite. Train the model again.")
    try:
        model.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        raise EtudeError(f"{file} is not of the model of config.json ({str(error).partition(chr(10))[0]}).") from None


def _smallest(tensor: Tensor) -> Tensor:
    tensor = tensor.contiguous()
    half = tensor.half()
    return half if tensor.dtype == torch.float32 and torch.equal(half.float(), tensor) else tensor


def count_parameters(model: nn.Module) -> int:
    """Number of trained numbers: weights, or stored counts."""
    return sum(tensor.numel() for tensor in model.state_dict().values())
