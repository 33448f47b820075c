"""``etude listen build``: the page of a listening test, and the key that says which clip is of which system."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import yaml
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest_of, write_json
from etude.core.progress import follow
from etude.core.project import given_path
from etude.listening.clips import Clip, common_cut, encode, length_of, sound_of
from etude.listening.design import COMFORT, LONGEST, PLACES, SHORTEST, VERSION, Question, Shape, Test, design
from etude.listening.page import Texts, write_page
from etude.listening.sources import (
    REAL,
    Chosen,
    Piece,
    System,
    check_continuing,
    choose,
    continue_prompts,
    parse_systems,
    read_folder,
    real_pieces,
)

SECONDS, WITH_PROMPTS = 20.0, 30.0  # of a clip where none are given: a prompt takes its part
PIECES = 6  # of each system
PROMPT_BARS = 4
COMMAND = "etude listen build models=voices,lstm_attention"


@dataclass(frozen=True)
class Request:
    """What is asked of ``etude listen build``; None stands for the default."""

    models: str
    output: Path
    prompts: str | None = None  # a number of test pieces, or a folder
    prompt_bars: int = PROMPT_BARS
    pieces: int | None = None
    seconds: float | None = None
    seed: int = 1
    real: str = "true"  # true, false, or a folder
    shape: Shape = field(default_factory=Shape)
    consent: Path | None = None
    contact: str = ""
    overwrite: bool = False

    @property
    def key(self) -> Path:
        """The file of the key, next to the page."""
        return self.output.with_suffix(".key.json")


@dataclass(frozen=True)
class Built:
    """What ``build`` wrote: the page, its key, and the facts that are worth a line."""

    page: Path
    key: Path
    clips: int
    megabytes: float
    pages: int
    minutes: float
    seconds: tuple[float, float]  # of music in the shortest and the longest clip
    notes: list[str]


def build(settings: Settings, session: Session, request: Request) -> Built:
    """Write the page of a listening test, and its key next to it.

    Raises:
        EtudeError: a setting is out of range, a system has too few pieces, or a file is in the way.
    """
    _check(request)
    systems = parse_systems(request.models, list(settings.models))
    seconds = request.seconds or (WITH_PROMPTS if request.prompts else SECONDS)
    systems += _real(request)
    if len(systems) < 2:
        raise EtudeError(f"models = {request.models}: a comparison takes two systems at least, as in: {COMMAND}")
    if not request.prompts:
        count = request.pieces or PIECES
        shape = request.shape.filled(len(systems), count, seconds)
        chosen = choose(settings, session, systems, count, request.seed)
    else:
        check_continuing(settings, session, systems)
        primes, wanted, unread = _primes(settings, session, request, seconds)
        if wanted is not None:
            request.shape.filled(len(systems), wanted, seconds)  # what cannot be costs no work
        chosen = continue_prompts(
            settings, session, systems, primes, wanted, seconds, request.prompt_bars, request.seed
        )
        chosen.notes.extend(unread)
        shape = request.shape.filled(len(systems), len(chosen.prompts), seconds)
    ids, secret = draw_ids(chosen, request.seed)
    clips = dict(_clips(settings, chosen, ids, seconds, session.progress))
    training = (ids[None, 0], ids[None, 1])
    by_system = {name: [ids[name, place] for place in range(len(chosen.prompts))] for name in sorted(chosen.pieces)}
    test = design(secret[:16], by_system, training, shape, request.seed)
    texts = Texts.read(request.consent, request.contact, round(shape.minutes(len(systems), seconds)))
    write_json(request.key, _key(test, request, chosen, ids, clips, seconds))  # no page is ever without its key
    write_page(request.output, test, {name: clip.mp3 for name, clip in clips.items()}, texts)
    return Built(
        request.output,
        request.key,
        len(clips),
        request.output.stat().st_size / 1e6,
        shape.pages(len(systems)),
        shape.minutes(len(systems), seconds),
        _lengths(clips),
        _notes(chosen),
    )


def _notes(chosen: Chosen) -> list[str]:
    """A sentence on each file and on each system's pieces that were left out."""
    short = [
        f"{name}: {count} pieces of less than {SHORTEST:g} seconds were passed over."
        for name, count in chosen.passed_over.items()
        if count
    ]
    return [*chosen.notes, *short]


