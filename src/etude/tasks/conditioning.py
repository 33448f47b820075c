"""What a piece is to be like: which variants can be asked, and for what the stage ``control`` asks them."""

from collections.abc import Iterator, Sequence
from typing import Any

from symusic.core import ScoreTick

from etude.config.sections import Settings, target
from etude.models.conditional import Conditional
from etude.representations.attributes import MODES, UNITS, WORDS, Attributes


def model_names(settings: Settings) -> list[str]:
    """The variants of the settings that take wishes: conditional ones, whose tokens tell what a piece is like."""
    found = []
    for model_name, section in settings.models.items():
        name = section["representation"]
        read = settings.tokenize.get(name)
        conditional = issubclass(target(section, f"models.{model_name}"), Conditional)
        if conditional and read is not None and issubclass(target(read, f"tokenize.{name}"), Attributes):
            found.append(model_name)
    return found


def asked(keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One wish after the other: the keys, both modes, and the two ends of all that is measured in levels."""
    yield from ({"key": key} for key in keys)
    yield from ({"mode": mode} for mode in MODES)
    for name in UNITS:
        yield from ({name: word} for word in (WORDS[0], WORDS[-1]))


def met(representation: Attributes, score: ScoreTick, control: dict[str, Any]) -> bool:
    """Whether a piece is what was wished for: in all that the wish tells, of the same key, mode or level."""
    silent = {tokens[0] for tokens in representation.controls}
    pairs = zip(representation.requested(control), representation.said(score), strict=True)
    return all(said == wanted for wanted, said in pairs if wanted not in silent)
