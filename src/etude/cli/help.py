"""The texts of ``etude --help`` and ``etude COMMAND --help``, at most 100 columns wide; nothing heavy is imported."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from etude.cli import explain
from etude.cli.commands import COMMANDS, MUSIC, STAGE, TRAINING, Command
from etude.cli.explain import Key

WIDTH = 100
COLUMN = 36  # of keys
FLAGS = {
    "-m": "one run for each combination of values: seed=1,2,3 model=lstm,gan",
    "--cfg job": "show the composed settings, and run nothing",
    "-h, --help": "show this help; with model=lstm or dataset=folder also the keys of these",
}
STATUSES = {
    "0": "done",
    "1": "etude verify found a difference, etude originality a copy, or a stage of etude rebuild failed",
    "2": "a fault with a known cause, in one sentence on standard error",
    "70": "a fault of etude itself, with the lines of Python that a report of it needs",
    "129, 130, 143": "stopped by SIGHUP, interrupted, or stopped by SIGTERM; the same command goes on from there",
    "141": "the reader of the output has closed it",
}


def usage() -> str:
    """The text of ``etude --help``."""
    width = max(map(len, COMMANDS)) + 4
    lines = ["etude: a reproducible laboratory for symbolic music generation", ""]
    lines += ["    etude COMMAND [key=value ...]    etude COMMAND --help: its keys, their defaults, an example"]
    for purpose in (MUSIC, TRAINING, STAGE):
        lines += ["", f"{purpose}:"]
        for name, command in COMMANDS.items():
            if (command.purpose or (STAGE if command.stage else TRAINING)) == purpose:
                lines += _columns([(name, command.what)], width)
    order = " ".join(name for name, command in COMMANDS.items() if command.stage)
    lines += ["", *textwrap.wrap(f"All stages in the order of the pipeline: {order}.", WIDTH)]
    more = {
        "--install-completion [SHELL]": "completion by the tab key, for bash, zsh or fish",
        "--version": "the version of etude",
        "dvc repro": "run what is out of date, one stage at a time; etude rebuild does so side by side",
    }
    lines += ["", "Also:", *_columns(more.items(), max(map(len, more)) + 4)]
    lines += ["", "Exit status:", *_columns(STATUSES.items(), max(map(len, STATUSES)) + 4)]
    return "\n".join(lines)


def help_of(name: str, conf: Path, given: Sequence[str] = ()) -> str:
    """The text of ``etude COMMAND --help``.

    Args:
        name: a command.
        conf: the folder conf/.
        given: arguments of the form ``group=option``, whose keys are listed too.
    """
    command = COMMANDS[name]
    if not command.composes:
        return _plain(name, command, given)
    sections = _sections(name, command, conf)
    for group, option in (argument.split("=", 1) for argument in given if "=" in argument):
        if option in (options := explain.groups(conf).get(group, {})):
            rows = [(key.name, key) for key in explain.option(conf, group, option) if key.default]
            sections.append((f"{group}={option}: {options[option]}", rows))
    lines = [
        f"etude {name} [key=value ...]",
        "",
        *_sentence(command.what),
        "",
        f"    etude {name} {command.example}".rstrip(),
    ]
    for title, keys in sections:
        lines += ["", *textwrap.wrap(title, WIDTH)]
        lines += _columns([(f"{label}={key.default}", key.what) for label, key in keys], COLUMN)
    if command.groups:
        lines += ["", "Groups of settings (* holds where none is chosen; several models as model=[lstm,gan]):"]
        for group in command.groups:
            default = explain.default_options(conf, group)
            names = [f"{one}*" if one in default else one for one in explain.groups(conf)[group]]
            lines += _columns([(f"{group}=", " ".join(names))], COLUMN)
    return "\n".join([*lines, "", "Flags:", *_columns(FLAGS.items(), COLUMN)])


def _sections(name: str, command: Command, conf: Path) -> list[tuple[str, list[tuple[str, Key]]]]:
    """The titles of a command's keys, and under each the keys as they are typed."""
    known = explain.settings(conf)
    found: list[tuple[str, list[tuple[str, Key]]]] = []
    presets = dict(preset.split("=", 1) for preset in command.presets)
    own = [
        (key.name.removeprefix(f"{name}."), replace(key, default=presets.get(key.name, key.default)))
        for key in _below(known.values(), name)
    ]
    single = [(key, known[key]) for key in command.keys if known[key].default]
    own = [(label, key) for label, key in own if label not in command.keys]  # which the command reads itself
    if own or single:
        found.append(("Keys, with their defaults:", own + single if command.stage else single + own))
    for section in (*command.keys, "session"):
        if keys := list(_below(known.values(), section)):
            found.append((f"{section}: {known[section].what}", [(key.name, key) for key in keys]))
    return found


def _below(keys: Iterable[Key], section: str) -> Iterable[Key]:
    return (key for key in keys if key.name.startswith(f"{section}.") and key.default)


def _plain(name: str, command: Command, given: Sequence[str]) -> str:
    """The help of a command that composes no settings; with a word of several only that word's keys."""
    own, words = dict(command.own), next(iter(command.own), "").split("|")
    if len(words) > 1 and given and given[0] in words:
        name, own = f"{name} {given[0]}", _of_word(given[0], words, own)
    usage = " ".join([f"etude {name}", *(f"[{key}]" for key in own)])
    lines = [*textwrap.wrap(usage, WIDTH, subsequent_indent="    "), "", *_sentence(command.what)]
    return "\n".join([*lines, "", *_columns(own.items(), COLUMN)] if own else lines)


def _of_word(word: str, words: Sequence[str], own: Mapping[str, str]) -> dict[str, str]:
    """The keys of one word of a command, whose texts name the words that take them: ``build: ... serve: ...``."""
    found = {}
    for key, text in own.items():
        _, *parts = re.split(rf"\b({'|'.join(words)}): ", text)
        for one, what in zip(parts[::2], parts[1::2], strict=True):
            if one == word:
                found[key] = what.rstrip(". ")
    return found


def _sentence(text: str) -> list[str]:
    return textwrap.wrap(f"{text[0].upper()}{text[1:]}.", WIDTH)


def _columns(rows: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Rows of a name and a text, which is wrapped in its column; a name that is too long has a line of its own."""
    lines = []
    for name, text in rows:
        wrapped = textwrap.wrap(text, WIDTH - 4 - width, break_long_words=False) or [""]
        if len(name) > width - 2:
            lines.append(f"    {name}")
        else:
            lines.append(f"    {name:{width}}{wrapped.pop(0)}".rstrip())
        lines += [f"{'':{width + 4}}{line}" for line in wrapped]
    return lines
