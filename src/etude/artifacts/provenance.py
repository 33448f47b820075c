"""Records of what data was built from, in data/built_from; data of other settings is refused.

The records lie outside the folders that DVC hashes and stages read. A setting that changes no byte of the data then
makes no later stage out of date.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from etude.artifacts import catalog
from etude.artifacts.catalog import Artifact
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces
from etude.config.code import digest_of_code
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest_of, read_json, whole, write_json
from etude.core.project import conf_folder, working_root

# the stages that make data, in their order -> the manifest in their folder
MANIFESTS = {"download": "manifest.json", "ingest": "manifest.json", "split": "split.json", "augment": "manifest.json"}
STAGES = (*MANIFESTS, "tokenize")
SPLITS = ("train", "valid", "test")
SECTIONS = ("dataset", "ingest", "split", "augment", "tokenize")  # of the settings, one for each of STAGES
Change = tuple[str, Any, Any]  # a key, what built the data, and what this run asks for
LIMITS = ("seconds", "max_memory")  # of ingest: they stop a reader that hangs, and change no result


def built_from(settings: Settings, stage: str, name: str | None = None) -> Json:
    """The sections that decide what a data stage makes: its own and those of the stages before it.

    Args:
        settings: all settings.
        stage: download to tokenize.
        name: the representation, for tokenize.
    """
    values = settings.as_dict()
    found = {section: values[section] for section in SECTIONS[: STAGES.index(stage) + 1]}
    if "ingest" in found:
        found["ingest"] = {key: value for key, value in found["ingest"].items() if key not in LIMITS}
    if name is not None:
        if name not in settings.tokenize:
            known = ", ".join(sorted(settings.tokenize))
            raise EtudeError(f'There is no representation "{name}" under tokenize. There are: {known}.')
        found["tokenize"] = {name: settings.tokenize[name]}
    return found


@contextmanager
def write_data(
    settings: Settings, session: Session, stage: str, name: str | None = None
) -> Iterator[tuple[Path, Json]]:
    """Yield an empty folder for the output of a data stage, and the record, which the stage may add to.

    The folder appears complete or not at all, and the record after it. A stage that fails leaves the old data and the
    old record. A record therefore always describes its data.
    """
    record = session.write(catalog.record(stage, name))
    facts: Json = {"settings": built_from(settings, stage, name)}
    with whole(session.write(catalog.data(stage, name))) as part:
        part.mkdir()
        yield part, facts
        record.unlink(missing_ok=True)  # killed from here on, the stage leaves data without a record, which is refused
    write_json(record, facts)


def key_of(values: Any, stage: str, settings: Settings, name: str | None = None) -> str:
    """A digest of ``values`` (JSON) and the code of a stage instance, as hexadecimal digits."""
    return digest_of({"values": values, "code": digest_of_code(stage, settings, name)})


def require(data: Artifact, record: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse data that was built with other settings.

    Args:
        data: the folder of the data.
        record: what it was built from.
        wanted: the sections that this run asks for, in the order of the stages.

    Raises:
        EtudeError: the data was built with other settings; the message has both values of each differing key, and the
            commands that build the right data.
    """
    found, plain = record["settings"], json.loads(json.dumps(wanted))
    if plain.get("split", {}).get("method") == "auto":
        plain["split"]["method"] = record.get("auto", "auto")
    changes = [change for name in plain for change in _changes(found.get(name), plain[name], name)]
    if not changes:
        return
    differences = "; ".join(f"{key} = {old!r}, but this run asks for {key} = {new!r}" for key, old, new in changes)
    first = SECTIONS.index(changes[0][0].split(".")[0])
    stages = [stage for stage in STAGES[first:] if SECTIONS[STAGES.index(stage)] in wanted]
    commands = " && ".join(_command(stage, wanted, changes) for stage in stages)
    raise EtudeError(f"{data} was built with {differences}. Build the right data with: {commands}")


def read_record(session: Session, stage: str, name: str | None = None) -> Json:
    """The record of a data stage."""
    place = catalog.record(stage, name)
    record: Json = read_json(session.read(place), place.made_by)
    return record


def carry(settings: Settings, session: Session, record: Json, stage: str) -> None:
    """Copy the settings in the record of an earlier ``stage``: there ``auto`` is already resolved to a method."""
    before = read_record(session, stage)
    record |= {name: value for name, value in before.items() if name != "settings"}
    record["settings"] = {**record["settings"], **before["settings"]}


def upstream(settings: Settings, session: Session, stage: str) -> tuple[Path, Json]:
    """The output folder of ``stage`` (download to augment) and its manifest; refused if other settings built it."""
    data = catalog.data(stage)
    folder = session.read(data)
    manifest = read_json(folder / MANIFESTS[stage], data.made_by)
    require(data, read_record(session, stage), built_from(settings, stage))
    return folder, manifest


def read_ingest(settings: Settings, session: Session) -> tuple[Pieces, Json]:
    """The clean pieces of the stage ingest, and its manifest."""
    folder, manifest = upstream(settings, session, "ingest")
    return Pieces(folder, manifest, "pieces", catalog.INGEST.made_by), manifest


def split_ids(settings: Settings, session: Session, pieces: Pieces) -> dict[str, list[str]]:
    """The piece ids of train, valid and test from the stage split; refused if ``pieces`` lacks one."""
    _, manifest = upstream(settings, session, "split")
    splits = {split: manifest[split] for split in SPLITS}
    for names in splits.values():
        for name in names:
            if name not in pieces.entries:
                raise EtudeError(
                    f"{catalog.SPLIT} assigns {name}, which {catalog.INGEST} does not hold. "
                    f"Split again with: {catalog.SPLIT.made_by}"
                )
    return splits


def _changes(old: Any, new: Any, key: str) -> list[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new})
        return [change for name in names for change in _changes(old.get(name), new.get(name), f"{key}.{name}")]
    return [] if old == new else [(key, old, new)]


def _command(stage: str, wanted: Mapping[str, Any], changes: Sequence[Change]) -> str:
    """The command of a stage with the overrides that make conf/ the settings ``wanted``.

    Without a dataset of conf/ these are the ``changes``.
    """
    conf, name = conf_folder(working_root()), wanted["dataset"].get("name")
    option = conf / "dataset" / f"{name}.yaml"
    representation = next(iter(wanted.get("tokenize", {})), None) if stage == "tokenize" else None
    if not option.is_file():
        return " ".join([catalog.command(stage, representation), *(_override(key, new) for key, _, new in changes)])
    plain = OmegaConf.load(conf / "config.yaml")
    plain["dataset"] = OmegaConf.load(option)
    words = [catalog.command(stage, representation), f"dataset={name}"]
    for section in SECTIONS[:4]:
        asked, own = wanted.get(section, {}), OmegaConf.to_container(plain[section], resolve=True)
        same = {key: value for key, value in own.items() if key in asked}
        words += [_override(key, new) for key, _, new in _changes(same, asked, section)]
    prefix = f"tokenize.{representation}."
    words += [_override(key, new) for key, _, new in changes if representation and key.startswith(prefix)]
    return " ".join(words)


def _override(key: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":")).replace('"', "")
    return shlex.quote(f"{key}={text}")
