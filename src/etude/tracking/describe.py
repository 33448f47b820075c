"""The description of a run: its name, its parameters (the settings, flattened) and its tags."""

import getpass
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from etude.artifacts.context import Session
from etude.tracking.alive import host
from etude.tracking.server import NOTE, home

PARAM, TAG, NAME = 6000, 8000, 250  # characters that MLflow 3.17 takes; a tracker's limit, not a setting
DVC = ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")
PARENT = "ETUDE_PARENT_RUN"  # in the environment, so that the workers of a multirun inherit it
SWEEP = "sweep.json"  # in the folder of a manual run: tags of the sweep that it belongs to
PARENT_RUN = "mlflow.parentRunId"  # the tag by which MLflow knows a child
OURS = ("etude.host", "etude.root", PARENT_RUN)  # of the process that logs, not of the training
TOKENS, REPRESENTATION = (
    "etude.tokens",
    "etude.representation",
)  # tags: the digest of what a training read, and its kind


class Data(NamedTuple):
    """What a training read: a dataset as encoded pieces. ``digest`` is that of the arrays, in hexadecimal."""

    name: str
    digest: str
    representation: str


@dataclass(frozen=True)
class Training:
    """One training as MLflow shows it. ``key`` and ``place`` identify it; ``data`` is None where it is not known."""

    key: str
    place: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    data: Data | None


def describe(
    session: Session,
    top: Path,
    model_name: str,
    key: str,
    settings: Mapping[str, Any],
    tags: Mapping[str, str],
    source: str,
) -> Training:
    """Describe the training of ``model_name`` whose results lie under ``top`` (the project, or one run's folder).

    ``source`` is the command that logs it.
    """
    place = place_of(session, top)
    data = _data(settings, tags)
    own = {"etude.key": key, "etude.place": place, "etude.model": model_name}
    own[NOTE] = _note(model_name, settings, tags, place, data)
    return Training(
        key=key,
        place=place,
        name=_name(model_name, settings, tags),
        params={"model": model_name, **params(settings, model_name)},
        tags={
            **surroundings(session, source),
            **{label(name): str(value)[:TAG] for name, value in tags.items()},
            **own,
        },
        data=data,
    )


def _name(model_name: str, settings: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Model, steps, and what sets the training apart: a short training and a whole one differ in the table."""
    steps = _steps(model_name, settings)
    overrides = " ".join(part for part in tags.get("overrides", "").split() if not part.startswith("train.max_steps="))
    text = os.environ.get("DVC_EXP_NAME") or overrides or f"seed={_seed(settings)}"
    return " ".join(filter(None, (model_name, f"{steps} steps" if steps else "", text)))[:NAME]


def _steps(model_name: str, settings: Mapping[str, Any]) -> int | None:
    """The steps of a training; None for a model that counts."""
    model = settings.get("models", {}).get(model_name, settings.get("model", {}))
    return None if model.get("objective") == "counting" else settings.get("train", {}).get("max_steps")


def _seed(settings: Mapping[str, Any]) -> object:
    return settings.get("seed", settings.get("train", {}).get("seed", "?"))


def _data(settings: Mapping[str, Any], tags: Mapping[str, str]) -> Data | None:
    name = settings.get("dataset", {}).get("name")
    return Data(name, tags[TOKENS], tags.get(REPRESENTATION, "")) if name and TOKENS in tags else None


def _note(model_name: str, settings: Mapping[str, Any], tags: Mapping[str, str], place: str, data: Data | None) -> str:
    """What a run is, in a few words."""
    read = f" on {data.name} as {data.representation}" if data else ""
    steps = _steps(model_name, settings)
    size = settings.get("train", {}).get("batch_size")
    work = f", {steps} steps of {size} sequences" if steps and size else f", {steps} steps" if steps else ""
    own = f" Overrides: {tags['overrides']}." if tags.get("overrides") else ""
    folder = "/".join(filter(None, (place, "models", model_name)))
    return f"A training of {model_name}{read}{work}, seed {_seed(settings)}.{own} Its results: {folder}."[:TAG]


def place_of(session: Session, top: Path) -> str:
    """Where a training belongs: the DVC experiment's name, else the folder in the project; "" is the pipeline."""
    if "DVC_EXP_NAME" in os.environ:
        return os.environ["DVC_EXP_NAME"]
    top, root = top.resolve(), session.root.resolve()
    if top == root:
        return ""
    return top.relative_to(root).as_posix() if top.is_relative_to(root) else top.as_posix()


def params(settings: Mapping[str, Any], model_name: str) -> dict[str, str]:
    """All settings, flattened with dots; the model's own section as ``model.*``, those of other models left out.

    Under one name, ``model.hidden`` of all models is one column. A text over MLflow's 6000 characters is cut.
    """
    own = settings.get("models", {}).get(model_name)
    shown = {name: section for name, section in settings.items() if name != "models"}
    if own is not None:
        shown["model"] = own
    return {label(name): text[:PARAM] for name, text in _flat(shown, "")}


def _flat(section: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, default=str)


def label(name: str) -> str:
    """``name`` with the letters that MLflow refuses in names replaced."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:NAME]


def surroundings(session: Session, source: str) -> dict[str, str]:
    """Tags of whatever runs here: user, command, host, project, parent run, git commit and branch, DVC experiment.

    MLflow sets its own among them only for runs of its fluent interface.
    """
    found = {"etude.host": host(), "etude.root": str(home(session))[:TAG], **_git(session.root)}
    found |= {"mlflow.source.name": source, "mlflow.source.type": "LOCAL", **_user()}
    if parent():
        found[PARENT_RUN] = parent()
    return found | {name: os.environ[name] for name in DVC if name in os.environ}


def parent() -> str:
    """The parent run of the sweep that this process works for, or ""."""
    return os.environ.get(PARENT, "")


def _user() -> dict[str, str]:
    """Who runs it: the name that is known to the tracking server, else the one on this machine."""
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    try:
        return {"mlflow.user": name or getpass.getuser()}
    except (OSError, KeyError, ImportError):
        return {}  # in a container a user may have no name


def _git(root: Path) -> dict[str, str]:
    def ask(*words: str) -> str:
        # without the optional locks a commit at the same moment does not fail
        command = ["git", "--no-optional-locks", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        found = {
            "mlflow.source.git.commit": ask("rev-parse", "HEAD"),
            "mlflow.source.git.branch": ask("branch", "--show-current"),  # "" where a commit is checked out
            "etude.git.dirty": str(bool(ask("status", "--porcelain"))).lower(),
        }
        return {name: text for name, text in found.items() if text}
    except (OSError, subprocess.SubprocessError):
        return {}  # no git, no repository, or no commit in it
