"""What data was built from: refusal of what other settings built."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, digest_of, read_json

PACKAGE = Path(__file__).parent
# the stages that make data, in their order -> the file of their folder that says what was made
MANIFESTS = {"download": "manifest.json", "ingest": "manifest.json", "split": "split.json", "augment": "manifest.json"}
STAGES = (*MANIFESTS, "tokenize")
SPLITS = ("train", "valid", "test")
SECTIONS = ("dataset", "ingest", "split", "augment", "tokenize")  # of the settings, one for each of STAGES


def built_from(settings: Settings, stage: str) -> dict[str, Any]:
    """The sections that decide what ``stage``, download to augment, makes: its own and those of the stages before."""
    values = settings.as_dict()
    return {name: values[name] for name in SECTIONS[: STAGES.index(stage) + 1]}


def key_of(values: Any, code: Sequence[str]) -> str:
    """What something is made from, as hexadecimal digits: ``values`` (JSON), and files or folders of the package."""
    files = [file for place in code for file in sorted((PACKAGE / place).rglob("*.py")) or [PACKAGE / place]]
    return digest_of({"values": values, "code": {str(file.relative_to(PACKAGE)): digest(file) for file in files}})


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


def ingested(settings: Settings, session: Session) -> tuple[Pieces, dict[str, Any]]:
    """The clean pieces that the stage ingest left, and its manifest."""
    folder, manifest = upstream(settings, session, "ingest")
    return Pieces(folder, manifest, "pieces", "etude ingest"), manifest


def split_ids(settings: Settings, session: Session, pieces: Pieces) -> dict[str, list[str]]:
    """The ids that the stage split dealt to train, valid and test; refused where ``pieces`` lacks one of them."""
    _, manifest = upstream(settings, session, "split")
    splits = {split: manifest[split] for split in SPLITS}
    for names in splits.values():
        for name in names:
            if name not in pieces.entries:
                raise EtudeError(
                    f"data/split deals {name}, which data/ingest does not hold. Deal again with: etude split"
                )
    return splits


def _changes(old: Any, new: Any, key: str) -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new})
        return [change for name in names for change in _changes(old.get(name), new.get(name), f"{key}.{name}")]
    return [] if old == new else [(key, old, new)]


def _override(key: str, value: Any) -> str:
    text = json.dumps(value).replace(" ", "").replace('"', "")
    return f"'{key}={text}'" if any(sign in text for sign in "[{") else f"{key}={text}"
