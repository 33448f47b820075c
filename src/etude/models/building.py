"""How a model is made from its settings and a learned representation."""

from collections.abc import Mapping
from typing import Any

import torch

from etude.config.check import Positive, check, construct, target
from etude.core.errors import EtudeError
from etude.representations.base.representation import Representation

NOT_ARGUMENTS = (
    "representation",
    "objective",
    "lr_scale",
    "train",
    "optim",
    "generate",
)  # keys of a model that its class does not take


def build_model(section: Mapping[str, Any], model_name: str, representation: Representation) -> Any:
    """Make a model for a learned representation, its weights drawn by torch's global generator.

    Args:
        section: of the model in the settings.
        model_name: its name under ``models``, for messages.
        representation: what it reads.

    Raises:
        EtudeError: its class does not fit the representation, or its settings do not fit each other.
    """
    where = f"models.{model_name}"
    values = {name: value for name, value in section.items() if name not in NOT_ARGUMENTS}
    kind = target(values, where)
    given = {name: getattr(representation, name, None) for name in kind.takes}
    if representation.kind not in kind.reads or None in given.values():
        missing = "" if representation.kind not in kind.reads else f" without {' and '.join(kind.takes)}"
        raise EtudeError(
            f"{where}.representation = {section['representation']}: {kind.__name__} reads {' or '.join(kind.reads)}, "
            f"that representation gives {representation.kind}{missing}."
        )
    try:
        model = construct(kind, values, where, **given)
    except ValueError as error:  # a class does not know under which name the settings have it
        raise EtudeError(f"{where}: {error}") from error
    model.lr_scale = check(section.get("lr_scale", 1.0), Positive, f"{where}.lr_scale")
    return model


def set_threads(count: int) -> None:
    """Fix the number of threads, which decides the order of sums and so the last digits."""
    torch.set_num_threads(count)
