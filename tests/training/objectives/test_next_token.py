"""Windows for the next item: the same batches wherever copies are made; models of frames through the stages."""

import shutil
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, Log, make_project, smoke, tiny
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json
from etude.models.building import build_model
from etude.models.voices import Voices
from etude.representations.base.grammar import BOS, EOS
from etude.representations.base.loading import load_representation
from etude.representations.base.vocabulary import NONE
from etude.stages import generate, tokenize, train
from etude.tasks.likelihood import likelihood
from etude.training.data import TrainingData
from etude.training.objectives.adversarial import Windows as WindowsOfRolls
from etude.training.objectives.next_token import NextToken, Windows
from etude.training.task import Task

FRAMES = ("lstm", "gru", "lstm_attention")


@cache
def frame_values() -> dict[str, Any]:
    """The settings of models of frames, compiled from the real conf/."""
    values: dict[str, Any] = yaml.safe_load(
        compile_params(ROOT / "conf", ["tokenize=frames", "model=[lstm,gru,lstm_attention,ngram]"])
    )
    return values


def frame_settings(steps_per_beat: int = 2) -> Settings:
    """``tiny`` with small models of frames, and an n-gram that cannot read them."""
    found = deepcopy(frame_values())
    small = {"representation": "frames", "hidden": 8, "layers": 1}
    own = {
        name: {**values, **(small if name != "ngram" else {"representation": "frames"})}
        for name, values in found["models"].items()
    }
    section = {"frames": {**found["tokenize"]["frames"], "steps_per_beat": steps_per_beat}}
    train = {"max_steps": 12, "steps_per_epoch": 6, "window": 16}
    values = tiny(train=train, trainer={"steps": None}, optim={"lr": 0.03}).as_dict()
    return Settings.of({**values, "tokenize": section, "models": own})


def data_of(session: Session, settings: Settings, out: Path) -> list[TrainingData[torch.Tensor]]:
    found: list[TrainingData[torch.Tensor]] = []
    for model_name, kind in (("lstm", Windows), ("gan", WindowsOfRolls)):
        name = settings.model(model_name)["representation"]
        store = Store(session.read(catalog.tokens(name)))
        representation = load_representation(store)
        torch.manual_seed(0)
        model = build_model(settings.model(model_name), model_name, representation)
        task = Task(settings, model_name, session, store, representation, out, lambda values, step: None)
        found.append(kind(model, task))
    return found


def test_windows_of_a_voice_grid_start_with_a_bar_and_reach_the_end_of_each_piece(
    encoded: Session, tmp_path: Path
) -> None:
    settings = tiny(train={"window": 100, "batch_size": 64})
    store = Store(encoded.root / "data/tokenize/voicegrid")
    grid = load_representation(store)
    torch.manual_seed(0)
    steps = 1  # a beat: bars of 12 steps
    model = Voices(grid.item_spec, grid.frame, steps, 8, 1, 1, 2, 4, 1, 1, 0.1, 0.1, 1.0, 0, 0.5)
    task = Task(settings, "voices", encoded, store, grid, tmp_path, lambda values, step: None)
    data = Windows(model, task)
    pieces, starts, ends = [piece.tolist() for piece in store.pieces("train")], set(), 0
    for row in data.draw(np.random.default_rng(0)).tolist():
        window = row[: row.index(0)] if 0 in row else row
        found = [
            start
            for piece in pieces
            for start in range(0, len(piece), model.stride)
            if piece[start : start + len(window)] == window
        ]
        assert found and len(window) > 1
        starts |= set(found)
        ends += window[-1] == 2
    assert model.stride == 48 and {0, 48, 96} <= starts and ends > 5


