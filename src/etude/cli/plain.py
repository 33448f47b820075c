"""Commands that compose no settings of conf/: their keys, checked, and the functions that they call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from etude.artifacts.context import Session
from etude.cli.commands import COMMANDS
from etude.core.errors import EtudeError, closest


@dataclass(frozen=True)
class Plain:
    """A command: its function, and what words without a key are; "": none are taken."""

    run: Callable[[list[str], Mapping[str, str]], int]
    words: str = ""


def parse(name: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words and keys of a command line. Raises EtudeError for a key that the command does not have."""
    plain, known = PLAIN[name], [key.partition("=")[0] for key in COMMANDS[name].own]
    words, keys = [], {}
    for argument in arguments:
        key, given, value = argument.partition("=")
        if given and key in known:
            keys[key] = value
        elif given and not plain.words:
            raise EtudeError(f'etude {name} has no key "{key}". {closest(key, known)}')
        elif argument.startswith("-") or not plain.words:
            raise EtudeError(f"etude {name} does not take {argument}. See: etude {name} --help")
        else:
            words.append(argument)
    return words, keys


def _number(keys: Mapping[str, str], key: str, default: int) -> int:
    text = keys.get(key) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise EtudeError(f"{key} = {text} must be a whole number from 1 to 65535.")
    return int(text)


def _ui(words: list[str], keys: Mapping[str, str]) -> int:
    port = _number(keys, "port", 5000)
    from etude.tracking.ui import show

    return show(Session(), port)


PLAIN = {"ui": Plain(_ui)}