def _lengths(clips: Mapping[str, Clip]) -> tuple[float, float]:
    """The seconds of music in the shortest and in the longest clip."""
    seconds = [clip.seconds for clip in clips.values()]
    return min(seconds), max(seconds)


def warn_long(built: Built) -> str:
    """A sentence where a listener needs more than half an hour, else ""."""
    if built.minutes <= COMFORT:
        return ""
    return (
        f"A listener needs about {built.minutes:.0f} minutes, and attention lasts about {COMFORT} (ITU-R BS.1534-3). "
        "Fewer models, or smaller pairs= and ratings=, shorten it."
    )


def _check(request: Request) -> None:
    if request.seconds is not None and not SHORTEST <= request.seconds <= LONGEST:
        raise EtudeError(f"seconds = {request.seconds:g} must be between {SHORTEST:g} and {LONGEST:g}.")
    if request.output.suffix.lower() not in (".html", ".htm") or request.output.is_dir():
        raise EtudeError(f"output = {request.output} must name a file that ends in .html.")
    if request.key.is_dir():
        raise EtudeError(f"{request.key}, where the key of the page goes, is a folder. Name another output=.")
    if request.prompts and request.pieces:
        raise EtudeError("pieces= and prompts= are both given. With prompts each system has one piece for each.")
    there = [str(path) for path in (request.output, request.key) if path.exists()]
    if there and not request.overwrite:
        raise EtudeError(
            f"{' and '.join(there)} would be replaced, and answers to the page that is there need its key. Name "
            "another output=, or give overwrite=true."
        )


def _real(request: Request) -> list[System]:
    """The real pieces as one more system."""
    if request.real == "false":
        return []
    folder = None if request.real == "true" else given_path(request.real)
    if folder is not None and not folder.is_dir():
        raise EtudeError(f"real = {request.real} must be true, false or a folder of score files.")
    own_prompts = bool(request.prompts) and not str(request.prompts).isdecimal()
    if own_prompts and folder is None:
        return []  # nobody knows how the given prompts go on
    return [System(REAL, folder)]


def _primes(
    settings: Settings, session: Session, request: Request, seconds: float
) -> tuple[Iterator[tuple[str, ScoreTick]], int | None, list[str]]:
    """The pieces whose first bars are the prompts, how many are wanted (None: all), and the files not readable."""
    text = str(request.prompts)
    if not text.isdecimal():
        folder = given_path(text)
        if not folder.is_dir():
            raise EtudeError(f"prompts = {text} must be a number of test pieces, or a folder of score files.")
        found, unread = read_folder(settings, folder, "prompts")
        return iter(found.items()), None, unread
    count = int(text) if len(text) < 5 else 0
    if not 1 <= count <= 1000:
        raise EtudeError(f"prompts = {text[:20]} must be a whole number from 1 to 1000, or a folder of score files.")
    # a piece's own continuation is the hidden real piece
    long = [piece for piece in real_pieces(settings, session, request.seed) if length_of(piece.score) >= seconds]
    if len(long) < count:
        raise EtudeError(
            f"prompts = {count}: only {len(long)} test pieces last {seconds:g} seconds. Give fewer prompts, or shorter "
            "clips with seconds=."
        )
    return ((piece.source, piece.score) for piece in long), count, []