def test_batches_do_not_depend_on_where_copies_are_made(encoded: Session, tmp_path: Path) -> None:
    later = smoke(augment={"at": "load"})
    root = tmp_path / "later"
    for place in ("data/ingest", "data/split", "data/augment", "data/built_from"):
        shutil.copytree(encoded.root / place, root / place)
    shutil.rmtree(root / "data/augment/pieces")
    record, manifest = root / catalog.record("augment").place, root / "data/augment/manifest.json"
    chain = {**read_json(record, "")["settings"], "augment": later.as_dict()["augment"]}
    write_json(record, {**read_json(record, ""), "settings": chain})
    write_json(manifest, {**read_json(manifest, ""), "shards": []})
    session = Session(root=root, progress=False)
    for name in later.tokenize:
        tokenize.run(later, session, name)
    for stored, made in zip(data_of(encoded, tiny(), tmp_path), data_of(session, tiny(), tmp_path), strict=True):
        for seed in range(20):
            ours, theirs = (data.draw(np.random.default_rng(seed)) for data in (made, stored))
            assert torch.equal(ours, theirs)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A tiny project in frames, its models trained and sampled; read it, do not write into it."""
    session = make_project(tmp_path_factory.mktemp("frames") / "project", frame_settings())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "start", Log().start)
        for model_name in FRAMES:
            train.run(frame_settings(), session, model_name)
            generate.run(frame_settings(), session, model_name)
    return session


def test_windows_of_frames_are_those_of_the_pieces_and_padded(frames: Session, tmp_path: Path) -> None:
    store = Store(frames.root / "data/tokenize/frames")
    representation = load_representation(store)
    settings = frame_settings()
    model = build_model(settings.model("gru"), "gru", representation)
    task = Task(settings, "gru", frames, store, representation, tmp_path, lambda values, step: None)
    data = Windows(model, task)
    items = data.draw(np.random.default_rng(0))
    assert items.shape == (settings.schedule("gru")[0].batch_size, 16, 88) and items.dtype == torch.float32
    assert NextToken(model, task).monitor == "valid/nats_per_frame"
    whole = [representation.item_spec.items(piece) for piece in store.pieces("train")]
    for window in items.numpy():
        real = window[window[:, 0] >= 0]
        assert np.array_equal(window[len(real) :], np.full((16 - len(real), 88), NONE))
        assert any(
            np.array_equal(real, piece[start : start + len(real)])
            and (len(real) == 16 or start + len(real) == len(piece))
            for piece in whole
            for start in range(len(piece) - len(real) + 1)
        )


def test_a_window_may_end_with_its_piece_at_many_places(encoded: Session, tmp_path: Path) -> None:
    settings = tiny(train={"window": 24, "batch_size": 1024})
    store = Store(encoded.root / "data/tokenize/remi")
    representation = load_representation(store)
    model = build_model(settings.model("lstm"), "lstm", representation)
    task = Task(settings, "lstm", encoded, store, representation, tmp_path, lambda values, step: None)
    data = Windows(model, task)
    assert min(len(piece) for piece in store.pieces("train")) > 24
    rows = data.draw(np.random.default_rng(0)).numpy()
    lengths = (rows != 0).sum(axis=1)
    starts = (rows[:, 0] == BOS).mean()
    ends = [length for row, length in zip(rows, lengths, strict=True) if row[length - 1] == EOS]
    assert 0 < starts < 1 and len(ends) > 20
    assert set(lengths[lengths < 24]) <= set(ends), "a window that is not full ends with its piece"
    assert min(ends) <= 14 and max(ends) >= 23 and len(set(ends)) > 8, "ends stand anywhere in the second half"


def test_windows_of_a_model_with_a_meter_start_with_its_longest_period(encoded: Session, tmp_path: Path) -> None:
    base = tiny(train={"window": 12, "batch_size": 64})
    section = {**base.models["lstm_attention"], "meter": 3, "hidden": 8}
    settings = Settings.of({**base.as_dict(), "models": {"lstm_attention": section}})
    store = Store(encoded.root / "data/tokenize/remi")
    representation = load_representation(store)
    model = build_model(settings.model("lstm_attention"), "lstm_attention", representation)
    task = Task(settings, "lstm_attention", encoded, store, representation, tmp_path, lambda values, step: None)
    data = Windows(model, task)
    pieces, later = [piece.tolist() for piece in store.pieces("train")], 0
    for row in data.draw(np.random.default_rng(0)).tolist():
        window = row[: row.index(0)] if 0 in row else row
        starts = [b for piece in pieces for b in range(len(piece)) if piece[b : b + len(window)] == window]
        assert any(start % 8 == 0 for start in starts)
        later += min(starts) > 0
    assert later > 30


def test_a_piece_that_fits_is_one_window(encoded: Session, tmp_path: Path) -> None:
    store = Store(encoded.root / "data/tokenize/remi")
    whole = {piece.tobytes() for piece in store.pieces("train")}
    window = max(len(piece) for piece in store.pieces("train"))
    representation = load_representation(store)
    settings = tiny(train={"window": window, "batch_size": 32})
    model = build_model(settings.model("lstm"), "lstm", representation)
    task = Task(settings, "lstm", encoded, store, representation, tmp_path, lambda values, step: None)
    data = Windows(model, task)
    for row in data.draw(np.random.default_rng(0)).numpy():
        assert row[row != 0].astype(np.uint16).tobytes() in whole


@pytest.mark.parametrize("model_name", FRAMES)
def test_models_of_frames_learn_and_are_measured_by_frame(model_name: str, frames: Session) -> None:
    found = likelihood(frame_settings(), frames, model_name)
    units = ("nats_per_frame", "nats_per_frame_by_piece", "nats_per_piece")
    assert set(found) == {f"{split}/{unit}" for split in ("valid", "test") for unit in units}
    store = Store(frames.root / "data/tokenize/frames")
    pieces = store.manifest["pieces"]["test"]
    assert [piece["frames"] for piece in pieces] == [len(piece) - 1 for piece in store.pieces("test")]
    predicted = sum(piece["frames"] for piece in pieces)
    assert found["test/nats_per_frame"] * predicted == pytest.approx(found["test/nats_per_piece"] * len(pieces))
    result = read_json(frames.root / f"models/{model_name}/result.json", "")
    assert found["valid/nats_per_frame"] == pytest.approx(result["valid/nats_per_frame"], rel=1e-4)  # of float16
    history = (frames.root / f"models/{model_name}/history.csv").read_text().splitlines()
    assert "train/nats_per_frame" in history[0]
    assert found["valid/nats_per_frame"] < 88 * np.log(2) / 2  # keys are silent most of the time, it learned at least


@pytest.mark.parametrize("model_name", FRAMES)
def test_samples_of_frames_are_pieces(model_name: str, frames: Session) -> None:
    settings = frame_settings()
    listed = read_json(frames.root / f"data/generate/{model_name}/manifest.json", "")["pieces"]
    assert len(listed) == settings.generate.pieces
    firsts = {p[0].tobytes() for p in Store(frames.root / "data/tokenize/frames").pieces("train")}
    representation = load_representation(Store(frames.root / "data/tokenize/frames"))
    for entry in listed:
        score = ScoreTick(frames.root / f"data/generate/{model_name}" / entry["file"])
        assert representation.encode(score)[0].tobytes() in firsts
        assert score.end() <= settings.generate.open_bars * 4 * score.ticks_per_quarter


def test_an_ngram_reads_no_frames(frames: Session, log: Log) -> None:
    with pytest.raises(
        EtudeError, match=r"models\.ngram\.representation = frames: NGram reads tokens, .* gives frames"
    ):
        train.run(frame_settings(), frames, "ngram")
