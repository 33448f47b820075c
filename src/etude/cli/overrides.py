"""Hydra overrides as typed: complete sections, quote texts, and name the closest match of a typing mistake."""

import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from etude.arranging.style_files import is_path, read_style
from etude.cli import explain
from etude.cli.commands import PATHS
from etude.cli.mistakes import by_meaning, options_with
from etude.config.schedule import Train
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.project import conf_folder, given_path, working_root
from etude.tasks.requests import keys_of, texts_of

TEXTS = (*PATHS, "generate.control.key")  # keys whose values are any text, besides those of requests
MAY_BE_NULL = ("experiment", "size", "hparams")  # groups
GIVEN = "given"  # the option of the group ``style`` that stands for a file of one's own
HYDRAS_OWN = ("hydra", "hydra/sweeper", "hydra/launcher")  # parts that Hydra does not run without
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
    if key in keys_of(stage):
        return override
    own = [field.name for field in fields(kinds[stage])] if hasattr(kinds.get(stage), "__dataclass_fields__") else []
    section = key.split(".")[0]
    return f"{stage}.{override}" if given and section in own and section not in kinds else override


def quote_text(override: str, stage: str = "") -> str:
    """Put the text of an override in quotes: Hydra's grammar takes no ``~``, spaces or accents."""
    key, given, value = override.partition("=")
    if key.lstrip("+") not in (*TEXTS, *texts_of(stage)) or not given or value == "null" or value[:1] in ("'", '"'):
        return override
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"


def drop_nulls(overrides: Sequence[str]) -> list[str]:
    """The overrides without those that leave a group out, as ``experiment=null``, and without what these overrule.

    Hydra takes no null for a group; left out, these groups are empty.
    """
    kept: list[str] = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key in MAY_BE_NULL and value.strip().lower() == "null":
            kept = [one for one in kept if one.partition("=")[0] != key]
        else:
            kept.append(override)
    return kept


def take_style(overrides: Sequence[str], stage: str) -> tuple[list[str], dict[str, Any] | None]:
    """The overrides with ``style=given`` in place of the path of a style, and the values in that file.

    None where no path is given.

    Raises:
        EtudeError: there is no such file, it holds no style, or the command takes none.
    """
    kept, found = [], None
    for override in overrides:
        key, _, value = override.partition("=")
        text = value.strip().strip("'\"")
        if key != "style" or not is_path(text):
            kept.append(override)
            continue
        if stage != "arrange":
            raise EtudeError(
                f"style = {text} is a file, which etude arrange takes. Copy it to conf/style for etude {stage}."
            )
        names = sorted(file.stem for file in (conf_folder(working_root()) / "style").glob("*.yaml"))
        found = read_style(given_path(text), names)
        kept.append(f"style={GIVEN}")
    return kept, found


@dataclass(frozen=True)
class Flags:
    """Hydra's flags that etude reads too."""

    many: bool = False  # -m, --multirun
    config_dir: Path | None = None  # -cd, --config-dir: a folder with further settings

    @property
    def for_hydra(self) -> list[str]:
        """The flags for Hydra, which accepts them only before the first key."""
        folder = ["--config-dir", str(self.config_dir)] if self.config_dir else []
        return [*folder, *(["--multirun"] if self.many else [])]