def draw_ids(chosen: Chosen, seed: int) -> tuple[dict[tuple[str | None, int], str], str]:
    """An id for each clip by system and prompt (training: by None), and the digest that the ids come from.

    The digest is of the scores, which the page does not hold: nobody finds a system by its name and the seed.
    """
    scores = {
        name: [[piece.source, piece.score.dumps_midi().hex()] for piece in pieces]
        for name, pieces in {**chosen.pieces, "": chosen.training}.items()
    }
    secret = digest_of({"seed": seed, "scores": scores})
    rng = np.random.default_rng(int(secret, 16))
    names = sorted(chosen.pieces)
    keys: list[tuple[str | None, int]] = [(name, place) for name in names for place in range(len(chosen.prompts))]
    keys += [(None, 0), (None, 1)]
    ids = {one: rng.bytes(6).hex() for one in keys}
    return ids, digest_of(secret)


def _clips(
    settings: Settings, chosen: Chosen, ids: Mapping[tuple[str | None, int], str], seconds: float, show: bool
) -> list[tuple[str, Clip]]:
    """The clips by id. Those of one prompt have one length."""
    names, sounds, lengths = [], [], []
    groups: list[dict[tuple[str | None, int], Piece]] = [
        {(name, place): pieces[place] for name, pieces in chosen.pieces.items()} for place in range(len(chosen.prompts))
    ]
    groups.append({(None, place): piece for place, piece in enumerate(chosen.training)})
    least = chain(chosen.least, repeat(SHORTEST))
    for group, shortest in zip(follow(groups, "rendering clips", len(groups), show), least, strict=False):
        cut = common_cut([piece.score for piece in group.values()], seconds, shortest)
        for key, piece in group.items():
            names.append(ids[key])
            sounds.append(sound_of(piece.score, settings.mix, cut))
            lengths.append(cut.seconds)
    return list(zip(names, follow(encode(sounds, lengths), "encoding clips", len(sounds), show), strict=True))


def _key(
    test: Test,
    request: Request,
    chosen: Chosen,
    ids: Mapping[tuple[str | None, int], str],
    clips: Mapping[str, Clip],
    seconds: float,
) -> Json:
    """What the page does not tell."""
    known: dict[str, Json] = {}
    for (name, place), clip in ids.items():
        piece = chosen.pieces[name][place] if name is not None else chosen.training[place]
        known[clip] = {
            "system": name,
            "prompt": chosen.prompts[place] if name is not None else None,
            "piece": piece.source,
            "seconds": round(clips[clip].seconds, 3),
            "loudness": round(clips[clip].loudness, 2),
        }
    return {
        "version": VERSION,
        "test": test.as_json(),
        "systems": sorted(chosen.pieces),
        "clips": known,
        "passed_over": dict(chosen.passed_over),
        "settings": {
            "seed": request.seed,
            "seconds": seconds,
            "prompt_bars": request.prompt_bars if request.prompts else None,
        },
    }


def read_questions(path: Path) -> tuple[Question, ...]:
    """The questions between pages, from YAML: a list of ``text``, ``choices`` and ``place``.

    Raises:
        EtudeError: the file is none, or an entry lacks a field.
    """
    try:
        # every value is a text, as it stands: a choice "yes" is no truth value
        entries = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise EtudeError(f"questions = {path} cannot be read ({str(error).splitlines()[0]}).") from None
    found = []
    for number, entry in enumerate(entries if isinstance(entries, list) else [None], 1):
        fields = entry if isinstance(entry, dict) else {}
        choices = fields.get("choices")
        place = fields.get("place", PLACES[0])
        if (
            not isinstance(fields.get("text"), str)
            or not isinstance(choices, list)
            or len(choices) < 2
            or place not in PLACES
            or not fields.keys() <= {"text", "choices", "place"}
        ):
            raise EtudeError(
                f"questions = {path}: entry {number} must have text, a list of two or more choices, and place, which "
                f"is one of {', '.join(PLACES)}."
            )
        found.append(Question(fields["text"], tuple(map(str, choices)), place))
    return tuple(found)
