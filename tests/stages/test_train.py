"""Stage train: what it leaves, what its key depends on, what it reports, and what is refused."""

import csv
import dataclasses
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Log, tiny
from filelock import FileLock

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json, write_json
from etude.models.building import build_model
from etude.models.weights import save_weights
from etude.representations.base.loading import load_representation
from etude.stages import train
from etude.stages.train import run, training_key
from etude.tasks.trained_model import TrainedModel, read_snapshots

TOKENS = "0" * 64
FILES = ["SHA256SUMS", "config.json", "history.csv", "model.safetensors", "observed.npz", "result.json"]
LEARNED = {"gan": ["pianoroll.json"]}  # files of the representation; else those of remi
REMI = ["notes.json", "tokenizer.json"]


@pytest.fixture
def project(encoded: Session, tmp_path: Path) -> Session:
    """A project with encoded pieces, to be trained in."""
    root = tmp_path / "project"
    for place in ("data/tokenize", "data/built_from"):
        shutil.copytree(encoded.root / place, root / place)
    return Session(root=root, progress=False)


def changed(settings: Settings, section: str, **changes: object) -> Settings:
    values = settings.as_dict()
    return Settings.of({**values, section: {**values[section], **changes}})


def with_model(settings: Settings, model_name: str, **changes: object) -> Settings:
    return dataclasses.replace(
        settings, models={**settings.models, model_name: {**settings.models[model_name], **changes}}
    )


# --- what it leaves


@pytest.mark.parametrize("model_name", ["ngram", "lstm", "gan"])
def test_a_training_leaves_a_whole_model(model_name: str, trained: Session) -> None:
    folder = trained.root / "models" / model_name
    kept = [] if model_name == "ngram" else ["snapshots"]  # a model that counts has no earlier weights
    assert sorted(file.name for file in folder.iterdir()) == sorted([*FILES, *LEARNED.get(model_name, REMI), *kept])
    result = read_json(folder / "result.json", "")
    rows = list(csv.DictReader((folder / "history.csv").open()))
    history = [{name: float(value) for name, value in row.items() if value} for row in rows]
    monitor = "valid/roll_distance" if model_name == "gan" else "valid/nats_per_note"
    scores = {row["step"]: row[monitor] for row in history if monitor in row}
    assert result[monitor] == min(scores.values()) == scores[result["best_step"]]
    assert result["steps"] == max(scores) == (3 if model_name == "ngram" else 4)
    store = store_of(tiny(), trained, model_name)
    assert read_json(folder / "config.json", "")["key"] == training_key(tiny(), model_name, store.digest)


def test_parameters_are_counted(trained: Session) -> None:
    store = store_of(tiny(), trained, "lstm")
    model = build_model(tiny().model("lstm"), "lstm", load_representation(store))
    count = sum(weights.numel() for weights in model.parameters())
    assert read_json(trained.root / "models/lstm/result.json", "")["parameters"] == count


def test_checkpoints_of_a_finished_training_are_removed_and_nothing_is_left_half_written(trained: Session) -> None:
    assert not [file for kind in ("*.ckpt", "*.safetensors") for file in (trained.root / ".checkpoints").rglob(kind)]
    assert not list(trained.root.rglob("*.part")) and not list(trained.root.rglob("*.old"))


def test_config_json_holds_only_what_decides_the_training(trained: Session) -> None:
    found = read_json(trained.root / "models/lstm/config.json", "")
    made = found["settings"]
    train, optim = tiny().schedule("lstm")
    assert set(made) == {"model", "optim", "train", "trainer"}, "what built the data stands next to the data"
    assert made["model"].items() <= tiny().models["lstm"].items()
    assert made["optim"] == vars(optim) and made["train"] == vars(train)
    text = (trained.root / "models/lstm/config.json").read_text()
    assert str(trained.root) not in text and "progress" not in text and "workers" not in text


def test_with_samples_there_is_one_to_hear_and_to_see(project: Session, log: Log) -> None:
    run(tiny(), dataclasses.replace(project, samples=1), "ngram")
    folder = project.root / "models/ngram"
    assert sorted(file.name for file in folder.iterdir()) == sorted([*FILES, *REMI, "samples"])
    samples = folder / "samples"
    assert sorted(file.name for file in samples.iterdir()) == ["00.html", "00.mid", "00.mp3", "00.png"]
    assert all(file.stat().st_size for file in samples.iterdir())


# --- weights of earlier steps


