"""A trained model is loaded with its data, and refused where a file is not the one that it was trained on."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import tiny

from etude import sampling
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.stages import tokenize
from etude.tasks.trained_model import TrainedModel


def test_it_has_all_that_a_task_needs(trained: Session) -> None:
    loaded = TrainedModel.load(tiny(), trained, "lstm", threads=1)
    assert torch.get_num_threads() == 1 and not loaded.model.training
    assert loaded.trained["name"] == loaded.name and loaded.tokens(trained).digest == loaded.trained["tokens"]
    assert loaded.representation.name == loaded.trained["representation"]["name"]
    assert loaded.config == tiny().sampling(loaded.name)


def test_damaged_data_is_refused_by_file(trained: Session, tmp_path: Path) -> None:
    for place in ("models/lstm", "data/tokenize/remi"):
        shutil.copytree(trained.root / place, tmp_path / place)
    file = tmp_path / "data/tokenize/remi/test.npy"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    session = Session(root=tmp_path, progress=False)
    with pytest.raises(EtudeError, match=r"test\.npy is damaged"):
        TrainedModel.load(tiny(), session, "lstm").tokens(session)


def test_data_of_other_settings_is_refused(trained: Session, encoded: Session, tmp_path: Path) -> None:
    remi = {**tiny().tokenize["remi"], "positions_per_beat": 8}
    fine = tiny(tokenize={**tiny().tokenize, "remi": remi})
    tokenize.run(fine, Session(root=encoded.root, out=tmp_path, progress=False), "remi")
    loaded = TrainedModel.load(fine, trained, "lstm")
    with pytest.raises(EtudeError, match=r"was trained on other data .* Train it again with: etude train model=lstm"):
        loaded.tokens(Session(root=tmp_path, progress=False))


@pytest.mark.parametrize("model_name", list(tiny().models))
def test_a_folder_needs_nothing_else_to_be_sampled_from(model_name: str, trained: Session, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere"
    shutil.copytree(trained.root / "models" / model_name, alone)
    config = dataclasses.replace(tiny().sampling(model_name), pieces=2)
    there, here = (
        TrainedModel.read(folder, config, "etude train") for folder in (alone, trained.root / "models" / model_name)
    )
    first, second = (
        sampling.sample_pieces(one.model, one.representation, one.observed, config, config.pieces)
        for one in (there, here)
    )
    assert len(first) == 2 and max(piece.score.note_num() for piece in first)
    assert [piece.score.dumps_midi() for piece in first] == [piece.score.dumps_midi() for piece in second]


@pytest.mark.parametrize("name", ["model.safetensors", "observed.npz", "tokenizer.json", "notes.json"])
def test_a_flipped_bit_in_any_file_is_found(name: str, trained: Session, tmp_path: Path) -> None:
    folder = tmp_path / "lstm"
    shutil.copytree(trained.root / "models/lstm", folder)
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(EtudeError, match=rf"{name} is damaged or missing.* Make it again with: etude train model=lstm"):
        TrainedModel.read(folder, tiny().generate, "etude train model=lstm")


def test_weights_take_two_bytes_a_number_and_are_those_that_were_measured(trained: Session) -> None:
    from safetensors.torch import load_file

    weights = load_file(trained.root / "models/lstm/model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    model = TrainedModel.load(tiny(), trained, "lstm").model
    assert all(torch.equal(tensor, weights[name].float()) for name, tensor in model.state_dict().items())


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"config\.json does not exist"):
        TrainedModel.read(tmp_path, tiny().generate, "etude train")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EtudeError, match=r"config\.json is not that of a trained model"):
        TrainedModel.read(tmp_path, tiny().generate, "etude train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": {}}, "is not that of a trained model"),
        ({"sha256": None}, "is not that of a trained model"),
        ({"model": None}, "is not that of a trained model"),
        ({"representation": {}}, "does not fit together"),
        ({"representation": {"name": "remi", "settings": {"odd": 1}, "voices": {}}}, "must name a class of etude"),
        ({"model": {"_target_": "os.system"}}, "must name a class of etude"),
    ],
)
def test_a_changed_config_is_refused(changes: dict[str, Any], message: str, trained: Session, tmp_path: Path) -> None:
    folder = tmp_path / "lstm"
    shutil.copytree(trained.root / "models/lstm", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(EtudeError, match=message):
        TrainedModel.read(folder, tiny().generate, "etude train")
