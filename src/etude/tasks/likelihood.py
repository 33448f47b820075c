"""The likelihood of valid and test under a trained model, and how good the predictions behind it are."""

import importlib

import numpy as np

from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest
from etude.config.check import target
from etude.config.sections import Settings
from etude.core.files import Json
from etude.metrics import prediction
from etude.metrics.distance import ratio_interval, round_floats
from etude.metrics.likelihood import per_unit, piece_costs
from etude.metrics.notes import bar_length
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
    if "test/nats_per_note" in found:  # of the last split
        notes = np.array([entry["notes"] for entry in facts["test"]])
        how = settings.evaluate
        low, high = ratio_interval(costs, notes, how.bootstrap, how.seed)
        found |= {"test/nats_per_note_low": low, "test/nats_per_note_high": high}
    return found


def comparison(settings: Settings, session: Session, model_name: str) -> Json:
    """How the trained ``model_name`` compares with others at what it is made for; empty where its class names nothing.

    A class names in ``comparison`` the file of tasks/ whose ``compare`` measures it.
    """
    name = getattr(target(settings.model(model_name), f"models.{model_name}"), "comparison", None)
    if name is None:
        return {}
    loaded = TrainedModel.load(settings, session, model_name)
    room = importlib.import_module(f"etude.tasks.{name}")
    found: Json = round_floats(room.compare(loaded, loaded.tokens(session), settings.evaluate))
    if session.progress:
        print(room.table(found))
    return found


def predictions(settings: Settings, session: Session, model_name: str) -> Json:
    """How good the predictions behind the likelihood of test are: ``etude.metrics.prediction.measure``, rounded.

    Empty for models that have no likelihood.
    """
    loaded = TrainedModel.load(settings, session, model_name)
    if not isinstance(loaded.model, SequenceModel):
        return {}
    store, source = loaded.tokens(session), read_ingest(settings, session)[0]
    ids = [entry["id"] for entry in store.manifest["pieces"]["test"]]
    scores = dict(source.scores(ids))
    bars = [bar_length(scores[name], loaded.representation.steps) for name in ids]
    made: Json = round_floats(prediction.measure(loaded.model, list(store.pieces("test")), loaded.representation, bars))
    return made
