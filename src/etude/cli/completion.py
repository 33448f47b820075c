"""Completion by the tab key: commands, keys, options of groups, files. argcomplete speaks with bash, zsh and fish."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from etude.cli import explain
from etude.cli.commands import COMMANDS, LISTS, path_kind
from etude.cli.mistakes import own_keys
from etude.core.errors import EtudeError, closest
from etude.core.project import conf_folder, working_root

MARK = "# completion of etude"  # at the end of the line in the shell's own file


def answer_shell() -> None:
    """Write the completions that the shell asks for, and exit."""
    parser = argparse.ArgumentParser(prog="etude")
    for flags in (("--version",), ("-m", "--multirun"), ("--cfg",), ("--install-completion",)):
        parser.add_argument(*flags, action="store_true")
    words: Any = parser.add_argument("words", nargs="*")

    def find(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Mapping[str, str]:
        found = complete(parsed_args.words or [], prefix, conf_folder(working_root()))
        key, given, value = prefix.partition("=")
        typed = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
        if (
            given
            and os.environ.get("_ARGCOMPLETE_SHELL") == "bash"
            and typed.endswith((f"{key}='{value}", f'{key}="{value}'))
        ):
            return {name.removeprefix(f"{key}="): what for name, what in found.items()}  # bash completes inside quotes
        return found

    words.completer = find
    argcomplete.autocomplete(parser, always_complete_options=False, validator=lambda completion, prefix: True)


def complete(words: Sequence[str], prefix: str, conf: Path) -> dict[str, str]:
    """What may stand after ``words`` and starts with ``prefix``, each with what it means.

    Args:
        words: the command and its arguments so far.
        prefix: what is typed of the next word.
        conf: the folder conf/.
    """
    if not words:
        return {name: command.what for name, command in COMMANDS.items() if name.startswith(prefix)}
    command = COMMANDS.get(words[0])
    if command is None:
        return {}
    key, given, value = prefix.partition("=")
    if given:
        return {f"{key}={one}": what for one, what in _values(words[0], key, value, conf).items()}
    if not command.composes:
        return {name: what for name, what in command.own.items() if name.startswith(prefix)}
    taken = {word.partition("=")[0] for word in words}
    groups = {group: f"one of conf/{group}/" for group in command.groups}
    keys = {name: key.what for name, key in own_keys(words[0], conf).items()}
    more = {} if "." not in prefix else {name: key.what for name, key in _all_keys(words, conf).items()}
    found = {**groups, **keys, **more}
    return {f"{name}=": what for name, what in found.items() if name.startswith(prefix) and name not in taken}


def _all_keys(words: Sequence[str], conf: Path) -> dict[str, explain.Key]:
    """The keys of all sections, and of the options that ``words`` choose, else of the defaults."""
    found = {name: key for name, key in explain.settings(conf).items() if key.default}
    chosen = dict(word.split("=", 1) for word in words if "=" in word)
    for group in explain.GROUPS_WITH_KEYS:
        options = (
            chosen.get(group, "").strip("[]").split(",") if group in chosen else explain.default_options(conf, group)
        )
        for option in options:
            if option in explain.groups(conf)[group]:
                found |= {key.name: key for key in explain.option(conf, group, option) if key.default}
    return found


def _values(command: str, key: str, value: str, conf: Path) -> dict[str, str]:
    """The values of a key that start with ``value``, each with what it means."""
    if options := explain.groups(conf).get(key):
        before = value[: max(value.rfind(","), value.rfind("[")) + 1]  # of several: model=[lstm,gan]
        return {f"{before}{name}": what for name, what in options.items() if name.startswith(value[len(before) :])}
    if kind := path_kind(command, key):
        return dict.fromkeys(_paths(value, kind == "folder"), "")
    if kind := LISTS.get((command, key)):
        before = value[: max(value.rfind(","), value.rfind("[")) + 1]
        return {f"{before}{path}": "" for path in _paths(value[len(before) :], kind == "folder")}
    known = own_keys(command, conf).get(key) or _all_keys([], conf).get(key)
    return {one: known.what for one in known.choices if one.startswith(value)} if known else {}


def _paths(prefix: str, folders: bool) -> Iterator[str]:
    """The files or folders that start with ``prefix``; a ``~`` stays as it is typed."""
    complete_path: Callable[..., Any] = DirectoriesCompleter() if folders else FilesCompleter()
    home = os.path.expanduser("~") if prefix.startswith("~/") else ""
    for path in complete_path(prefix=os.path.expanduser(prefix) if home else prefix):
        yield f"~{path.removeprefix(home)}" if home else path


def install(shell: str | None) -> str:
    """Write the completion for a shell; None: that of the user. Once or again gives the same files.

    Returns:
        What was written, as sentences.
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    places = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ""}
    if shell not in places:
        raise EtudeError(f'etude knows no completion for the shell "{shell}". {closest(shell, places)}')
    home = Path.home()
    code = shellcode(["etude"], shell=shell)
    if shell == "fish":
        file = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish/completions/etude.fish"
    else:
        file = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / f"etude/completion.{shell}"
    if shell == "zsh":
        code = f"(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}\n{code}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code, encoding="utf-8")
    sentences = [f"Wrote {file}."]
    if places[shell]:
        start = (Path(os.environ.get("ZDOTDIR") or home) if shell == "zsh" else home) / places[shell]
        line = f'source "{file}" {MARK}'
        old = start.read_text(encoding="utf-8") if start.is_file() else ""
        kept = [text for text in old.splitlines() if not text.endswith(MARK)]
        if line not in old.splitlines():
            start.write_text("\n".join([*kept, line, ""]), encoding="utf-8")
            sentences.append(f"Added a line to {start} that reads it.")
    return " ".join([*sentences, f"It works in every new {shell}."])
