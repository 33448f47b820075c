import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import make_piece

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.representations.base.loading import load_representation


def store(encoded: Session, name: str = "remi") -> Store:
    return Store(encoded.root / "data/tokenize" / name)


def test_arrays_are_memory_mapped_and_hold_each_piece(encoded: Session) -> None:
    found = store(encoded)
    assert isinstance(found.piece("train", 3).base, np.memmap)
    remi = load_representation(found)
    assert found.piece("valid", 0).tolist() == remi.encode(make_piece(6)).tolist()
    assert found.manifest["pieces"]["valid"][0]["notes"] == make_piece(6).note_num()
    trip = found.manifest["round_trip"]
    assert trip["notes"] == sum(
        fact["notes"] for split in ("valid", "test") for fact in found.manifest["pieces"][split]
    )
    assert 0.95 < trip["share"] <= 1


def test_data_of_other_settings_is_refused_with_both_and_the_commands(encoded: Session, settings: Settings) -> None:
    store(encoded).require(settings, "remi")
    other = dataclasses.replace(settings, augment=dataclasses.replace(settings.augment, stretch=[0.5, 1.0]))
    with pytest.raises(EtudeError) as caught:
        store(encoded).require(other, "remi")
    for part in ("[0.9, 1.0, 1.1]", "[0.5, 1.0]"):
        assert part in str(caught.value)
    first, second = str(caught.value).split(" with: ")[1].split(" && ")
    assert first.startswith("etude augment dataset=bach ") and first.endswith(" 'augment.stretch=[0.5,1.0]'")
    assert second == first.replace("etude augment", "etude tokenize tokenize=remi")
    assert "etude split" not in str(caught.value)


def test_other_grid_names_the_representation(encoded: Session, settings: Settings) -> None:
    values = {**settings.tokenize, "remi": {**settings.tokenize["remi"], "positions_per_beat": 8}}
    with pytest.raises(EtudeError) as caught:
        store(encoded).require(dataclasses.replace(settings, tokenize=values), "remi")
    assert "tokenize.remi.positions_per_beat = 4, but this run asks for tokenize.remi" in str(caught.value)
    command = str(caught.value).split(" with: ")[1]
    assert command.startswith("etude tokenize tokenize=remi dataset=bach ")
    assert command.endswith(" tokenize.remi.positions_per_beat=8")


def test_a_flipped_bit_is_found(encoded: Session, tmp_path: Path) -> None:
    shutil.copytree(store(encoded).folder, tmp_path / "remi")
    copy = Store(tmp_path / "remi")
    copy.verify()
    raw = bytearray((tmp_path / "remi/train.npy").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "remi/train.npy").write_bytes(raw)
    with pytest.raises(EtudeError, match="damaged"):
        copy.verify()


def test_absent_data_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match="etude tokenize tokenize=remi"):
        Store(tmp_path / "remi").piece("train", 0)
