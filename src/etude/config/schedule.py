"""How one model is trained: the sections ``train`` and ``optim``, with the model's own value for each null key.

``models.lstm.train`` and ``models.lstm.optim`` hold the values of lstm. ``train.max_steps=200`` on the command line
holds for all models, and ``null`` leaves each model its own value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypeVar, get_type_hints

from etude.config.check import Count, Fraction, Natural, Range, Seed, check, construct
from etude.core.errors import EtudeError, closest

T = TypeVar("T")
MAY_BE_NULL = ("averaging", "keep")
WINDOW = 256  # items of a training window, of a model that names no other


@dataclass(frozen=True)
class Optim:
    """AdamW with linear warm-up and cosine decay."""

    lr: Annotated[float, Range(1e-8, 1)]
    weight_decay: Annotated[float, Range(0, 10)]
    warmup_steps: Natural
    final_lr: Fraction
    clip: Annotated[float, Range(1e-6)]
    label_smoothing: Annotated[float, Range(0, 0.9)]
    averaging: Annotated[float, Range(0, 0.99999)] | None


@dataclass(frozen=True)
class Train:
    """One training."""

    seed: Seed
    max_steps: Count
    steps_per_epoch: Count
    batch_size: Count
    window: Annotated[int, Range(2, 65536)]
    patience: Count
    keep: Count | None


def schedule_of(
    model_name: str, section: Mapping[str, Any], train: Mapping[str, Any], optim: Mapping[str, Any], steps: int | None
) -> tuple[Train, Optim]:
    """The training and the optimiser of one model, checked.

    Args:
        model_name: a name under ``models``.
        section: its section, with ``train`` and ``optim`` if it has any.
        train: the section ``train``; null selects the model's own value.
        optim: the section ``optim``; null selects the model's own value.
        steps: ``trainer.steps``, which ends any training sooner.
    """
    own = f"models.{model_name}"
    if section.get("objective") == "counting":  # it has no steps and no schedule of its own
        train = {name: 1 if value is None and name != "window" else value for name, value in train.items()}
    mine = {"window": WINDOW, **check(section.get("train") or {}, dict, f"{own}.train")}
    made = _merge(Train, train, mine, "train", own)
    last = min(made.max_steps, steps or made.max_steps)
    made = replace(made, max_steps=last, steps_per_epoch=min(made.steps_per_epoch, last))
    return made, _merge(Optim, optim, section.get("optim"), "optim", own)


def _merge(kind: type[T], given: Mapping[str, Any], own: Any, where: str, model: str) -> T:
    """Replace each null of ``given`` by the model's own value. Messages name the key that the value comes from."""
    own = check({} if own is None else own, dict, f"{model}.{where}")
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in own:
        if name not in known:
            raise EtudeError(f"{model}.{where}.{name} is not a setting. {closest(name, known)}")
    mine = {name: value for name, value in own.items() if given.get(name) is None}
    for name, value in given.items():
        if value is None and name in known and mine.get(name) is None and name not in MAY_BE_NULL:
            raise EtudeError(f"{where}.{name} is null, and {model}.{where}.{name} is not set. Set one of them.")
    hints = get_type_hints(kind, include_extras=True)
    for name, value in mine.items():
        check(value, hints[name], f"{model}.{where}.{name}")
    return construct(kind, {**given, **mine}, where)
