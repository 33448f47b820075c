"""Stage train: one representation in, models/MODEL out; each training is one MLflow run."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import key_of
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import SUMS, Json, discard, whole_folder, write_json, write_text
from etude.core.seeds import seed_of
from etude.core.signals import ending
from etude.models.building import build_model, set_threads
from etude.models.weights import count_parameters, round_weights
from etude.representations.base.loading import load_representation
from etude.representations.base.representation import Representation
from etude.stages import main
from etude.tasks.model_files import read_config, require_files
from etude.tasks.trained_model import write_model, write_snapshots
from etude.tracking import PARENT_RUN, SWEEP, parent, start
from etude.training.objectives import learn
from etude.training.task import Learned, Task, node_rank


def training_key(settings: Settings, model_name: str, tokens: str) -> str:
    """The key of a training, in hexadecimal: a digest of settings, data, code and torch. Equal keys, equal weights.

    Checkpoints are kept under this key, so that no training resumes from weights of other settings, data or code.
    """
    release = torch.__version__.partition("+")[0]  # the same for every build of it
    made = {**own_settings(settings, model_name), "tokens": tokens, "torch": release}
    return key_of(made, "train", settings, model_name)


def own_settings(settings: Settings, model_name: str) -> Json:
    """The sections that decide a training, with the resolved schedule of this model."""
    train, optim = settings.schedule(model_name)
    resolved = ("train", "optim", "generate")  # the model's own values of these sections
    model = {name: value for name, value in settings.model(model_name).items() if name not in resolved}
    return {"model": model, "optim": vars(optim), "train": vars(train), "trainer": vars(settings.trainer)}


def train(
    settings: Settings,
    model_name: str,
    store: Store,
    session: Session,
    checkpoints: Path,
    report: Callable[[Mapping[str, float], int], None],
) -> tuple[Any, Representation, Learned]:
    """Train one model on one representation.

    Args:
        settings: all settings.
        model_name: a name under ``models``.
        store: the encoded pieces.
        session: whether progress is shown.
        checkpoints: folder to resume from and to keep checkpoints in.
        report: called with every row of metrics and its step.

    Returns:
        The model with its best weights, the representation, and the history and result.
    """
    set_threads(settings.trainer.threads)
    representation = load_representation(store)
    torch.manual_seed(seed_of("weights", settings.schedule(model_name)[0].seed))
    model = build_model(settings.model(model_name), model_name, representation)
    learned = learn(model, Task(settings, model_name, session, store, representation, checkpoints, report))
    return model, representation, learned


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Read data/tokenize/REPRESENTATION; write models/``model_name``. Resumes after a kill.

    In the folder of a run, a model of the same training keeps its weights: only how it is sampled may be new.

    Returns the folder of the weights.
    """
    name = settings.model(model_name)["representation"]
    store = Store(session.read(catalog.tokens(name)))
    store.require(settings, name)
    store.verify()
    for split, empty in (
        ("train", "there is nothing to learn from"),
        ("valid", "no training can tell when it is best"),
    ):
        if not store.count(split):
            raise EtudeError(
                f"{store.folder} holds no {split} piece: {empty}. Raise split.{split} and run: {catalog.SPLIT.made_by}"
            )
    key = training_key(settings, model_name, store.digest)
    if session.out is not None and _keep_trained(session.write(catalog.model(model_name)), key, settings, model_name):
        return session.write(catalog.model(model_name))
    checkpoints = session.root / ".checkpoints" / key[:16]
    checkpoints.mkdir(parents=True, exist_ok=True)
    if node_rank(settings.trainer):  # of several machines the first one records and keeps what all learn
        train(settings, model_name, store, session, checkpoints, lambda row, step: None)
        return session.write(catalog.model(model_name))
    with _alone(checkpoints, model_name):
        sweep = {"overrides": session.overrides, PARENT_RUN: parent()}
        sweep = {name: text for name, text in sweep.items() if text}
        if session.out is not None:
            write_json(session.out / SWEEP, sweep)
        log = start(session, model_name, key, made_from(settings, model_name, store), tags_of(store) | sweep)
        status = "FAILED"
        try:
            model, representation, learned = train(settings, model_name, store, session, checkpoints, log.metrics)
            round_weights(model)
            observed = representation.observe(store.pieces("train"))
            folder = session.write(catalog.model(model_name))
            with whole_folder(folder) as part:
                write_model(part, describe(settings, model_name, key, store, learned), model, representation, observed)
                _write_course(part, learned, count_parameters(model))
                write_snapshots(part, learned.snapshots)
                if session.samples:
                    from etude.tracking.samples import write_samples  # sound and pages, which a training does not need

                    made = (settings, model_name, model, representation, observed)
                    write_samples(part / "samples", *made, session.samples)
            status = "FINISHED"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit) or ending() is not None:
                status = "KILLED"
            raise
        finally:
            log.finish(session.write(catalog.model(model_name)) if status == "FINISHED" else None, status)
        discard(checkpoints)
    return folder


def _keep_trained(folder: Path, key: str, settings: Settings, model_name: str) -> bool:
    """Keep the model of this training where a folder holds it, with how it is sampled now; return whether it does."""
    made_by = catalog.model(model_name).made_by
    try:
        config = read_config(folder, made_by)
        if config["key"] != key:
            return False
        require_files(folder, config, made_by)
    except EtudeError:  # there is none, or it is damaged: it is trained again
        return False
    if config["model"] != settings.model(model_name):
        with whole_folder(folder) as part:
            shutil.copytree(folder, part, dirs_exist_ok=True, ignore=shutil.ignore_patterns(SUMS, catalog.CONFIG))
            write_json(part / catalog.CONFIG, {**config, "model": settings.model(model_name)})
    return True


def _alone(checkpoints: Path, model_name: str) -> FileLock:
    """Lock the checkpoints: a second training of the same key waits for the first."""
    lock = FileLock(checkpoints.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        print(
            f"etude: another training of the same {model_name} is running; waiting for it ({checkpoints.name}).",
            flush=True,
        )
    return lock


def made_from(settings: Settings, model_name: str, store: Store) -> Json:
    """The sections that decide a training, for MLflow; those of its data come from the data's record."""
    own = own_settings(settings, model_name)
    seed = settings.schedule(model_name)[0].seed
    return {**store.record["settings"], "models": {model_name: own.pop("model")}, **own, "seed": seed}


def tags_of(store: Store) -> dict[str, str]:
    """The tags that name a run's data."""
    return {"etude.tokens": store.digest, "etude.representation": store.folder.name}


def describe(settings: Settings, model_name: str, key: str, store: Store, learned: Learned) -> Json:
    """What config.json says of a training; ``write_model`` adds the digests of the files."""
    found = store.manifest
    return {
        "name": model_name,
        "key": key,
        "model": settings.model(model_name),
        "representation": {
            "name": store.folder.name,
            "settings": found["representation"],
            "voices": found["voices"],
        },
        "settings": own_settings(settings, model_name),
        "tokens": store.digest,
        "tags": tags_of(store),
        "made_on": learned.made_on,
    }


def _write_course(part: Path, learned: Learned, parameters: int) -> None:
    """Write how the training went: result.json and history.csv."""
    write_json(part / "result.json", {**learned.result, "parameters": parameters})
    columns = ["step", *sorted({name for row in learned.history for name in row} - {"step"})]
    lines = [",".join(columns)]
    for row in learned.history:
        lines.append(",".join(repr(row[name]) if name in row else "" for name in columns))
    write_text(part / "history.csv", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(run)
