"""A trained model as a folder that needs nothing else: its weights, its representation, and what it saw of train."""

import shutil
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Generate, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest, read_json, write_json
from etude.core.project import PACKAGE
from etude.models.building import build_model, set_threads
from etude.models.weights import load_weights, save_weights
from etude.representations.base.loading import read_representation
from etude.representations.base.representation import Observed, Representation

WEIGHTS, OBSERVED = "model.safetensors", "observed.npz"
SNAPSHOTS, INDEX = "snapshots", "index.json"  # of a model's folder: its weights at earlier steps of the training
PACKAGED = PACKAGE / "pretrained"  # model folders that come with etude


@dataclass(frozen=True)
class TrainedModel:
    """A trained model, and the representation that it reads."""

    name: str  # under models
    model: Any  #  a module of models/, in eval mode
    representation: Any  # a learned Representation
    observed: Observed  # what train has that sampling needs to know
    trained: Json  # config.json
    config: Generate  # the generation settings, with the model's own temperature

    @classmethod
    def load(cls, settings: Settings, session: Session, model_name: str, threads: int | None = None) -> Self:
        """Read models/``model_name``, or the model of that name that comes with etude, and set the number of threads.

        Args:
            settings: all settings.
            session: where models/ is.
            model_name: a name under ``models``.
            threads: CPU threads; None: ``trainer.threads``.

        Raises:
            EtudeError: there is no such model, or a file is missing or damaged.
        """
        folder = find_model(session, model_name)
        set_threads(settings.trainer.threads if threads is None else threads)
        return cls.read(folder, settings.sampling(model_name), catalog.model(model_name).made_by)

    @classmethod
    def read(cls, folder: Path, config: Generate, made_by: str) -> Self:
        """Read a model's folder, checked by digests.

        Args:
            folder: as ``write_model`` writes it.
            config: the generation settings.
            made_by: the command that writes the folder, for messages.

        Raises:
            EtudeError: a file is missing or damaged.
        """
        trained = read_config(folder, made_by)
        for name, expected in trained["sha256"].items():
            file = folder / name
            if not file.is_file() or digest(file) != expected:
                raise EtudeError(
                    f"{file} is damaged or missing: it is not the file that {catalog.CONFIG} names. "
                    f"Make it with: {made_by}"
                )
        own = trained["representation"]
        try:
            representation = read_representation(folder, own["name"], own["settings"], own["voices"])
            with torch.random.fork_rng(devices=[]):  # the first weights are replaced
                model = build_model(trained["model"], trained["name"], representation)
            load_weights(model, folder / WEIGHTS)
            with np.load(folder / OBSERVED, allow_pickle=False) as arrays:
                observed = dict(arrays)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
            raise EtudeError(
                f"{folder} does not fit together ({type(error).__name__}: {str(error).splitlines()[0]}): "
                f"{catalog.CONFIG} or another file of it was changed. Make it with: {made_by}"
            ) from None
        return cls(trained["name"], model.eval(), representation, observed, trained, config)

    def tokens(self, session: Session) -> Store:
        """The pieces that the model was trained on, with those of valid and test.

        Raises:
            EtudeError: they are missing or damaged, or are not those of the training.
        """
        place = catalog.tokens(self.trained["representation"]["name"])
        store = Store(session.read(place))
        store.verify()
        if self.trained["tokens"] != store.digest:
            raise EtudeError(
                f"{catalog.model(self.name)} was trained on other data (digest {self.trained['tokens'][:12]}) than "
                f"{store.folder} holds (digest {store.digest[:12]}). Train it again with: "
                f"{catalog.model(self.name).made_by}"
            )
        return store


def find_model(session: Session, model_name: str) -> Path:
    """The folder of a trained model: of the run that is read, of the pipeline, or one that comes with etude.

    Raises:
        EtudeError: there is none; the message has what makes it.
    """
    made = catalog.model(model_name)
    if (found := session.find(made)) is not None:
        return found
    if model_name in packaged_models():
        return PACKAGED / model_name
    others = ", ".join(f"model={name}" for name in packaged_models())
    raise EtudeError(f"{made} does not exist; these come with etude: {others}. {session.advice(made)}")


def packaged_models() -> list[str]:
    """The names of the trained models that come with etude."""
    return sorted(file.parent.name for file in PACKAGED.glob(f"*/{catalog.CONFIG}"))


def read_config(folder: Path, made_by: str) -> Json:
    """The config.json of a model's folder, as ``write_model`` writes it. Raises EtudeError where it is another file."""
    config = read_json(folder / catalog.CONFIG, made_by)
    kinds = {"name": str, "key": str, "model": dict, "representation": dict, "sha256": dict}
    whole_config = isinstance(config, dict) and all(isinstance(config.get(key), kind) for key, kind in kinds.items())
    if not whole_config or not {WEIGHTS, OBSERVED} <= set(config["sha256"]):
        raise EtudeError(f"{folder / catalog.CONFIG} is not that of a trained model. Make it with: {made_by}")
    assert isinstance(config, dict)
    return config


def write_model(
    folder: Path, config: Mapping[str, Any], model: nn.Module, representation: Representation, observed: Observed
) -> None:
    """Write a trained model into an existing folder, so that ``TrainedModel.read`` needs nothing else.

    Args:
        folder: where its files go.
        config: what config.json says of the training; ``name`` and ``model`` (its section) are needed.
        model: its weights are saved.
        representation: what it learned is saved.
        observed: what train has that sampling needs to know.
    """
    before = set(folder.iterdir())
    representation.save(folder)
    save_arrays(folder / OBSERVED, observed)
    save_weights(model, folder / WEIGHTS)
    written = sorted(file.name for file in set(folder.iterdir()) - before)
    write_json(folder / catalog.CONFIG, {**config, "sha256": {name: digest(folder / name) for name in written}})


def write_snapshots(folder: Path, snapshots: Mapping[int, Path]) -> None:
    """Move the weights of earlier steps of a training into the folder of its model, listed with their digests."""
    if not snapshots:
        return
    place = folder / SNAPSHOTS
    place.mkdir()
    listed = []
    for step, file in sorted(snapshots.items()):
        name = f"{step:06d}.safetensors"
        shutil.copyfile(file, place / name)
        listed.append({"step": step, "file": name, "sha256": digest(place / name)})
    write_json(place / INDEX, listed)


def read_snapshots(folder: Path, loaded: TrainedModel) -> Iterator[tuple[int, TrainedModel]]:
    """The model of a folder as it was at earlier steps of its training, with each step; none where none were kept.

    Raises:
        EtudeError: a file is missing or damaged.
    """
    place = folder / SNAPSHOTS
    if not place.is_dir():
        return
    made_by = catalog.model(loaded.name).made_by
    for entry in read_json(place / INDEX, made_by):
        file = place / entry["file"]
        if not file.is_file() or digest(file) != entry["sha256"]:
            raise EtudeError(f"{file} is damaged or missing. Make it with: {made_by}")
        model = deepcopy(loaded.model)
        load_weights(model, file)
        yield int(entry["step"]), replace(loaded, model=model.eval())


def save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as npz, compressed; equal arrays give equal bytes."""
    with file.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
