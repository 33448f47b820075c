"""What data was built from: refusal of what other settings built, and of pieces that differ from their digest."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from etude.errors import EtudeError
from etude.outputs import digest, read_json
from etude.session import Session
from etude.settings import Settings

# the stages that make data, in their order -> the file of their folder that says what was made
MANIFESTS = {"download": "manifest.json", "ingest": "manifest.json", "split": "split.json", "augment": "manifest.json"}
STAGES = (*MANIFESTS, "tokenize")
SECTIONS = ("dataset", "ingest", "split", "augment", "tokenize")  # of the settings, one for each of STAGES


def built_from(settings: Settings, stage: str) -> dict[str, Any]:
    """The sections that decide what ``stage``, download to augment, makes: its own and those of the stages before."""
    values = settings.as_dict()
    return {name: values[name] for name in SECTIONS[: STAGES.index(stage) + 1]}


def require(place: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse data that was built with other settings.

    Args:
        place: its folder, as in data/split.
        found: the sections that it was built with, as its manifest says.
        wanted: those that this run asks for, in the order of the stages.

    Raises:
        EtudeError: naming both values of each key that differs, and the commands that build the right data.
    """
    plain = json.loads(json.dumps(wanted))
    changes = [change for name in plain for change in _changes(found.get(name), plain[name], name)]
    if not changes:
        return
    said = "; ".join(f"{key} = {old!r}, but this run asks for {key} = {new!r}" for key, old, new in changes)
    overrides = " ".join(_override(key, new) for key, _, new in changes)
    first = SECTIONS.index(changes[0][0].split(".")[0])
    commands = " && ".join(f"etude {stage} {overrides}" for stage in STAGES[first : len(wanted)])
    raise EtudeError(f"{place} was built with {said}. Build the right data with: {commands}")


def upstream(settings: Settings, session: Session, stage: str) -> tuple[Path, dict[str, Any]]:
    """The folder that ``stage``, download to augment, left, and its manifest; refused where other settings built it."""
    folder = session.read(f"data/{stage}", f"etude {stage}")
    manifest = read_json(folder / MANIFESTS[stage], f"etude {stage}")
    require(f"data/{stage}", manifest.get("settings", {}), built_from(settings, stage))
    return folder, manifest


def read_piece(folder: Path, entry: Mapping[str, Any], made_by: str) -> ScoreTick:
    """A piece, from the ``file`` that a manifest's entry names, if it has the entry's ``sha256``.

    Raises EtudeError, naming the command ``made_by``, where it is missing or not the file that was written.
    """
    file = folder / entry["file"]
    if not file.is_file() or digest(file) != entry["sha256"]:
        raise EtudeError(
            f"{file} is damaged or missing: it is not the file that its manifest names. Make it again with: {made_by}"
        )
    return ScoreTick(file)


def _changes(old: Any, new: Any, key: str) -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new})
        return [change for name in names for change in _changes(old.get(name), new.get(name), f"{key}.{name}")]
    return [] if old == new else [(key, old, new)]


def _override(key: str, value: Any) -> str:
    text = json.dumps(value).replace(" ", "").replace('"', "")
    return f"'{key}={text}'" if any(sign in text for sign in "[{") else f"{key}={text}"
