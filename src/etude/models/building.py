"""How a model is made from its settings and a learned representation."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from torch import nn

from etude.config.check import Positive, Range, check, construct, target
from etude.core.errors import EtudeError
from etude.core.memory import in_words, total_memory
from etude.core.project import PACKAGE
from etude.models.ensemble import Ensemble
from etude.models.outline import count_bytes, outline
from etude.representations.base.representation import Representation

NOT_ARGUMENTS = (
    "representation",
    "objective",
    "lr_scale",
    "train",
    "optim",
    "generate",
    "networks",
)  # keys of a model that its class does not take


def build_model(
    section: Mapping[str, Any], model_name: str, representation: Representation, to_train: bool = True
) -> Any:
    """Make a model for a learned representation, its weights drawn by torch's global generator.

    Args:
        section: of the model in the settings.
        model_name: its name under ``models``, for messages.
        representation: what it reads.
        to_train: whether memory for a training is needed too.

    Raises:
        EtudeError: its class does not fit the representation, its settings do not fit each other, or it is larger than
            the memory of this machine; then none of it was taken.
    """
    where = f"models.{model_name}"
    make = _maker(section, where, representation)
    _require_memory(_outline(make, section, where), section, where, to_train)
    model = make()
    model.lr_scale = check(section.get("lr_scale", 1.0), Positive, f"{where}.lr_scale")
    return model


def outline_model(section: Mapping[str, Any], model_name: str, representation: Representation) -> Any:
    """The model that ``build_model`` makes, without values: its tensors have names, shapes and types alone.

    None where a class of another package cannot be made without values.

    Raises:
        EtudeError: as ``build_model``, but for its memory.
    """
    where = f"models.{model_name}"
    return _outline(_maker(section, where, representation), section, where)


def _maker(section: Mapping[str, Any], where: str, representation: Representation) -> Callable[[], Any]:
    values = {name: value for name, value in section.items() if name not in NOT_ARGUMENTS}
    kind = target(values, where)
    networks = check(section.get("networks", 1), Annotated[int, Range(1, 64)], f"{where}.networks")
    if networks > 1 and not Ensemble.takes_kind(kind):
        raise EtudeError(f"{where}.networks = {networks} is for models that predict the next item alone, as lstm.")
    given = {name: getattr(representation, name, None) for name in kind.takes}
    if representation.kind not in kind.reads or None in given.values():
        missing = "" if representation.kind not in kind.reads else f" without {' and '.join(kind.takes)}"
        raise EtudeError(
            f"{where}.representation = {section['representation']}: {kind.__name__} reads {' or '.join(kind.reads)}, "
            f"that representation gives {representation.kind}{missing}."
        )

    def make() -> Any:
        try:
            made = [construct(kind, values, where, **given) for _ in range(networks)]
        except ValueError as error:  # a class does not know under which name the settings have it
            raise EtudeError(f"{where}: {error}") from error
        return Ensemble(made) if networks > 1 else made[0]

    return make


def _outline(make: Callable[[], Any], section: Mapping[str, Any], where: str) -> Any:
    """What ``make`` makes, without values. None where a class of another package needs them to be made."""
    try:
        return outline(make)
    except (RuntimeError, TypeError) as error:
        if "overflow" not in str(error).lower():  # of a number of numbers
            if str(section["_target_"]).startswith(f"{PACKAGE.name}."):
                raise
            return None
        reason = str(error).partition("\n")[0].rstrip(".")
        raise EtudeError(
            f"{where}: no model can be made of its settings ({reason}). {_sizes(section, where)}"
        ) from None


def _require_memory(model: nn.Module | None, section: Mapping[str, Any], where: str, to_train: bool) -> None:
    """Refuse a model that does not fit into the memory of this machine."""
    if model is None:
        return
    parameters, others = count_bytes(model)
    # a training keeps a gradient and AdamW's two moments for each weight, on the GPU if there is one
    learns = to_train and not torch.cuda.is_available()
    needed, there = parameters * (4 if learns else 1) + others, total_memory()
    if needed > there:
        count = sum(parameter.numel() for parameter in model.parameters())
        what = "A training needs" if learns else "They need"
        raise EtudeError(
            f"{where}: its settings make {count} parameters. {what} at least {in_words(needed)} of memory, this "
            f"machine has {in_words(there)}. {_sizes(section, where)}"
        )


def _sizes(section: Mapping[str, Any], where: str) -> str:
    """What to do about a model that is too large."""
    numbers = {
        name: value
        for name, value in section.items()
        if name not in NOT_ARGUMENTS and isinstance(value, int | list) and not isinstance(value, bool)
    }
    return f"Lower a size of {where}: {', '.join(f'{name} = {value}' for name, value in numbers.items())}."


def set_threads(count: int) -> None:
    """Fix the number of threads, which decides the order of sums and so the last digits."""
    torch.set_num_threads(count)