@pytest.mark.parametrize("model_name", ["lstm", "gan"])
def test_weights_of_earlier_steps_are_listed_with_digests_and_load(model_name: str, trained: Session) -> None:
    folder = trained.root / "models" / model_name
    result, listed = read_json(folder / "result.json", ""), read_json(folder / "snapshots/index.json", "")
    assert [entry["step"] for entry in listed] == sorted({2, 4} - {result["best_step"]}), (
        "the model has the best step's"
    )
    assert sorted(file.name for file in (folder / "snapshots").iterdir()) == sorted(
        ["index.json", *(entry["file"] for entry in listed)]
    )
    assert all(digest(folder / "snapshots" / entry["file"]) == entry["sha256"] for entry in listed)
    whole_model = TrainedModel.read(folder, tiny().generate, "etude train")
    final = {name: weights.clone() for name, weights in whole_model.model.named_parameters()}
    found = dict(read_snapshots(folder, whole_model))
    assert list(found) == [entry["step"] for entry in listed]
    for earlier in found.values():
        assert not earlier.model.training and earlier.representation is whole_model.representation
        assert any(not torch.equal(final[name], own) for name, own in earlier.model.named_parameters())
    assert all(torch.equal(final[name], own) for name, own in whole_model.model.named_parameters()), "stay as they are"


def test_damaged_weights_of_an_earlier_step_are_refused(trained: Session, tmp_path: Path) -> None:
    folder = tmp_path / "lstm"
    shutil.copytree(trained.root / "models/lstm", folder)
    whole_model = TrainedModel.read(folder, tiny().generate, "etude train")
    (entry,) = read_json(folder / "snapshots/index.json", "")
    file = folder / "snapshots" / entry["file"]
    raw = bytearray(file.read_bytes())
    raw[-2] ^= 1
    file.write_bytes(raw)
    message = rf"{entry['file']} is damaged or missing: .*Make it again with: etude train model=lstm"
    with pytest.raises(EtudeError, match=message):
        list(read_snapshots(folder, whole_model))
    file.unlink()
    with pytest.raises(EtudeError, match=message):
        list(read_snapshots(folder, whole_model))
    shutil.rmtree(folder / "snapshots")
    assert list(read_snapshots(folder, whole_model)) == []


def test_none_are_kept_where_none_are_asked_for_and_the_model_is_the_same(
    project: Session, log: Log, trained: Session
) -> None:
    folder = run(changed(tiny(), "train", keep=None), project, "lstm")
    assert sorted(file.name for file in folder.iterdir()) == sorted([*FILES, *REMI])
    assert digest(folder / "model.safetensors") == digest(trained.root / "models/lstm/model.safetensors")
    seldom = run(changed(tiny(), "train", keep=2), project, "lstm")
    best = read_json(seldom / "result.json", "")["best_step"]
    listed = read_json(seldom / "snapshots/index.json", "") if best != 4 else []
    assert [entry["step"] for entry in listed] == sorted({4} - {best}), "of two epochs the second"


# --- the key


def test_the_key_changes_with_model_optim_train_and_data() -> None:
    settings = tiny()
    keys = [
        training_key(settings, "lstm", TOKENS),
        training_key(settings, "ngram", TOKENS),
        training_key(settings, "lstm", "1" * 64),
        training_key(with_model(settings, "lstm", hidden=9), "lstm", TOKENS),
        training_key(changed(settings, "optim", lr=1e-4), "lstm", TOKENS),
        training_key(changed(settings, "train", seed=2), "lstm", TOKENS),
        training_key(changed(settings, "trainer", threads=2), "lstm", TOKENS),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_does_not_change_with_what_comes_after_nor_with_other_variants() -> None:
    key = training_key(tiny(), "lstm", TOKENS)
    others = [
        changed(tiny(), "generate", seed=9, temperature=0.5),
        changed(tiny(), "evaluate", bootstrap=11),
        changed(tiny(), "arrange", best=3),
        with_model(tiny(), "gan", hidden=9),
    ]
    assert {training_key(other, "lstm", TOKENS) for other in others} == {key}


def test_the_key_changes_with_the_code_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    key = training_key(tiny(), "lstm", TOKENS)
    asked = []

    def other(*instance: Any) -> str:
        asked.append((instance[0], *instance[2:]))
        return "other"

    monkeypatch.setattr("etude.artifacts.provenance.digest_of_code", other)
    assert training_key(tiny(), "lstm", TOKENS) != key and asked == [("train", "lstm")]


def test_key_and_bytes_do_not_change_with_the_session(project: Session, log: Log, tmp_path: Path) -> None:
    hand = Session(project.root, tmp_path / "hand", workers=7, progress=False, experiment="o", overrides="model=ngram")
    folders = [run(tiny(), session, "ngram") for session in (project, hand)]
    assert folders == [project.root / "models/ngram", tmp_path / "hand/models/ngram"]
    assert log.started[0]["key"] == log.started[1]["key"]
    assert digest(folders[0]) == digest(folders[1])
    assert "overrides" not in log.started[0]["tags"] and log.started[1]["tags"]["overrides"] == "model=ngram"


# --- what it reports


def test_a_run_is_told_its_rows_and_that_it_finished(project: Session, log: Log) -> None:
    folder = run(tiny(), project, "ngram")
    assert [start["model"] for start in log.started] == ["ngram"]
    own = read_json(folder / "config.json", "")["settings"]
    assert log.started[0]["settings"]["models"] == {"ngram": own.pop("model")}
    assert all(log.started[0]["settings"][name] == section for name, section in own.items())
    assert log.started[0]["settings"]["dataset"] == tiny().dataset, "what the data was built from, too"
    rows = list(csv.DictReader((folder / "history.csv").open()))
    history = [{name: float(value) for name, value in row.items() if value} for row in rows]
    assert [{"step": step, **row} for step, row in log.rows] == history
    assert log.finished == [(folder, "FINISHED")]
    assert log.started[0]["tags"]["etude.tokens"] == store_of(tiny(), project, "ngram").digest


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (EtudeError("no"), "FAILED"),
        (MemoryError(), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
    ],
)
def test_a_run_is_told_how_it_ended_and_the_old_model_stays(
    fault: BaseException, status: str, project: Session, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny(), project, "ngram")
    before = digest(project.root / "models")

    def fail(model: Any, task: Any) -> None:
        raise fault

    monkeypatch.setattr(train, "learn", fail)
    with pytest.raises(type(fault)):
        run(with_model(tiny(), "ngram", order=2), project, "ngram")
    assert log.finished[1:] == [(None, status)]
    assert digest(project.root / "models") == before


