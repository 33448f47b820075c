"""A style in a file of one's own, anywhere: its values, and the name of the file for messages."""

from pathlib import Path
from typing import Any

import yaml

from etude.config.check import Loader
from etude.core.errors import EtudeError, closest

ENDINGS = (".yaml", ".yml")
FILE = "file"  # the key under which the values of a style have the file that they come from


def is_path(value: str) -> bool:
    """Whether the value of ``style`` is a path, and no name of a file in conf/style."""
    return "/" in value or "\\" in value or value.lower().endswith(ENDINGS)


def read_style(path: Path, known: list[str]) -> dict[str, Any]:
    """The values of a style file, with the file itself under ``FILE``; a style without a name has the file's.

    Args:
        path: the file.
        known: the names of the styles in conf/style, for messages.

    Raises:
        EtudeError: there is no such file, or it is no YAML file with keys.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise EtudeError(f"style = {path} is {what}. Give a YAML file as those in conf/style. {closest('', known)}")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or "it is no text in UTF-8").split())
        raise EtudeError(
            f"style = {path}{place}: this is no YAML ({reason}). Mend it; conf/style has examples."
        ) from None
    if not isinstance(values, dict):
        raise EtudeError(
            f"style = {path} holds no keys. Write it as the files in conf/style, such as conf/style/pop.yaml."
        )
    return {"name": path.stem, **{str(key): value for key, value in values.items()}, FILE: str(path)}
