"""Hydra overrides as typed: complete sections, quote texts, and name the closest match of a typing mistake."""

import re
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

from etude.cli import explain
from etude.cli.commands import PATHS
from etude.cli.mistakes import by_meaning, options_with
from etude.config.schedule import Train
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.project import conf_folder, working_root

TEXTS = (*PATHS, "generate.control.key", "chords")  # keys whose values are any text
# keys of earlier releases -> their present names
RENAMED = {
    "wish": "control",
    "generate.wish": "generate.control",
    "generate.temperatures": "models.M.generate.temperature",
    "learner": "objective",
    "span": "attention_window",
    "former": "previous_pitches",
}


def place_override(override: str, stage: str) -> str:
    """Put the stage's own section before a key that belongs to it and names no section."""
    kinds = {**typing.get_type_hints(Settings), "train": Train}
    key, given, value = override.partition("=")
    if stage == "generate" and key == "bars" and re.fullmatch(r"\d+-\d+", value):  # of a given piece
        return f"fill={value}"
    if stage == "generate" and key.startswith("control."):
        return f"generate.{override}"
    own = [field.name for field in fields(kinds[stage])] if hasattr(kinds.get(stage), "__dataclass_fields__") else []
    return f"{stage}.{override}" if given and key in own and key not in kinds else override


def quote_text(override: str) -> str:
    """Put the text of an override in quotes: Hydra's grammar takes no ``~``, spaces or accents."""
    key, given, value = override.partition("=")
    if key.lstrip("+") not in TEXTS or not given or value == "null" or value[:1] in ("'", '"'):
        return override
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"


def check_overrides(conf: Path, overrides: list[str]) -> None:
    """Raise EtudeError, with the closest match, for an option or a key that conf/ does not have."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Sweep
    from omegaconf import OmegaConf

    groups = {
        folder.name: {file.stem for file in folder.glob("*.yaml")} for folder in conf.iterdir() if folder.is_dir()
    }
    parsed = OverridesParser.create().parse_overrides(overrides)
    first = []
    for override in parsed:
        if override.key_or_group not in groups:
            continue
        if override.value() is None:
            if override.key_or_group != "experiment":
                group = override.key_or_group
                raise EtudeError(f"{group}=null leaves no {group} to run with. {closest('', groups[group])}")
            continue
        value = override.value()
        options = (
            list(override.sweep_string_iterator())
            if isinstance(value, Sweep)
            else [override.get_value_element_as_str()]
        )
        for option in options:
            for name in option.strip("[]").split(","):
                if name.strip() and name.strip() != "null" and name.strip() not in groups[override.key_or_group]:
                    group = override.key_or_group
                    raise EtudeError(
                        f'There is no {group} "{name.strip()}" in conf/{group}/. {closest(name, groups[group])}'
                    )
        first.append(f"{override.key_or_group}={options[0]}")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        config = compose("cli", overrides=first)
    known = _paths(OmegaConf.to_container(config, resolve=False), "")
    for override in parsed:
        key = override.key_or_group
        added = override.is_add() or override.is_force_add() or override.is_delete()
        if (
            key in groups
            or (key.split(".")[0].split("/")[0] in ("hydra", *groups) and key not in known and "/" in key)
            or added
        ):
            continue
        if key.split(".")[0] != "hydra" and key not in known:
            if (new := new_key(key)) is not None:
                raise EtudeError(f'The setting "{key}" is called "{new}" now.')
            raise EtudeError(f'There is no setting "{key}" in conf/. {_near(key, known)}')


def _near(key: str, known: list[str]) -> str:
    """A hint with the closest keys: those of the same last part, of the same meaning, or of similar letters."""
    import difflib

    conf = conf_folder(working_root())
    if options := options_with(key, conf):
        return f"It is a setting of {' and '.join(options)}: give that too."
    leaf = key.rpartition(".")[2]
    near = [name for name in known if name.rpartition(".")[2] == leaf]
    if not near:
        meant = by_meaning(key, explain.settings(conf).values())
        near = [name for name in meant if name in known]
    if not near:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        near += [name for name in known if difflib.get_close_matches(leaf, [name.rpartition(".")[2]], cutoff=0.75)]
    near = [name for name in dict.fromkeys(near) if not name.startswith("models.")] or near
    if near:
        return f"Did you mean {' or '.join(list(dict.fromkeys(near))[:3])}?"
    return f"There are the sections: {', '.join(sorted({name.split('.')[0] for name in known}))}."


def _paths(values: Any, front: str) -> list[str]:
    if not isinstance(values, dict):
        return []
    found = []
    for name, value in values.items():
        found += [f"{front}{name}", *_paths(value, f"{front}{name}.")]
    return found


def new_key(key: str) -> str | None:
    """The present name of a key of an earlier release, found by the whole key, its front or its last part."""
    for old, new in RENAMED.items():
        if key == old or key.startswith(f"{old}."):
            return new + key[len(old) :]
    front, _, leaf = key.rpartition(".")
    return f"{front}.{RENAMED[leaf]}" if front.startswith("models.") and leaf in RENAMED else None
