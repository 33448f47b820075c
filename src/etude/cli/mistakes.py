"""Typing mistakes that Hydra's grammar cannot explain: words that are no key=value, keys under another name."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from etude.cli import explain
from etude.cli.commands import COMMANDS, path_kind
from etude.core.errors import EtudeError
from etude.core.project import given_path

WITH_VALUE = ("-c", "--cfg", "-p", "--package", "-cd", "--config-dir", "-cn", "--config-name", "-cp", "--config-path")
# commands that take a file of one's own -> by which key
OWN_FILE = {"generate": "prime", "harmonize": "input", "mix": "tracks", "video": "input"}


def check_words(command: str, arguments: Sequence[str], conf: Path) -> None:
    """Raise EtudeError for a word that is neither a flag nor key=value, with what was probably meant."""
    for place, word in enumerate(arguments):
        before = arguments[place - 1] if place else ""
        if "=" in word or word.startswith(("-", "~")) or before in WITH_VALUE or before == "--info":
            continue
        key = before.partition("=")[0]
        if path_kind(command, key):
            words = [before, *_take_words(arguments[place:])]
            raise EtudeError(
                f'"{word}" is no key=value. If it belongs to the path before it, quote both together: '
                f'etude {command} ... "{" ".join(words)}"'
            )
        raise EtudeError(f'"{word}" is no key=value. {_guess(command, word, arguments[place + 1 :], conf)}')


def _take_words(arguments: Sequence[str]) -> list[str]:
    """The words up to the next key=value or flag."""
    end = next((at for at, word in enumerate(arguments) if "=" in word or word.startswith("-")), len(arguments))
    return list(arguments[:end])


def _guess(command: str, word: str, rest: Sequence[str], conf: Path) -> str:
    groups = explain.groups(conf)
    keys = own_keys(command, conf)
    if word in keys or word in groups:
        value = rest[0] if rest and "=" not in rest[0] else "..."
        return f"Did you mean {word}={value}?"
    if given_path(word).is_file() and command in OWN_FILE:
        return f"Did you mean {OWN_FILE[command]}={word}?"
    if word and given_path(word).is_dir():
        return f"Did you mean dataset=folder dataset.path={word}?"
    options = [option for group in COMMANDS[command].groups for option in groups[group]]
    for near in difflib.get_close_matches(word, [*options, *keys], n=1, cutoff=0.6):
        meant = [f"{group}={near}" for group in COMMANDS[command].groups if near in groups[group]]
        return f"Did you mean {' or '.join(meant) or f'{near}=...'}?"
    return f"Settings are given as key=value: etude {command} --help lists them."


def own_keys(command: str, conf: Path) -> dict[str, explain.Key]:
    """The keys of a command as they are typed: those of its own section without the section's name."""
    known = explain.settings(conf)
    wanted = (*COMMANDS[command].keys, "session")
    found = {
        name.removeprefix(f"{command}."): key
        for name, key in known.items()
        if name.startswith(f"{command}.") and key.default
    }
    found |= {name: key for name, key in known.items() if key.default and name.split(".")[0] in wanted}
    return found


def by_meaning(name: str, known: Iterable[explain.Key]) -> list[str]:
    """The keys whose name or explanation has all words of ``name``: optim.lr for ``learning_rate``.

    Where an explanation starts with these words, only such keys count.
    """
    front, _, leaf = name.rpartition(".")
    words = _words(leaf)
    keys = [key for key in known if key.default and words and set(words) <= {*_words(key.name), *_words(key.what)}]
    exact = [key for key in keys if _words(key.what)[: len(words)] == words]
    return sorted((key.name for key in exact or keys), key=lambda one: one.rpartition(".")[0] != front)


def options_with(name: str, conf: Path) -> list[str]:
    """The options that have a key, as ``dataset=folder`` has dataset.path."""
    found = []
    for group, options in explain.groups(conf).items():
        if group in explain.GROUPS_WITH_KEYS:
            found += [
                f"{group}={option}"
                for option in options
                if any(key.name == name for key in explain.option(conf, group, option))
            ]
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())
