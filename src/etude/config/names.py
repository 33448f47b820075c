"""Names that become the names of files and folders: of models, datasets, representations."""

import re
from typing import Any

from etude.core.errors import EtudeError

NAME = re.compile(r"[\w-][\w.-]*")
LONGEST = 100  # bytes


def is_name(value: Any) -> bool:
    """Whether a value is a text that can be the name of a file or folder, and leads to no other folder."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None and len(value.encode()) <= LONGEST


def check_name(value: Any, key: str) -> str:
    """Return a name. Raises EtudeError, which starts with ``key``, where the value is none."""
    if is_name(value):
        return str(value)
    shown = repr(value) if len(repr(value)) <= LONGEST else f"{repr(value)[:LONGEST]}..."
    raise EtudeError(
        f"{key}: {shown} is no name. Give one of letters, digits and _ . - that does not start with a dot, of at most "
        f"{LONGEST} bytes."
    )
