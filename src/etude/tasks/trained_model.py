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
from torch import nn

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.check import check
from etude.config.names import is_name
from etude.config.sections import Generate, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest, read_json, require_digest, require_unchanged, write_json
from etude.core.memory import total_memory
from etude.core.project import PACKAGE
from etude.models.building import build_model, outline_model, set_threads
from etude.models.weights import check_weights, load_weights, save_weights
from etude.representations.base.loading import read_representation
from etude.representations.base.representation import Observed, Representation
from etude.tasks.model_files import (
    MOST_BYTES,
    OBSERVED,
    WEIGHTS,
    check_observed,
    read_arrays,
    read_config,
    require_file,
    require_files,
)

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
    config: Generate  # the generation settings, with the model's own temperatures

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
            config: the generation settings; the model's own temperatures are taken where these are null.
            made_by: the command that writes the folder, for messages.

        Raises:
            EtudeError: a file is missing or damaged.
        """
        trained = read_config(folder, made_by)
        require_files(folder, trained, made_by)
        own, section = trained["representation"], trained["model"]
        config = config.with_own(section.get("generate"), f"{folder / catalog.CONFIG}: model.generate")
        try:
            representation = read_representation(folder, own["name"], own["settings"], own["voices"])
            observed = read_arrays(folder / OBSERVED)
            check_observed(observed, representation, folder / OBSERVED)
            if representation.kind == "tokens":
                representation.rules(observed)  # which fails where the vocabulary is not one
            outline = outline_model(section, trained["name"], representation)
            if outline is not None:
                check_weights(outline, folder / WEIGHTS)  # before memory is taken
            with torch.random.fork_rng(devices=[]):  # the first weights are replaced
                model = build_model(section, trained["name"], representation, to_train=False)
            load_weights(model, folder / WEIGHTS)
        except EtudeError:
            raise
        except Exception as error:  # libraries raise many kinds of them for what is no file of theirs
            reason = (str(error).splitlines() or [""])[0][:200]
            raise EtudeError(
                f"{folder} does not fit together ({type(error).__name__}: {reason}): "
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
        known = str(self.trained.get("tokens"))
        if known != store.digest:
            raise EtudeError(
                f"{catalog.model(self.name)} was trained on other data (digest {known[:12]}) than "
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
    for step, file, sha256 in _list_snapshots(place, made_by):
        require_digest(file, sha256, made_by)
        model = deepcopy(loaded.model)
        load_weights(model, file)
        yield step, replace(loaded, model=model.eval())


def _list_snapshots(place: Path, made_by: str) -> list[tuple[int, Path, str]]:
    """Step, file and digest of each snapshot, all checked before the first is read."""
    index = place / INDEX
    if index.exists():
        require_file(index, MOST_BYTES, made_by)
    require_unchanged(index, made_by)
    listed = check(read_json(index, made_by), list[dict[str, int | str]], str(index))
    found = []
    for entry in listed:
        step, name, sha256 = (entry.get(key) for key in ("step", "file", "sha256"))
        if not isinstance(step, int) or not is_name(name) or not isinstance(sha256, str):
            raise EtudeError(f"{index}: {str(entry)[:100]} has no step, file and sha256. Make it with: {made_by}")
        file = place / str(name)
        if file.exists():
            require_file(file, total_memory(), made_by)
        found.append((step, file, sha256))
    return found


def save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as npz, compressed; equal arrays give equal bytes."""
    with file.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
