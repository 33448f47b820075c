"""A model's folder may come from anybody: whatever is in it, one sentence, no memory, and nothing that is used."""

import io
import json
import os
import resource
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny
from safetensors.torch import load_file, save_file

from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.models.ngram import NGram
from etude.models.weights import load_weights, save_weights
from etude.tasks.trained_model import PACKAGED, TrainedModel, read_snapshots

DEEP = "[" * 100_000 + "]" * 100_000
MODELS = ("voices", "lstm_attention")
Change = Callable[[Path], None]


def copy_of(name: str, tmp_path: Path) -> Path:
    folder = tmp_path / name
    shutil.copytree(PACKAGED / name, folder)
    return folder


def seal(folder: Path, **changes: Any) -> None:
    """Give config.json the digests of the files as they are, and change some of its keys."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    names = [name for name in config["sha256"] if (folder / name).is_file()]
    config["sha256"] = {name: digest(folder / name) for name in names}
    file.write_text(json.dumps({**config, **changes}))


def refused(folder: Path, message: str) -> str:
    with pytest.raises(EtudeError, match=message) as error:
        TrainedModel.read(folder, tiny().generate, "etude train")
    text = str(error.value)
    assert "\n" not in text and len(text) < 1200
    return text


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_with_the_right_digests_is_read(name: str, tmp_path: Path) -> None:
    folder = copy_of(name, tmp_path)
    seal(folder)
    assert TrainedModel.read(folder, tiny().generate, "etude train").name == name


def put(name: str, value: Any, place: int | None = 0) -> Change:
    """One number of a tensor changed."""

    def change(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        tensors[name].view(-1)[place] = value
        save_file(tensors, folder / "model.safetensors")

    return change


def tensors(edit: Callable[[dict[str, torch.Tensor]], Any]) -> Change:
    def change(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        edit(found)
        save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / "model.safetensors")

    return change


def header(text: bytes, length: int | None = None, data: bytes = b"") -> Change:
    def change(folder: Path) -> None:
        start = struct.pack("<Q", len(text) if length is None else length)
        (folder / "model.safetensors").write_bytes(start + text + data)

    return change


HEAD = "lm_head.bias"
OVERLAP = json.dumps(
    {name: {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]} for name in ("a", "b")},
).encode()
HUGE = json.dumps({"a": {"dtype": "F16", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(HEAD, float("nan")), r"tensor lm_head\.bias has a number that is not finite"),
        (put(HEAD, float("inf")), r"tensor lm_head\.bias has a number that is not finite"),
        (tensors(lambda all: all.update({HEAD: all[HEAD].to(torch.int64)})), r"lm_head\.bias is I64"),
        (tensors(lambda all: all.update({HEAD: all[HEAD].to(torch.bfloat16)})), r"lm_head\.bias is BF16"),
        (tensors(lambda all: all.update({HEAD: all[HEAD][:-1]})), r"lm_head\.bias is F16 of shape"),
        (tensors(lambda all: all.pop(HEAD)), r"has no tensor 'lm_head\.bias'"),
        (tensors(lambda all: all.update(more=torch.zeros(3))), r"has a tensor 'more'"),
        (header(b"{}", 2**62), r"its header has \d+ bytes"),
        (header(b"{}", 50_000_000), r"its header has 50000000 bytes"),
        (header(b"{}", 5_000_000), r"is damaged"),
        (header(DEEP.encode()), r"is damaged"),
        (header(b"[]"), r"is damaged"),
        (header(OVERLAP, data=b"0000"), r"is damaged"),
        (header(HUGE, data=b"0000"), r"is damaged"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), r"is damaged"),
    ],
)
def test_weights_that_are_not_the_model_s(change: Change, message: str, tmp_path: Path) -> None:
    folder = copy_of("lstm_attention", tmp_path)
    change(folder)
    seal(folder)
    assert "model.safetensors" in refused(folder, message)


@pytest.mark.parametrize(
    "text", ["[]", "null", "3", '"a"', "{", "", DEEP, "9" * 5000, '{"name": 3}', "\0", '{"name": "a"}', "NaN"]
)
def test_a_config_of_something_else(text: str, tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    (folder / "config.json").write_text(text)
    refused(folder, r"config\.json is (damaged|not that of a trained model)")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 3},
        {"name": "../elsewhere"},
        {"name": ""},
        {"name": "x" * 101},
        {"key": None},
        {"model": []},
        {"model": {}},
        {"representation": {"name": "../x", "settings": {}, "voices": {}}},
        {"representation": {"name": 3, "settings": {}, "voices": {}}},
        {"representation": {"name": "voicegrid", "settings": [], "voices": {}}},
        {"representation": {"name": "voicegrid", "settings": None, "voices": 3}},
        {"sha256": {"model.safetensors": 3, "observed.npz": None}},
    ],
)
def test_numbers_where_texts_should_be_and_the_other_way_round(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    seal(folder, **changes)
    refused(folder, ".")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "..", ".", "a/b", "a\0b", ".hidden", ""])
def test_a_digest_of_a_file_elsewhere(name: str, tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    (tmp_path / "outside").write_text("x")
    config = json.loads((folder / "config.json").read_text())
    seal(folder, sha256={**config["sha256"], name: "0" * 64})
    refused(folder, r"It must name files next to it")


@pytest.mark.parametrize("name", ["voicegrid.json", "model.safetensors", "config.json", "more.json"])
def test_a_link_that_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    outside = tmp_path / "outside"
    if (folder / name).exists():
        (folder / name).rename(outside)
    else:
        outside.write_text("{}")
    (folder / name).symlink_to(outside)
    refused(folder, r"is a link that leads out of its folder")


@pytest.mark.parametrize("cache", ["files/md5/ab/" + "c" * 30, "blobs/" + "d" * 64])
def test_a_link_into_a_cache_is_followed(cache: str, tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    kept = tmp_path / cache
    kept.parent.mkdir(parents=True)
    (folder / "model.safetensors").rename(kept)
    (folder / "model.safetensors").symlink_to(kept)
    assert TrainedModel.read(folder, tiny().generate, "etude train").name == "voices"


def test_a_pipe_or_a_circle_is_not_read(tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    (folder / "notes.json").symlink_to(folder / "notes.json")
    refused(folder, r"notes\.json cannot be read")
    (folder / "notes.json").unlink()
    os.mkfifo(folder / "notes.json")
    refused(folder, r"notes\.json is no file")


@pytest.mark.parametrize("hidden", [50_000, 100_000_000, 10**12])
@pytest.mark.parametrize("name", MODELS)
def test_a_size_that_the_weights_do_not_have_takes_no_memory(name: str, hidden: int, tmp_path: Path) -> None:
    folder = copy_of(name, tmp_path)
    model = json.loads((folder / "config.json").read_text())["model"]
    seal(folder, model={**model, "hidden": hidden})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, r"of shape|no model can be made of its settings|must be a multiple")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def arrays(**found: Any) -> Change:
    def change(folder: Path) -> None:
        np.savez_compressed(folder / "observed.npz", allow_pickle=True, **found)

    return change


def archive(name: str, data: bytes) -> Change:
    def change(folder: Path) -> None:
        with zipfile.ZipFile(folder / "observed.npz", "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr(name, data)

    return change


LENGTHS = np.array([64], np.int32)


def npy_of(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|b1", "fortran_order": False, "shape": shape})
    return stream.getvalue() + data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (arrays(tokens=np.array([{}, []], dtype=object)), r"tokens is no array of numbers"),
        (arrays(tokens=np.array(["a"])), r"tokens is no array of numbers"),
        (arrays(tokens=np.zeros((4, 51)), lengths=LENGTHS, keys=LENGTHS), r"tokens is float64"),
        (arrays(tokens=np.zeros((4, 50), bool), lengths=LENGTHS, keys=LENGTHS), r"tokens is bool of shape \(4, 50\)"),
        (
            arrays(tokens=np.zeros((4, 51), bool), lengths=LENGTHS[:, None], keys=LENGTHS),
            r"lengths is int32 of shape \(1, 1\)",
        ),
        (arrays(tokens=np.full((4, 51), np.nan)), r"tokens has a number that is not finite"),
        (arrays(), r"holds nothing, voicegrid has keys, lengths, tokens"),
        (arrays(tokens=np.zeros((4, 51), bool), more=np.zeros(3)), r"holds more, tokens"),
        (archive("tokens.npy", bytes(200_000_000)), r"holds 1 arrays of 200 MB"),
        (archive("tokens.npy", npy_of((10**6, 10**6))), r"has not as many numbers as its shape"),
        (archive("tokens.npy", npy_of((2**62, 2**62, 2**62))), r"has not as many numbers as its shape"),
        (archive("tokens.npy", npy_of((-1, 5))), r"tokens"),
        (archive("tokens.npy", b"not an array"), r"does not fit together"),
        (lambda folder: (folder / "observed.npz").write_bytes(b"PK"), r"does not fit together"),
    ],
)
def test_observed_arrays_that_are_none_or_never_end(change: Change, message: str, tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    change(folder)
    seal(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "{}",
        DEEP,
        "9" * 5000,
        '{"low": 36, "high": 81}',
        '{"low": 36, "high": 1000000000, "tempo": 80}',
        '{"low": "36", "high": 81, "tempo": 80}',
        '{"low": 81, "high": 36, "tempo": 80}',
        '{"low": 36, "high": 81, "tempo": NaN}',
        '{"low": 36, "high": 81, "tempo": 80, "more": 1}',
        '{"low": 36, "high": 80, "tempo": 80}',
    ],
)
def test_a_damaged_voicegrid(text: str, tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    (folder / "voicegrid.json").write_text(text)
    seal(folder)
    refused(folder, ".")


@pytest.mark.parametrize("text", ["{}", "[3]", "[[1]]", "[[-1, -2, -3]]", "[[195, 28, 999999]]", "[[1, 2, 3]]", DEEP])
def test_damaged_notes(text: str, tmp_path: Path) -> None:
    folder = copy_of("lstm_attention", tmp_path)
    (folder / "notes.json").write_text(text)
    seal(folder)
    refused(folder, r"notes\.json|does not fit together \(RecursionError")


@pytest.mark.parametrize(
    "changes",
    [
        [],
        {"config": []},
        {"config": {}},
        {"config": {"beat_res": {"0_100000000": 100000}}},
        {"config": {"beat_res": {"0_16": -1}}},
        {"config": {"beat_res": {"0": 4}}},
        {"config": {"num_tempos": 10**9}},
        {"config": {"num_velocities": 10**9, "use_velocities": True}},
        {"config": {"pitch_range": [0, 10**9]}},
        {"config": {"pitch_range": 3}},
        {"config": {"time_signature_range": {"4": [10**9]}}},
        {"config": {"time_signature_range": {"x": [4]}}},
        {"config": {"additional_params": {"max_bar_embedding": 10**9}}},
        {"config": {"pitch_bend_range": [-8192, 8191, 10**9]}},
        {"config": {"programs": ["a"]}},
        {"config": {"odd": 1}},
        {"config": {"one_token_stream_for_programs": False}},
        {"config": {"use_chords": True}},
        {"encode": 3},
        {"vocab": {"a": 1}},
        {"_model": "{}"},
        {"_model": 3},
        {"_vocab_base": {"Pitch_60": 10**9}},
        {"_vocab_base": {"Pitch_60": 1}},
        {"_vocab_base": {"Pitch": 0}},
    ],
)
def test_a_damaged_tokenizer(changes: Any, tmp_path: Path) -> None:
    folder = copy_of("lstm_attention", tmp_path)
    file = folder / "tokenizer.json"
    found = json.loads(file.read_text())
    if not changes or not changes.get("config", True):
        found = {**found, **changes} if changes else []
    else:
        found = {**found, **changes, "config": {**found["config"], **changes.get("config", {})}}
    file.write_text(json.dumps(found))
    seal(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, ".")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_settings_of_a_representation_are_checked(tmp_path: Path) -> None:
    folder = copy_of("voices", tmp_path)
    own = json.loads((folder / "config.json").read_text())["representation"]
    for changes, message in (
        ({"settings": {**own["settings"], "steps_per_beat": "4"}}, r"steps_per_beat = '4' must be a whole number"),
        ({"settings": {**own["settings"], "steps_per_beat": 10**9}}, r"steps_per_beat = 1000000000 is out of range"),
        ({"voices": {"Soprano": "68"}}, r"voices\.Soprano = '68' must be a whole number"),
        ({"voices": [[0, 1], ["Alto", 2]]}, r"voices must be names"),
        ({"voices": {str(place): 1 for place in range(200)}}, r"has 200 voices, 129 is the most"),
    ):
        seal(folder, representation={**own, **changes})
        refused(folder, message)


def test_damaged_snapshots(tmp_path: Path) -> None:
    folder = copy_of("lstm_attention", tmp_path)
    loaded = TrainedModel.read(folder, tiny().generate, "etude train")
    place = folder / "snapshots"
    place.mkdir()
    shutil.copyfile(folder / "model.safetensors", place / "000001.safetensors")
    shutil.copyfile(folder / "model.safetensors", tmp_path / "outside.safetensors")
    good = {"step": 1, "file": "000001.safetensors", "sha256": digest(place / "000001.safetensors")}

    def listed(value: Any) -> list[int]:
        (place / "index.json").write_text(value if isinstance(value, str) else json.dumps(value))
        return [step for step, _ in read_snapshots(folder, loaded)]

    assert listed([good]) == [1]
    damaged: tuple[Any, ...] = (
        {},
        [3],
        DEEP,
        [{}],
        [{**good, "step": "1"}],
        [{**good, "file": "../../outside.safetensors"}],
        [{**good, "file": str(tmp_path / "outside.safetensors")}],
        [{**good, "sha256": 3}],
        [{**good, "file": "000002.safetensors"}],
    )
    for value in damaged:
        with pytest.raises(EtudeError):
            listed(value)
    put(HEAD, float("nan"))(folder)
    shutil.copyfile(folder / "model.safetensors", place / "000001.safetensors")
    with pytest.raises(EtudeError, match="not finite"):
        listed([{**good, "sha256": digest(place / "000001.safetensors")}])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use", torch.tensor(99)),
        ("use", torch.tensor(-1)),
        ("use", torch.tensor([2])),
        ("use", torch.tensor(2.0)),
        ("1.tokens", torch.tensor([9, 99], dtype=torch.int16)),
        ("0.counts", torch.zeros(2, dtype=torch.int32)),
        ("0.counts", torch.ones(1, dtype=torch.int32)),
        ("0.starts", torch.tensor([0, 10**6], dtype=torch.int32)),
        ("0.contexts", torch.zeros(0, dtype=torch.int64)),
        ("0.contexts", torch.zeros(1)),
        ("more", torch.zeros(1)),
    ],
)
def test_counts_that_are_none(name: str, value: torch.Tensor, tmp_path: Path) -> None:
    model, file = NGram(10, order=3, max_tokens=1000), tmp_path / "model.safetensors"
    model.count([np.array([1, 4, 5, 4, 5, 2])])
    save_weights(model, file)
    load_weights(NGram(10, order=3, max_tokens=1000), file)
    save_file({**load_file(file), name: value}, file)
    with pytest.raises(EtudeError, match=r"is not of the model of config\.json"):
        load_weights(NGram(10, order=3, max_tokens=1000), file)
