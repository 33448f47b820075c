"""A trained model is loaded with its data, and refused where a file is not the one that it was trained on."""

import shutil
from pathlib import Path

import pytest
import torch
from conftest import tiny

from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.tasks.trained_model import TrainedModel


def test_it_has_all_that_a_task_needs(trained: Session) -> None:
    loaded = TrainedModel.load(tiny(), trained, "lstm", threads=1)
    assert torch.get_num_threads() == 1 and not loaded.model.training
    assert loaded.trained["name"] == loaded.name and loaded.store.digest == loaded.trained["tokens"]["digest"]
    assert loaded.representation.name == loaded.trained["tokens"]["representation"]
    assert loaded.config == tiny().sampling(loaded.name)


def test_damaged_data_is_refused_by_file(trained: Session, tmp_path: Path) -> None:
    for place in ("models/lstm", "data/tokenize/remi"):
        shutil.copytree(trained.root / place, tmp_path / place)
    file = tmp_path / "data/tokenize/remi/test.npy"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(EtudeError, match=r"test\.npy is damaged"):
        TrainedModel.load(tiny(), Session(root=tmp_path, progress=False), "lstm")
