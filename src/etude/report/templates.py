"""The templates of pages: the Jinja2 files of all rooms, found by name."""

import base64
from functools import cache
from typing import Any

import jinja2

from etude.core.project import PACKAGE


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(sorted({file.parent for file in PACKAGE.rglob("*.j2")})),
        autoescape=jinja2.select_autoescape(["html.j2"], default_for_string=True, default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    return environment


def render(name: str, **values: Any) -> str:
    """Fill the template ``name``, which stands for one file of the package.

    In HTML every text is escaped; a value that is not given is an error.
    """
    return _environment().get_template(name).render(**values)


def inline(content: bytes, kind: str) -> str:
    """A file as an address that a page can hold within itself; ``kind`` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
