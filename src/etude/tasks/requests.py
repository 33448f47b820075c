"""What a person asks of a command about files of their own. conf/cli.yaml says what each key means.

One class a command; its fields are the keys that it takes besides the settings. This file imports nothing heavy.
"""

import typing
from dataclasses import dataclass, fields
from typing import Annotated, Any

from etude.config.check import OneOf, Positive, Range, check
from etude.core.errors import EtudeError


@dataclass(frozen=True)
class GivenPiece:
    """What somebody gives to etude generate, and what they want of it."""

    prime: str | None = None
    fill: str | None = None
    tracks: list[str] | None = None
    sound: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether there is a piece to continue or to fill in."""
        return (self.prime, self.fill, self.tracks) != (None, None, None)


@dataclass(frozen=True)
class ScoreSets:
    """The folders that somebody gives to etude evaluate, and the page to write."""

    pieces: str | None = None
    reference: str | None = None
    output: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class HarmonizeFiles:
    """What somebody gives to etude harmonize, and what they want of it."""

    input: str | None = None
    output: str | None = None
    overwrite: bool = False
    top_line: bool = False
    fixed: str | None = None
    bass: str | None = None
    chords: str | None = None
    picture: str | None = None
    sound: str | None = None
    tune: int | None = None


@dataclass(frozen=True)
class MixFiles:
    """The tracks that somebody gives to etude mix, and what they want of them."""

    tracks: str | None = None
    output: str | None = None
    overwrite: bool = False
    gain: str | None = None
    pan: str | None = None
    send: str | None = None
    offset: str | None = None
    loop: str | None = None
    stems: str | None = None
    title: str | None = None


@dataclass(frozen=True)
class ArrangeFiles:
    """What somebody gives to etude arrange, and what they want of it."""

    input: str | None = None
    output: str | None = None
    overwrite: bool = False
    top_line: bool = False
    chords: str | None = None
    picture: str | None = None
    sound: str | None = None
    tune: int | None = None


@dataclass(frozen=True)
class VideoFile:
    """The piece that somebody gives to etude video, and what is shown of it."""

    input: str | None = None
    output: str | None = None
    overwrite: bool = False
    sound: str | None = None
    title: str | None = None
    composer: str | None = None
    view: Annotated[str, OneOf(("roll", "score"))] = "roll"
    colours: Annotated[str, OneOf(("harmony", "tracks"))] = "harmony"
    width: Annotated[int, Range(160, 3840)] = 1280
    height: Annotated[int, Range(90, 3840)] = 720
    fps: Annotated[int, Range(10, 60)] = 30
    start: Annotated[float, Range(0)] = 0.0
    seconds: Positive | None = None
    tune: int | None = None


Request = GivenPiece | ScoreSets | HarmonizeFiles | ArrangeFiles | MixFiles | VideoFile
REQUESTS: dict[str, type[Request]] = {
    "generate": GivenPiece,
    "evaluate": ScoreSets,
    "harmonize": HarmonizeFiles,
    "arrange": ArrangeFiles,
    "mix": MixFiles,
    "video": VideoFile,
}
DEFAULTS: dict[str, Any] = {field.name: field.default for kind in REQUESTS.values() for field in fields(kind)}


def keys_of(command: str) -> tuple[str, ...]:
    """The keys of a command's request; none where it takes no files."""
    return tuple(field.name for field in fields(REQUESTS[command])) if command in REQUESTS else ()


def texts_of(command: str) -> tuple[str, ...]:
    """The keys of a command's request whose values are any text, as names of files are."""
    if command not in REQUESTS:
        return ()
    return tuple(key for key, kind in typing.get_type_hints(REQUESTS[command]).items() if kind == str | None)


def take_request(command: str, values: dict[str, Any]) -> Request | None:
    """Take the keys of all requests out of composed values: the request of the command, None where it has none.

    Raises:
        EtudeError: a key has a wrong type, or belongs to another command.
    """
    taken = {key: values.pop(key) for key in DEFAULTS}
    given = {key: value for key, value in taken.items() if value != DEFAULTS[key]}
    own = keys_of(command)
    for key in given:
        if key not in own:
            others = " and ".join(f"etude {other}" for other in REQUESTS if key in keys_of(other))
            raise EtudeError(f"{key} is of {others} alone, not of etude {command}.")
    if command not in REQUESTS:
        return None
    kinds = typing.get_type_hints(REQUESTS[command], include_extras=True)
    return REQUESTS[command](**{key: check(value, kinds[key], key) for key, value in given.items()})
