"""The likelihood of valid and test under a trained model."""

import importlib

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.metrics.likelihood import per_unit, piece_costs
from etude.models.sequence import SequenceModel
from etude.tasks.trained_model import TrainedModel


def likelihood(settings: Settings, session: Session, model_name: str) -> dict[str, float]:
    """Likelihood of valid and test under the trained ``model_name``; empty for models that have none (GANs).

    Models that have something else instead name in ``measure`` the file of metrics/ that measures it.
    """
    loaded = TrainedModel.load(settings, session, model_name)
    model, store = loaded.model, loaded.tokens(session)
    if measure := getattr(model, "measure", None):
        own: dict[str, float] = importlib.import_module(f"etude.metrics.{measure}").likelihood(model, store)
        return own
    if not isinstance(model, SequenceModel):
        return {}
    facts = store.manifest["pieces"]
    found: dict[str, float] = {}
    for split in ("valid", "test"):
        costs, ends = piece_costs(model, list(store.pieces(split)))
        found |= per_unit(costs, facts[split], split, ends)
    return found
