"""Checkpoints: their digests, the one before, and the choice of the one from which a training goes on."""

from pathlib import Path
from typing import Any

import pytest
import torch

from etude.core.errors import EtudeError
from etude.training.checkpoints import (
    BEST,
    LAST,
    WholeCheckpoints,
    before,
    find_end,
    find_start,
    place,
    read_checkpoint,
)

HISTORY, MONITOR = "History", "valid/nats"


def checkpoint(*values: float) -> dict[str, Any]:
    """A checkpoint after as many epochs of ten steps, with the values that were measured."""
    rows = [{"step": 10 * number, MONITOR: value} for number, value in enumerate(values, 1)]
    return {"callbacks": {HISTORY: {"rows": rows}}, "state_dict": {"weight": torch.full((9,), float(len(values)))}}


def save(folder: Path, *values: float) -> None:
    """As a training does it at the end of an epoch: the best one where it is that, then the last."""
    folder.mkdir(exist_ok=True)
    if values[-1] == min(values) and values.count(values[-1]) == 1:
        WholeCheckpoints().save_checkpoint(checkpoint(*values), place(folder, BEST))
    WholeCheckpoints().save_checkpoint(checkpoint(*values), place(folder, LAST))


def trained(folder: Path, *values: float) -> Path:
    """The checkpoints of a training of several epochs."""
    for epoch in range(len(values)):
        save(folder, *values[: epoch + 1])
    return folder


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    file = trained(tmp_path, 3.0) / "last.ckpt"
    whole = file.read_bytes()
    assert torch.load(file, weights_only=True)["callbacks"] == checkpoint(3.0)["callbacks"], "others read it, too"
    for bit in range(0, 8 * len(whole), 97):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        with pytest.raises(EtudeError, match=r"last\.ckpt is damaged"):
            read_checkpoint(file)
    for cut in (b"", whole[:100], whole[:-1], bytes(len(whole))):
        file.write_bytes(cut)
        with pytest.raises(EtudeError, match=r"last\.ckpt is damaged"):
            WholeCheckpoints().load_checkpoint(str(file))


def test_the_last_one_is_gone_on_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_start(tmp_path, HISTORY, MONITOR) is None
    trained(tmp_path, 3.0, 2.0, 2.5)
    assert find_start(tmp_path, HISTORY, MONITOR) == tmp_path / "last.ckpt"
    assert read_checkpoint(before(tmp_path / "last.ckpt"))["callbacks"] == checkpoint(3.0, 2.0)["callbacks"]
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("damaged", "start"),
    [
        (["last"], "best.ckpt"),  # of step 20, as last.before
        (["last", "last.before"], "best.ckpt"),
        (["last", "best"], "best.before.ckpt"),
        (["best"], "best.before.ckpt"),  # the best weights are lost, and trained again
        (["last", "best", "last.before"], "best.before.ckpt"),
        (["best", "best.before"], None),
    ],
)
def test_a_damaged_one_costs_what_was_trained_since(
    damaged: list[str], start: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path, 3.0, 2.0, 2.5)
    for name in damaged:
        damage(place(tmp_path, name))
    found = find_start(tmp_path, HISTORY, MONITOR)
    step = {"best.ckpt": 20, "best.before.ckpt": 10}
    printed = capsys.readouterr().out
    if start is None:
        assert found is None and "the training starts again" in printed
    else:
        assert found is not None and f"goes on from step {step[start]}, with" in printed
        assert len(read_checkpoint(found)["callbacks"][HISTORY]["rows"]) == step[start] / 10
    assert all(f"{place(tmp_path, name)} is damaged" in printed for name in damaged)


def test_a_kept_one_that_is_damaged_is_trained_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path, 3.0, 2.0)
    WholeCheckpoints().save_checkpoint(checkpoint(3.0), tmp_path / "kept-0.ckpt")
    assert not (tmp_path / "kept-0.before.ckpt").exists()
    damage(tmp_path / "kept-0.ckpt")
    assert find_start(tmp_path, HISTORY, MONITOR) is None
    assert "kept-0.ckpt is damaged" in capsys.readouterr().out


def test_the_end_is_that_of_the_latest_and_has_the_best_weights(tmp_path: Path) -> None:
    trained(tmp_path, 3.0, 2.0, 2.5)
    course, file = find_end(tmp_path, HISTORY, MONITOR)
    assert (course.step, course.best, course.top[MONITOR], file.name) == (30, 20, 2.0, "best.ckpt")
    WholeCheckpoints().save_checkpoint(checkpoint(3.0, 2.0, 2.5, 1.0), tmp_path / "best.ckpt")  # and killed then
    course, file = find_end(tmp_path, HISTORY, MONITOR)
    assert (course.step, course.best, file.name) == (40, 40, "best.ckpt")
    (tmp_path / "last.ckpt").unlink()  # killed between the two renames of a last one
    assert find_end(tmp_path, HISTORY, MONITOR)[0].step == 40


@pytest.mark.parametrize("name", [BEST, LAST])
def test_no_end_is_taken_from_what_is_damaged(name: str, tmp_path: Path) -> None:
    damage(place(trained(tmp_path, 3.0, 2.0, 2.5), name))
    with pytest.raises(EtudeError, match=rf"{name}\.ckpt is damaged.* Give the same command again"):
        find_end(tmp_path, HISTORY, MONITOR)


def test_a_full_disk_is_a_sentence_and_the_one_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, 3.0)
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10, "total": 20})())
    with pytest.raises(EtudeError, match=r"last\.ckpt.* needs .*, and 10 bytes are free"):
        save(tmp_path, 3.0, 4.0)
    assert find_start(tmp_path, HISTORY, MONITOR) == tmp_path / "last.ckpt"
    assert not list(tmp_path.glob(".*.part"))
