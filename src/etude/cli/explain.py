"""What conf/ says about itself: each key with its default and the comment that explains it.

The explanation of a key stands in one place, its comment: at the end of its line, or else in the lines right above it.
In a group (model, dataset, tokenize, trainer) a key without a comment means what it means in another file of the group.
The parser keeps the places of keys and values, and this module reads the comments next to them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from etude.config.check import FastLoader

GROUPS_WITH_KEYS = ("model", "dataset", "tokenize", "trainer")  # of the others an option sets keys of many sections
SKIPPED = ("defaults", "hydra", "_target_")


@dataclass(frozen=True)
class Key:
    """A setting: its name with all sections, its default as conf/ writes it ("": a section), and what it means."""

    name: str
    default: str
    what: str

    @property
    def choices(self) -> list[str]:
        """The values that the explanation lists as ``a | b | c``; true and false for a switch."""
        if self.default in ("true", "false"):
            return ["true", "false"]
        found = re.search(r"[\w-]+(?: \| [\w-]+)+", self.what)
        return found[0].split(" | ") if found else []


@cache
def settings(conf: Path) -> dict[str, Key]:
    """All keys but those of datasets, models and tokenizers, in the order of conf/: config, trainer, cli."""
    found: dict[str, Key] = {}
    for file in (conf / "config.yaml", conf / "trainer/cpu.yaml", conf / "cli.yaml"):
        for key in read_keys(file):
            found.setdefault(key.name, key)
    for name, key in found.items():
        if reference := re.fullmatch(r"\$\{([\w.]+)\}", key.default):
            found[name] = replace(key, default=found[reference[1]].default)
    return found


@cache
def groups(conf: Path) -> dict[str, dict[str, str]]:
    """The groups of settings: options, each with the first lines of its file."""
    folders = sorted(folder for folder in conf.iterdir() if folder.is_dir())
    return {
        folder.name: {file.stem: _head(file) for file in sorted(folder.glob("*.yaml"))}
        for folder in folders
        if any(folder.glob("*.yaml"))
    }


def option(conf: Path, group: str, name: str) -> list[Key]:
    """The keys of one option, as of ``model=lstm``, with explanations from the group where it has none of its own."""
    sections = {"model": f"models.{name}.", "tokenize": f"tokenize.{name}."}
    keys = [
        key for key in read_keys(conf / group / f"{name}.yaml") if key.name.startswith(sections.get(group, f"{group}."))
    ]
    if all(key.what for key in keys):
        return keys
    shared: dict[str, str] = {}
    for other in dict.fromkeys([*default_options(conf, group), *groups(conf)[group]]):
        for key in read_keys(conf / group / f"{other}.yaml"):
            if key.what:
                shared.setdefault(_inside(key.name), key.what)
    return [key if key.what else replace(key, what=shared.get(_inside(key.name), "")) for key in keys]


def default_options(conf: Path, group: str) -> list[str]:
    """The options of a group that hold where none is chosen, in the order of conf/config.yaml."""
    root = _compose((conf / "config.yaml").read_text(encoding="utf-8"))
    for key, value in root.value:
        for entry in value.value if key.value == "defaults" else []:
            for name, options in entry.value if isinstance(entry, yaml.MappingNode) else []:
                if name.value == group:
                    return [one.value for one in options.value] if options.id == "sequence" else [options.value]
    return []


def _inside(name: str) -> str:
    """A key without the option that it belongs to: ``hidden`` of ``models.lstm.hidden``."""
    return re.sub(r"^(models|tokenize)\.\w+\.", "", name)


@cache
def read_keys(file: Path) -> tuple[Key, ...]:
    """The keys of one file, sections included, each with the comment next to it or right above it."""
    lines = file.read_text(encoding="utf-8").splitlines()
    package = re.match(r"# @package (\S+)", lines[0]) if lines else None
    if package:
        front = "" if package[1] == "_global_" else f"{package[1]}."
    else:
        front = "" if file.parent.name == "conf" else f"{file.parent.name}."
    return tuple(_walk(_compose("\n".join(lines)), front, lines))


@cache
def _compose(text: str) -> yaml.MappingNode:
    root = yaml.compose(text, FastLoader)
    assert isinstance(root, yaml.MappingNode)
    return root


def _walk(node: yaml.MappingNode, front: str, lines: list[str]) -> Iterator[Key]:
    for key, value in node.value:
        if key.value in SKIPPED:
            continue
        name = f"{front}{key.value}"
        section = isinstance(value, yaml.MappingNode) and not value.flow_style
        mark = key.end_mark if section else value.end_mark
        rest = lines[mark.line][mark.column :].lstrip(" :")
        what = rest[1:].strip() if rest.startswith("#") else _above(lines, key.start_mark.line)
        default, variable = ("", "") if section else _source(lines, value)
        yield Key(name, default, f"{what}; or {variable} of the environment" if variable else what)
        if section:
            yield from _walk(value, f"{name}.", lines)


def _above(lines: list[str], line: int) -> str:
    """The comment in the lines right above a line."""
    found: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#") and not lines[line - 1].startswith("# @package"):
        line -= 1
        found.insert(0, lines[line].lstrip()[1:].strip())
    return " ".join(found)


def _source(lines: list[str], value: yaml.Node) -> tuple[str, str]:
    """A value as it is written, and the environment variable that sets it too, if there is one."""
    start, end = value.start_mark, value.end_mark
    text = lines[start.line][start.column : end.column] if start.line == end.line else "..."
    taken = re.fullmatch(r"\$\{(?:oc\.decode:\$\{)?oc\.env:(\w+),(\w+)\}+", text)
    return (taken[2], taken[1]) if taken else (text, "")


def _head(file: Path) -> str:
    """The comment that a file starts with."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            found.append(line[1:].strip())
    return " ".join(found)