def test_a_training_that_was_ended_goes_on_from_its_checkpoint(
    project: Session, log: Log, trained: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etude.training.callbacks.LOG_EVERY", 1)
    keep = log.metrics

    def end(values: Mapping[str, float], step: int) -> None:
        if step == 3:  # of 4, in the second epoch
            raise SystemExit(143)
        keep(values, step)

    monkeypatch.setattr(log, "metrics", end)
    with pytest.raises(SystemExit):
        run(tiny(), project, "lstm")
    kept = project.root / ".checkpoints" / log.started[0]["key"][:16]
    assert (kept / "last.ckpt").is_file() and not (project.root / "models/lstm").exists()
    assert log.finished == [(None, "KILLED")]
    log.rows.clear()
    monkeypatch.setattr(log, "metrics", keep)
    run(tiny(), project, "lstm")
    assert min(step for step, _ in log.rows) == 3 and log.finished[1:] == [(project.root / "models/lstm", "FINISHED")]
    assert not list(kept.glob("*.ckpt"))
    folders = [session.root / "models/lstm" for session in (project, trained)]
    assert (folders[0] / "snapshots/index.json").is_file()
    for name in ("model.safetensors", "snapshots"):
        assert digest(folders[0] / name) == digest(folders[1] / name), "that of the training that was not ended"


def test_the_second_of_two_equal_trainings_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held, done = threading.Event(), threading.Event()

    def first() -> None:
        with FileLock(tmp_path.with_suffix(".lock")):
            held.set()
            done.wait(20)

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(20)
    lock = train._alone(tmp_path, "lstm")
    assert "another training of the same lstm is running; waiting" in capsys.readouterr().out
    done.set()
    with lock.acquire(timeout=20):
        thread.join()


# --- what is refused


def store_of(settings: Settings, session: Session, model_name: str) -> Store:
    return Store(session.root / "data/tokenize" / settings.models[model_name]["representation"])


def loaded(folder: Path) -> Any:
    return TrainedModel.read(folder, tiny().generate, "etude train model=lstm").model


def test_the_model_on_disk_is_the_one_that_was_trained(trained: Session, tmp_path: Path) -> None:
    model = loaded(trained.root / "models/lstm")
    assert not model.training
    assert save_weights(model, tmp_path / "again") == digest(trained.root / "models/lstm/model.safetensors")


def test_a_flipped_bit_in_the_weights_is_found(trained: Session, tmp_path: Path) -> None:
    folder = tmp_path / "lstm"
    shutil.copytree(trained.root / "models/lstm", folder)
    loaded(folder)
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-2] ^= 1
    (folder / "model.safetensors").write_bytes(raw)
    with pytest.raises(EtudeError, match=r"model\.safetensors is damaged or missing.* with: etude train model=lstm"):
        loaded(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(EtudeError, match="damaged or missing"):
        loaded(folder)


def test_the_weights_are_those_of_the_settings_beside_them(trained: Session) -> None:
    """The settings of now may ask for another width: what was trained is what is loaded."""
    wide = with_model(tiny(), "lstm", hidden=16)
    model = TrainedModel.load(wide, trained, "lstm").model
    assert {weights.shape[-1] for name, weights in model.named_parameters() if name.startswith("recurrent")} >= {8}


@pytest.mark.parametrize(
    ("model_name", "name", "message"),
    [
        ("lstm", "pianoroll", r"models\.lstm\.representation = pianoroll: LSTM reads tokens or frames, .* gives rolls"),
        ("gan", "remi", r"models\.gan\.representation = remi: GAN reads rolls, .* gives tokens"),
    ],
)
def test_a_model_that_cannot_read_its_representation_is_refused(
    model_name: str, name: str, message: str, project: Session, log: Log
) -> None:
    with pytest.raises(EtudeError, match=message):
        run(with_model(tiny(), model_name, representation=name), project, model_name)
    assert [status for _, status in log.finished] == ["FAILED"] and not (project.root / "models").exists()


def test_nothing_begins_without_the_right_data(project: Session, log: Log) -> None:
    with pytest.raises(EtudeError, match=r"augment\.seed = 0, but this run asks for augment\.seed = 3"):
        run(changed(tiny(), "augment", seed=3), project, "ngram")
    with pytest.raises(EtudeError, match='no model "ngrm"'):
        run(tiny(), project, "ngrm")
    tokens = project.root / "data/tokenize/remi/train.npy"
    raw = bytearray(tokens.read_bytes())
    raw[-1] ^= 1
    tokens.write_bytes(raw)
    with pytest.raises(EtudeError, match=r"train\.npy is damaged"):
        run(tiny(), project, "ngram")
    shutil.rmtree(project.root / "data")
    with pytest.raises(EtudeError, match=r"with: etude download && .* && etude tokenize tokenize=remi$"):
        run(tiny(), project, "ngram")
    assert log.started == [] and not (project.root / ".checkpoints").exists()


@pytest.mark.parametrize("split", ["train", "valid"])
def test_an_empty_side_is_refused(split: str, project: Session, log: Log) -> None:
    folder = project.root / "data/tokenize/remi"
    np.save(folder / f"{split}.offsets.npy", np.zeros(1, dtype=np.int64))
    manifest = read_json(folder / "manifest.json", "")
    manifest["sha256"][f"{split}.offsets.npy"] = digest(folder / f"{split}.offsets.npy")
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(EtudeError, match=rf"holds no {split} piece: .* Raise split\.{split}"):
        run(tiny(), project, "lstm")
    assert not log.started


def test_a_training_by_hand_leaves_what_it_was_swept_with_beside_the_model(
    project: Session, log: Log, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ETUDE_PARENT_RUN", "abc")
    by_hand = dataclasses.replace(project, out=tmp_path / "runs/1", overrides="optim.lr=1e-3")
    run(tiny(), by_hand, "ngram")
    sweep = {"overrides": "optim.lr=1e-3", "mlflow.parentRunId": "abc"}
    assert read_json(tmp_path / "runs/1/sweep.json", "") == sweep and sweep.items() <= log.started[0]["tags"].items()
    assert read_json(tmp_path / "runs/1/models/ngram/config.json", "")["tags"].keys().isdisjoint(sweep)


# --- how a model is sampled decides no weight


def test_in_the_folder_of_a_run_a_new_temperature_keeps_the_weights(project: Session, tmp_path: Path) -> None:
    inside = dataclasses.replace(project, out=tmp_path / "run", run=tmp_path / "run")
    first = with_model(tiny(), "lstm", generate={"temperature": 0.5})
    folder = run(first, inside, "lstm")
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    before = {str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}
    run(first, inside, "lstm")
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == {k: v[1] for k, v in before.items()}
    run(with_model(tiny(), "lstm", generate={"temperature": 0.9, "rhythm": 1.0}), inside, "lstm")
    changed_files = {name for name, (data, _) in before.items() if (folder / name).read_bytes() != data}
    assert changed_files == {"config.json", "SHA256SUMS"}
    loaded = TrainedModel.read(folder, tiny().generate, "")
    assert (loaded.config.temperature, loaded.config.rhythm) == (0.9, 1.0)
    (folder / "model.safetensors").unlink()
    run(first, inside, "lstm")
    assert (folder / "model.safetensors").read_bytes() == before["model.safetensors"][0], "trained again"
    run(with_model(tiny(), "lstm", hidden=6), inside, "lstm")
    assert (folder / "model.safetensors").read_bytes() != before["model.safetensors"][0]