def take_flags(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """The flags among arguments, wherever they stand, and the rest."""
    many, folder, rest = False, None, []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        name, given, value = argument.partition("=")
        if argument in ("-m", "--multirun"):
            many = True
        elif name in ("-cd", "--config-dir"):
            if not given and not left:
                raise EtudeError(f"{name} names no folder. Give one, as in: -cd my_conf")
            folder = given_path(value if given else left.pop(0)).resolve()
            if not folder.is_dir():
                raise EtudeError(f"{name} {folder}: there is no such folder. It should hold model/ or dataset/.")
        else:
            rest.append(argument)
    return Flags(many, folder), rest


def check_overrides(conf: Path, overrides: list[str], config_dir: Path | None = None) -> Any:
    """Compose the settings with the first option of each group, Hydra's own included.

    Args:
        conf: the folder conf/.
        overrides: ``key=value`` as typed.
        config_dir: a further folder with options of groups, as Hydra's ``--config-dir``.

    Raises:
        EtudeError: an option or a key is neither in conf/ nor in ``config_dir``, with the closest match.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    parser = OverridesParser.create()
    parsed = parser.parse_overrides(overrides)
    paths = [f"file://{config_dir}"] if config_dir else []
    for override in parsed:
        part = override.key_or_group.replace("hydra.", "hydra/")
        if part in HYDRAS_OWN and override.value() is None:
            raise EtudeError(f"{override.input_line} leaves Hydra without a part that it runs by. Leave it out.")
        if override.key_or_group == "hydra.searchpath":
            named = override.value()
            paths += map(str, named if isinstance(named, list) else [named])
    quoted = ",".join(f"'{path}'" for path in paths)
    search = [f"hydra.searchpath=[{quoted}]"] if paths else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        groups = _groups(conf, config_dir)

        def first_of(lines: Sequence[Any]) -> list[str]:
            chosen = [line for line in lines if line.key_or_group in groups]
            options = {  # of no other group: each takes Hydra a tenth of a second
                group: set(loader.get_group_options(group, config_name="cli", overrides=search))
                for group in {line.key_or_group for line in chosen}
            }
            return _first_options(chosen, options)

        first = first_of(parsed)
        # Hydra's own keys, which say what the sweeper is and what it goes over
        own = [line for line in overrides if line.lstrip("+~").startswith(("hydra/", "hydra."))]
        own = [line for line in own if not line.startswith("hydra.searchpath=")]
        config = compose("cli", overrides=[*search, *own, *first], return_hydra_config=True)
        swept = config.hydra.sweeper.get("params") or {}
        of_preset = parser.parse_overrides([f"{key}={value}" for key, value in swept.items()])
        more = first_of(of_preset)
        if more:  # a preset that sweeps over a group, as model
            config = compose("cli", overrides=[*search, *own, *more, *first], return_hydra_config=True)
    values = OmegaConf.to_container(config, resolve=False)
    assert isinstance(values, dict)
    values.pop("hydra")
    known = _paths(values, "")
    for override in [*parsed, *of_preset]:
        key = override.key_or_group
        if override.value() is None and not override.is_delete() and OmegaConf.is_dict(OmegaConf.select(config, key)):
            raise EtudeError(f"{key} = None must be a section of keys.")
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
    return config


def _groups(conf: Path, config_dir: Path | None) -> list[str]:
    """The groups of settings: the folders of conf/, and those of the user's own."""
    folders = [folder for top in (conf, config_dir) if top for folder in top.iterdir() if folder.is_dir()]
    return sorted({folder.name for folder in folders if folder.name != "hydra" and not folder.name.startswith(".")})


def _first_options(chosen: Sequence[Any], known_options: dict[str, set[str]]) -> list[str]:
    """The overrides of groups with their first option each, checked: each option must be in its group."""
    from hydra.core.override_parser.types import Sweep

    first = []
    for override in chosen:
        group = override.key_or_group
        known = known_options[group]
        value = override.value()
        if value is None or (isinstance(value, list) and (None in value or not (value or group in MAY_BE_NULL))):
            raise EtudeError(f"{override.input_line} leaves no {group} to run with. {closest('', known)}")
        if isinstance(value, Sweep) and not override.is_discrete_sweep():
            raise EtudeError(f"{override.input_line}: {group} is no number. {closest('', known)}")
        options = (
            list(override.sweep_string_iterator())
            if isinstance(value, Sweep)
            else [override.get_value_element_as_str()]
        )
        for option in options:
            if option.strip().lower() == "null":
                raise EtudeError(
                    f"{override.input_line}: a sweep goes over options, and null is none. Leave it out, and give the "
                    f"run without {group} a command of its own."
                )
            for name in option.strip("[]").split(","):
                if name.strip() and name.strip() not in known:
                    raise EtudeError(f'There is no {group} "{name.strip()}" in conf/{group}/. {closest(name, known)}')
        first.append(f"{group}={options[0]}")
    return first


def _near(key: str, known: list[str]) -> str:
    """A hint with the closest keys: those of the same last part, of the same meaning, or of similar letters."""
    import difflib

    conf = conf_folder(working_root())
    if options := options_with(key, conf):
        return f"It is a setting of {' and '.join(options)}: give that too."
    leaf = key.rpartition(".")[2]
    leaves = {name: name.rpartition(".")[2] for name in known}
    near = [name for name in known if leaves[name] == leaf]
    if not near:
        alike = difflib.get_close_matches(leaf, sorted(set(leaves.values())), cutoff=0.75)
        near = [name for one in alike for name in known if leaves[name] == one]
    if not near:
        meant = by_meaning(key, explain.settings(conf).values())
        near = [name for name in meant if name in known]
    if not near:
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
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
