"""Weights on disk: saved as safetensors, loaded only where they belong to the data."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from etude.artifacts import catalog
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json
from etude.models.building import build_model
from etude.representations.base.representation import Representation


def save_weights(model: nn.Module, file: Path) -> str:
    """Write the weights as safetensors and return their digest."""
    save_file({name: tensor.contiguous() for name, tensor in sorted(model.state_dict().items())}, file)
    file.chmod(0o644)  # safetensors makes them readable by the user only
    return digest(file)


def load_model(settings: Settings, model_name: str, folder: Path, store: Store, representation: Representation) -> Any:
    """The trained model in ``folder`` (models/V), checked against its digest and against the data it was trained on."""
    command = catalog.model(model_name).made_by
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
    model = build_model(Settings(**{**vars(settings), "models": {model_name: values}}), model_name, representation)
    model.load_state_dict(load_file(file))
    return model.eval()


def count_parameters(model: nn.Module) -> int:
    """Number of trained numbers: weights, or stored counts."""
    return sum(tensor.numel() for tensor in model.state_dict().values())
