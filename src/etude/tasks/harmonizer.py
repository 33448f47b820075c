"""A trained model that draws voices to given ones, with what it needs for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude import models, representations
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Harmonize, Settings, target
from etude.core.files import read_json
from etude.core.seeds import seed_of
from etude.models.sequence import SequenceModel
from etude.representations.base.grid import VoicesOnGrid
from etude.sampling.constraints import observed


@dataclass(frozen=True)
class Harmonizer:
    """A trained model that draws voices to given ones, with what it needs."""

    model_name: str
    model: Any
    representation: VoicesOnGrid
    observed: NDArray[np.bool_]  # which tokens each voice has in train

    def rng(self, config: Harmonize, *numbers: int) -> list[np.random.Generator]:
        """Where the random numbers of each candidate come from."""
        return self.luck_of(config.seed, config.candidates, *numbers)

    def luck_of(self, seed: int, count: int, *numbers: int) -> list[np.random.Generator]:
        """The same for ``count`` harmonies."""
        seed = seed_of("harmony", seed, *numbers)
        return [np.random.default_rng((seed, place)) for place in range(count)]


def model_names(settings: Settings) -> list[str]:
    """The variants of the settings that can draw voices to given ones: neural ones that read voices on a grid.

    Those with a likelihood come first: the rules cost them the least of it.
    """
    able = []
    for model_name, section in settings.models.items():
        kind = target(section, f"models.{model_name}")
        name = section["representation"]
        read = settings.tokenize.get(name)
        grid = read is not None and issubclass(target(read, f"tokenize.{name}"), VoicesOnGrid)
        forward = issubclass(kind, SequenceModel) and kind.forward is not SequenceModel.forward
        if grid and (forward or kind.sampler == "gibbs"):
            able.append((forward, model_name))
    return [model_name for _, model_name in sorted(able, key=lambda pair: not pair[0])]


def load(settings: Settings, session: Session, model_name: str) -> Harmonizer:
    """The trained model of a variant, from models/``model_name``."""
    trained_by = f"etude train model={model_name}"
    folder = session.read(f"models/{model_name}", trained_by)
    name = read_json(folder / "settings.json", trained_by)["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    models.set_threads(settings.trainer.threads)
    representation = representations.load(store)
    model = models.load(settings, model_name, folder, store, representation)
    return Harmonizer(model_name, model, representation, observed(store, representation))
