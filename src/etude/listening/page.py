"""The page of a listening test: one file with its clips, which needs no network and tells no system."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etude.core.errors import EtudeError
from etude.core.files import write_text
from etude.listening.design import SCALES, Test
from etude.report.templates import render

AWAY, SERVED = '<html lang="en" data-server="no">', '<html lang="en" data-server="yes">'  # how the page starts
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
CONSENT = (
    "You hear short pieces of music, two at a time and later one at a time, and say what you think of them. Some were "
    "composed by people, some by programs. It takes about {minutes} minutes; headphones and a quiet room help.",
    "Kept are your answers, how long each page took and how often you played a clip, under a random number. Your name, "
    "address or device is neither asked for nor stored.",
    "Taking part is voluntary. You may stop at any time by closing the page; answers without a finished test are "
    "left out of the results. If you come back with the same browser, you go on where you stopped.",
)


@dataclass(frozen=True)
class Texts:
    """What the page says besides the test: the consent text in paragraphs, and to whom a file of answers goes."""

    consent: tuple[str, ...]
    contact: str = ""

    @classmethod
    def read(cls, file: Path | None, contact: str, minutes: int) -> "Texts":
        """The texts of a page; an own consent text has an empty line between two paragraphs.

        Raises:
            EtudeError: the file cannot be read, or is empty.
        """
        if file is None:
            return cls(tuple(text.format(minutes=minutes) for text in CONSENT), contact)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EtudeError(f"consent = {file} cannot be read ({error}). Give a text file in UTF-8.") from None
        found = tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip())
        if not found:
            raise EtudeError(f"consent = {file} is empty. Give a text, or leave consent= out for the standard one.")
        return cls(found, contact)


def page(test: Test, mp3s: Mapping[str, bytes], texts: Texts) -> str:
    """The page as HTML.

    Args:
        test: the pages and sheets.
        mp3s: the sound of each clip by id.
        texts: what else it says.
    """
    style, script = render("listen.css.j2"), render("listen.js.j2")
    data = {
        "test": test.as_json(),
        "scales": {name: list(SCALES[name]) for name in test.scales},
        "contact": texts.contact,
        "clips": {clip: base64.b64encode(mp3s[clip]).decode() for clip in test.clips},
    }
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; media-src data:; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    return render(
        "listen.html.j2", start=AWAY, policy=policy, style=style, script=script, data=data, consent=texts.consent
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def write_page(path: Path, test: Test, mp3s: Mapping[str, bytes], texts: Texts) -> None:
    """Write the page; see ``page``."""
    write_text(path, page(test, mp3s, texts))


@dataclass(frozen=True)
class Served:
    """A page as a server sends it, with its test and its Content-Security-Policy."""

    html: bytes
    test: Test
    policy: str


def read_page(path: Path) -> Served:
    """The page in a file. Raises EtudeError where it is none of ``etude listen build``."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EtudeError(
            f"page = {path} cannot be read ({error}). Make one with: etude listen build models=... output={path}"
        ) from None
    data, policy = DATA.search(text), POLICY.search(text)
    if data is None or policy is None or AWAY not in text:
        raise EtudeError(
            f"page = {path} is no page of etude listen build. Make one with: etude listen build models=... "
            f"output={path}"
        )
    try:
        value = json.loads(data[1])["test"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise EtudeError(f"page = {path} is damaged ({error}). Build it again with: etude listen build") from None
    own = policy[1].replace("&#39;", "'")
    return Served(text.replace(AWAY, SERVED, 1).encode(), Test.of(value, str(path)), own)
