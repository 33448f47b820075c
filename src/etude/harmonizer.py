"""A trained model that draws voices to given ones, with what it needs for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude import models, representations
from etude.encoding.grid import VoicesOnGrid
from etude.encoding.store import Store
from etude.models.sequence import SequenceModel
from etude.outputs import read_json
from etude.sampling.constraints import heard
from etude.seeds import seed_of
from etude.session import Session
from etude.settings import Harmonize, Settings, target


@dataclass(frozen=True)
class Harmonizer:
    """A trained model that draws voices to given ones, with what it needs."""

    variant: str
    model: Any
    representation: VoicesOnGrid
    heard: NDArray[np.bool_]  # which tokens each voice has in train

    def luck(self, plan: Harmonize, *numbers: int) -> list[np.random.Generator]:
        """Where the random numbers of each candidate come from."""
        return self.luck_of(plan.seed, plan.candidates, *numbers)

    def luck_of(self, seed: int, count: int, *numbers: int) -> list[np.random.Generator]:
        """The same for ``count`` harmonies."""
        seed = seed_of("harmony", seed, *numbers)
        return [np.random.default_rng((seed, place)) for place in range(count)]


def variants(settings: Settings) -> list[str]:
    """The variants of the settings that can draw voices to given ones: neural ones that read voices on a grid.

    Those with a likelihood come first: the rules cost them the least of it.
    """
    able = []
    for variant, section in settings.models.items():
        kind = target(section, f"models.{variant}")
        name = section["representation"]
        read = settings.tokenize.get(name)
        grid = read is not None and issubclass(target(read, f"tokenize.{name}"), VoicesOnGrid)
        forward = issubclass(kind, SequenceModel) and kind.forward is not SequenceModel.forward
        if grid and (forward or kind.sampler == "gibbs"):
            able.append((forward, variant))
    return [variant for _, variant in sorted(able, key=lambda pair: not pair[0])]


def load(settings: Settings, session: Session, variant: str) -> Harmonizer:
    """The trained model of a variant, from models/``variant``."""
    trained_by = f"etude train model={variant}"
    folder = session.read(f"models/{variant}", trained_by)
    name = read_json(folder / "settings.json", trained_by)["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    models.set_threads(settings.trainer.threads)
    representation = representations.load(store)
    model = models.load(settings, variant, folder, store, representation)
    return Harmonizer(variant, model, representation, heard(store, representation))
