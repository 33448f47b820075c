"""Which models can do a task: those whose class can, and whose representation's class can too."""

from dataclasses import dataclass

from etude.artifacts.context import Session
from etude.config.check import construct, target
from etude.config.sections import Settings
from etude.core.errors import EtudeError


@dataclass(frozen=True)
class Capability:
    """The class attributes that say whether a model can do a task; a class without one cannot."""

    of_model: str
    of_representation: str


CONTINUE = Capability("can_continue", "tells_time")
HARMONIZE = Capability("can_harmonize", "is_voice_grid")
CONDITION = Capability("can_condition", "has_controls")


def is_able(settings: Settings, model_name: str, capability: Capability) -> bool:
    """Whether a model of the settings can do a task, trained or not."""
    section = settings.models[model_name]
    name = section["representation"]
    values = settings.tokenize.get(name)
    if values is None or not getattr(target(section, f"models.{model_name}"), capability.of_model, False):
        return False
    where = f"tokenize.{name}"
    representation = construct(target(values, where), values, where)  # some settings, as merges, decide too
    return bool(getattr(representation, capability.of_representation, False))


def able_models(settings: Settings, capability: Capability) -> list[str]:
    """The models of the settings that can do a task, in the order of the settings."""
    return [model_name for model_name in settings.models if is_able(settings, model_name, capability)]


def harmonizing_models(settings: Settings) -> list[str]:
    """The models of the settings that can harmonise.

    Those that write forwards come first: they have a likelihood, of which the rules cost them the least.
    """
    able = able_models(settings, HARMONIZE)
    return sorted(able, key=lambda name: not getattr(target(settings.models[name], "models"), "can_continue", False))


def name_able(settings: Settings, session: Session, capability: Capability) -> str:
    """A sentence for messages: the chosen models that can do a task, or else those of the whole project."""
    order = harmonizing_models if capability is HARMONIZE else lambda known: able_models(known, capability)
    names = order(settings)
    if not names:
        try:
            names = order(Settings.from_params(session.root / "params.yaml"))
        except EtudeError:  # the settings of the project are not what the message is about
            return "None of the chosen models can."
    return f"Those can: model={' or model='.join(names)}."
