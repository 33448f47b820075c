"""A trained model with all that is needed to use it: loaded and checked in one place."""

from dataclasses import dataclass
from typing import Any, Self

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Generate, Settings
from etude.core.files import Json, read_json
from etude.models.building import set_threads
from etude.models.weights import load_model
from etude.representations.base.loading import load_representation


@dataclass(frozen=True)
class TrainedModel:
    """A trained model, the representation that it reads, and the data that it was trained on."""

    name: str  # under models
    model: Any  #  a module of models/, in eval mode
    representation: Any  # a learned Representation
    store: Store
    trained: Json  # models/NAME/settings.json
    config: Generate  # the generation settings, with the model's own temperature

    @classmethod
    def load(cls, settings: Settings, session: Session, model_name: str, threads: int | None = None) -> Self:
        """Read models/``model_name`` and its data/tokenize/R, checked by digests, and set the number of threads.

        Args:
            settings: all settings.
            session: where models/ and data/ are.
            model_name: a name under ``models``.
            threads: CPU threads; None: ``trainer.threads``.

        Raises:
            EtudeError: a file is missing or damaged, or the data is not that of the training.
        """
        made = catalog.model(model_name)
        folder = session.read(made)
        trained = read_json(folder / "settings.json", made.made_by)
        store = Store(session.read(catalog.tokens(trained["tokens"]["representation"])))
        store.verify()
        set_threads(settings.trainer.threads if threads is None else threads)
        representation = load_representation(store)
        model = load_model(settings, model_name, folder, store, representation)
        return cls(model_name, model, representation, store, trained, settings.sampling(model_name))
