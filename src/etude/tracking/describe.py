"""The description of a run: its name, its parameters (the settings, flattened) and its tags."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.artifacts.context import Session
from etude.tracking.alive import host
from etude.tracking.server import home

PARAM, TAG, NAME = 6000, 8000, 250  # characters that MLflow 3.17 takes; a tracker's limit, not a setting
DVC = ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")
PARENT = "ETUDE_PARENT_RUN"  # in the environment, so that the workers of a multirun inherit it
SWEEP = "sweep.json"  # in the folder of a manual run: tags of the sweep that it belongs to
PARENT_RUN = "mlflow.parentRunId"  # the tag by which MLflow knows a child
OURS = ("etude.host", "etude.root", PARENT_RUN)  # of the process that logs, not of the training


@dataclass(frozen=True)
class Training:
    """One training as MLflow shows it. ``key`` and ``place`` identify it."""

    key: str
    place: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]


def describe(
    session: Session, top: Path, model_name: str, key: str, settings: Mapping[str, Any], tags: Mapping[str, str]
) -> Training:
    """Describe the training of ``model_name`` whose results lie under ``top`` (the project, or one run's folder)."""
    place = place_of(session, top)
    text = os.environ.get("DVC_EXP_NAME") or tags.get("overrides") or f"seed={settings.get('seed', '?')}"
    own = {"etude.key": key, "etude.place": place, "etude.model": model_name}
    return Training(
        key=key,
        place=place,
        name=f"{model_name} {text}"[:NAME],
        params={"model": model_name, **params(settings, model_name)},
        tags={**surroundings(session), **{label(name): str(value)[:TAG] for name, value in tags.items()}, **own},
    )


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


def surroundings(session: Session) -> dict[str, str]:
    """Tags of whatever runs here: host, project, parent run, git commit with its dirty flag, DVC experiment."""
    found = {"etude.host": host(), "etude.root": str(home(session))[:TAG], **_git(session.root)}
    if parent():
        found[PARENT_RUN] = parent()
    return found | {name: os.environ[name] for name in DVC if name in os.environ}


def parent() -> str:
    """The parent run of the sweep that this process works for, or ""."""
    return os.environ.get(PARENT, "")


def _git(root: Path) -> dict[str, str]:
    def ask(*words: str) -> str:
        # without the optional locks a commit at the same moment does not fail
        command = ["git", "--no-optional-locks", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        return {
            "mlflow.source.git.commit": ask("rev-parse", "HEAD"),
            "etude.git.dirty": str(bool(ask("status", "--porcelain"))).lower(),
        }
    except (OSError, subprocess.SubprocessError):
        return {}  # no git, no repository, or no commit in it
