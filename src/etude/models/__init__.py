"""One variant a file: plain torch modules that know no dataset, no trainer and no stage.

A variant's class says what it ``reads`` (the kind of representation, or several kinds), which attributes of that
representation its constructor ``takes``, and which file of sampling/ is its ``sampler``.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from etude.artifacts.token_store import Store
from etude.config.sections import Positive, Settings, check, construct, target
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json

NOT_BUILT = ("representation", "objective", "lr_scale")  # keys of a variant that are not arguments of its class


def build(settings: Settings, model_name: str, representation: Any) -> Any:
    """A fresh model of ``model_name`` for a learned representation, its weights drawn by torch's global generator."""
    section = settings.model(model_name)
    values = {name: value for name, value in section.items() if name not in NOT_BUILT}
    where = f"models.{model_name}"
    kind = target(values, where)
    given = {name: getattr(representation, name, None) for name in kind.takes}
    reads = (kind.reads,) if isinstance(kind.reads, str) else kind.reads
    if representation.kind not in reads or None in given.values():
        fits = "" if representation.kind not in reads else f" without {' and '.join(kind.takes)}"
        raise EtudeError(
            f"{where}.representation = {section['representation']}: {kind.__name__} reads {' or '.join(reads)}, that "
            f"representation gives {representation.kind}{fits}."
        )
    model = construct(kind, values, where, **given)
    model.lr_scale = check(section.get("lr_scale", 1.0), Positive, f"{where}.lr_scale")
    return model


def save(model: nn.Module, file: Path) -> str:
    """Write the weights as safetensors and return their digest."""
    save_file({name: tensor.contiguous() for name, tensor in sorted(model.state_dict().items())}, file)
    file.chmod(0o644)  # safetensors keeps them to the user
    return digest(file)


def load(settings: Settings, model_name: str, folder: Path, store: Store, representation: Any) -> Any:
    """The trained model in ``folder`` (models/V), checked against its digest and against the data it was trained on."""
    command = f"etude train model={model_name}"
    trained = read_json(folder / "settings.json", command)
    file = folder / "weights.safetensors"
    if not file.is_file() or digest(file) != trained["weights_sha256"]:
        raise EtudeError(f"{file} is damaged or missing: it is not the file that settings.json names. Run: {command}")
    if trained["tokens"]["digest"] != store.digest:
        raise EtudeError(
            f"{folder} was trained on other data (digest {trained['tokens']['digest'][:12]}) than {store.folder} holds "
            f"(digest {store.digest[:12]}). Train it again with: {command}"
        )
    values = {**trained["model"], "representation": settings.model(model_name)["representation"]}
    model = build(Settings(**{**vars(settings), "models": {model_name: values}}), model_name, representation)
    model.load_state_dict(load_file(file))
    return model.eval()


def parameters(model: nn.Module) -> int:
    """Number of trained numbers: weights, or stored counts."""
    return sum(tensor.numel() for tensor in model.state_dict().values())


def set_threads(count: int) -> None:
    """Fix the number of threads, which decides the order of sums and with it the last digits."""
    torch.set_num_threads(count)
