"""The entry point of ``etude``: help, version and completion at once, without the imports of what runs something."""

import codecs
import io
import locale
import os
import sys
from collections.abc import Sequence

from etude.core import process

TRAIN = ("train", "all", "rebuild")  # commands that may be interrupted in a training


def main() -> None:
    """Run one command. A known fault prints one sentence, with exit status 2."""
    if not sys.flags.utf8_mode and codecs.lookup(locale.getencoding()).name != "utf-8":
        restart_in_utf8()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # names of files that are no UTF-8 are shown as they are; what a terminal cannot show, as its number
            utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    process.run(_answer_shell_or_run, _what_is_left(command))


def _answer_shell_or_run() -> int:
    if "_ARGCOMPLETE" in os.environ:
        from etude.cli.completion import answer_shell

        answer_shell()
    return run(sys.argv[1:])


def _what_is_left(command: str) -> str:
    """What an interrupted command leaves behind, in a sentence."""
    if command in TRAIN:
        return "A training goes on from its last epoch when the same command is given again."
    return "No file is half-written: each is as it was before, or complete."


def restart_in_utf8() -> None:
    """Start the same command again in Python's UTF-8 mode, which what it starts inherits.

    In a locale of other letters, as LC_ALL=C, names in arguments, files and settings would be read in its encoding, and
    a name with an accent would end in an error of Python. What is printed stays in the terminal's encoding.
    """
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", f"{locale.getencoding()}:backslashreplace")
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def run(arguments: Sequence[str]) -> int:
    """Run a command line. Returns the exit status."""
    if (text := answer(arguments)) is not None:
        print(text)
        return 0
    os.getcwd()  # raises an error that becomes a sentence; libraries that are imported later end the process

    from etude.cli.commands import COMMANDS

    if arguments[0] in COMMANDS and COMMANDS[arguments[0]].composes:
        from etude.cli.mistakes import check_words
        from etude.core.project import conf_folder, working_root

        check_words(arguments[0], arguments[1:], conf_folder(working_root()))
    from etude.cli.main import run_command

    return run_command(list(arguments))


def answer(arguments: Sequence[str]) -> str | None:
    """What needs no settings: the text of a help, the version, or what an installation of completion did."""
    if list(arguments) in ([], ["help"]) or arguments[0] in ("-h", "--help"):
        from etude.cli.help import usage

        return usage()
    if arguments[0] == "--version":
        from importlib.metadata import version

        return f"etude {version('etude')}"
    if arguments[0] == "--install-completion":
        from etude.cli.completion import install

        return install(arguments[1] if len(arguments) > 1 else None)
    name, given = (arguments[1], arguments[2:]) if arguments[0] == "help" else (arguments[0], arguments[1:])
    if arguments[0] == "help" or any(flag in given for flag in ("-h", "--help")):
        from etude.cli.commands import COMMANDS

        if name in COMMANDS and (COMMANDS[name].composes or COMMANDS[name].own):
            from etude.cli.help import help_of
            from etude.core.project import conf_folder, working_root

            return help_of(name, conf_folder(working_root()), given)
    return None
