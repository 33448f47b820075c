"""Where the pieces of a listening test come from: samples, folders, real test pieces, and continuations of a prompt."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.progress import follow
from etude.core.seeds import seed_of
from etude.listening.clips import SHORTEST, excerpt, length_of, opening
from etude.scores.readers import FORMATS
from etude.tasks.capabilities import CONTINUE, is_able, name_able
from etude.tasks.continuation import continue_piece
from etude.tasks.given_piece import assign_voices
from etude.tasks.score_files import read_score
from etude.tasks.trained_model import TrainedModel

REAL = "real"  # the name of the system of real pieces
AFTER = 5.0  # seconds that must follow a prompt within a clip


@dataclass(frozen=True)
class System:
    """What is compared: a model, or a folder of score files."""

    name: str
    folder: Path | None = None


@dataclass(frozen=True)
class Piece:
    """A piece of a system, with the name of what it was read or made from."""

    source: str
    score: ScoreTick


def parse_systems(text: str, models: Sequence[str]) -> list[System]:
    """The systems of ``models=voices,mine=~/folder``.

    Args:
        text: what follows ``models=``.
        models: the names of the project's models.

    Raises:
        EtudeError: a model or a folder is not there, or a name is taken twice.
    """
    systems = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, given, folder = part.partition("=")
        if given:
            path = Path(folder).expanduser()
            if not path.is_dir():
                raise EtudeError(f"models = {part}: {path} is no folder. Give one with scores, as in: mine=~/scores")
            systems.append(System(name, path))
        elif name in models:
            systems.append(System(name))
        else:
            raise EtudeError(
                f'models = {name}: there is no model "{name}". {closest(name, models)} A folder of scores needs a '
                "name, as in: mine=~/scores"
            )
    names = [system.name for system in systems]
    for name in names:
        if names.count(name) > 1 or name == REAL:
            raise EtudeError(
                f'models = {text}: the name "{name}" '
                f"{'stands for the real pieces' if name == REAL else 'is given twice'}. Give each system its own."
            )
    return systems


def shuffled(names: Sequence[str], seed: int, purpose: str) -> list[str]:
    """Names in a seeded order."""
    return [names[place] for place in np.random.default_rng(seed_of(purpose, seed)).permutation(len(names))]


def candidates(settings: Settings, session: Session, system: System, seed: int) -> Iterator[Piece]:
    """The pieces of a system in a seeded order, those that are too short for a clip among them.

    Raises:
        EtudeError: there are none, or one cannot be read.
    """
    if system.name == REAL and system.folder is None:
        yield from real_pieces(settings, session, seed)
        return
    purpose = f"pieces of {system.name}"
    if system.folder is None:
        made = catalog.samples(system.name)
        files = {path.name: path for path in session.read(made).glob("*.mid")}
        if not files:
            raise EtudeError(f"{made} holds no samples. Make them with: {made.made_by}")
        for name in shuffled(sorted(files), seed, purpose):
            yield Piece(name, ScoreTick(files[name]))
    else:
        files = {path.name: path for path in system.folder.iterdir() if path.suffix.lower() in FORMATS}
        if not files:
            raise EtudeError(f"{system.folder} holds no score file. Files ending in {', '.join(FORMATS)} are read.")
        for name in shuffled(sorted(files), seed, purpose):
            yield Piece(name, read_score(files[name], settings.ingest)[0])


def real_pieces(settings: Settings, session: Session, seed: int) -> Iterator[Piece]:
    """The real test pieces in a seeded order."""
    source, _ = read_ingest(settings, session)
    names = split_ids(settings, session, source)["test"]
    for name in shuffled(sorted(names), seed, f"pieces of {REAL}"):
        yield Piece(name, source.score(name))


@dataclass(frozen=True)
class Chosen:
    """The pieces of a test: of each system one for each prompt, in their order; two more for the training page.

    ``passed_over`` counts for each system the pieces that were too short for a clip.
    """

    prompts: list[str]
    pieces: dict[str, list[Piece]]
    training: list[Piece]
    passed_over: dict[str, int]


def choose(
    settings: Settings, session: Session, systems: Sequence[System], count: int, seconds: float, seed: int
) -> Chosen:
    """``count`` pieces of each system as they are, for a test without prompts.

    Args:
        settings: of the project.
        session: where samples and test pieces are.
        systems: the systems.
        count: pieces of each.
        seconds: the length of a clip.
        seed: of the choice.

    Raises:
        EtudeError: a system has too few pieces that are long enough.
    """
    pieces: dict[str, list[Piece]] = {}
    passed_over: dict[str, int] = {}
    trained = _training_systems(systems, seed)
    training = []
    for system in follow(systems, "choosing pieces", len(systems), session.progress):
        found: list[Piece] = []
        short = 0
        wanted = count + (system.name in trained)
        for piece in candidates(settings, session, system, seed):
            if length_of(piece.score) >= SHORTEST and excerpt(piece.score, seconds).seconds >= SHORTEST:
                found.append(piece)
            else:
                short += 1
            if len(found) == wanted:
                break
        if len(found) < count:
            raise EtudeError(
                f"{system.name} has {len(found)} pieces of at least {SHORTEST:g} seconds, and pieces = {count}. "
                f"Give pieces={max(1, len(found))} at most, or make more pieces."
            )
        pieces[system.name], passed_over[system.name] = found[:count], short
        if system.name in trained:
            training.append(found[-1])
    return Chosen([str(number + 1) for number in range(count)], pieces, training, passed_over)


def _training_systems(systems: Sequence[System], seed: int) -> list[str]:
    """Two systems whose pieces the training page has."""
    return shuffled(sorted(system.name for system in systems), seed, "training page")[:2]


def continue_prompts(
    settings: Settings,
    session: Session,
    systems: Sequence[System],
    primes: Mapping[str, ScoreTick],
    seconds: float,
    bars: int,
    seed: int,
) -> Chosen:
    """Each system's continuation of each prime: models make theirs, folders hold files of the primes' names.

    Args:
        settings: of the project.
        session: where models are.
        systems: the systems.
        primes: name -> the whole piece, whose first bars are the prompt.
        seconds: the length of a clip.
        bars: of a prompt.
        seed: of the sampling, and of the training page.

    Raises:
        EtudeError: a model cannot continue, a folder lacks a file, or a prompt leaves no room in a clip.
    """
    names = list(primes)
    openings = {name: opening(piece, bars) for name, piece in primes.items()}
    for name, prime in openings.items():
        if (length := length_of(prime)) > seconds - AFTER:
            raise EtudeError(
                f"The first {bars} bars of {name} last {length:.1f} seconds, and a clip {seconds:g}: less than "
                f"{AFTER:g} would follow them. Give fewer with prompt_bars=, or longer clips with seconds=."
            )
    pieces = {}
    for system in systems:
        if system.folder is not None:
            pieces[system.name] = [_named(settings, system, name) for name in names]
        elif system.name == REAL:
            pieces[system.name] = [Piece(name, primes[name]) for name in names]
        else:
            pieces[system.name] = _continued(settings, session, system.name, openings, seconds, seed)
    for name, made in pieces.items():
        for prompt, piece in zip(names, made, strict=True):
            if (length := length_of(piece.score)) < SHORTEST:
                raise EtudeError(
                    f"{name}'s continuation of {prompt} lasts {length:.1f} seconds, and a clip at least "
                    f"{SHORTEST:g}. Leave that prompt out, or give another seed."
                )
    training = [pieces[name][-1] for name in _training_systems(systems, seed)]
    return Chosen(names, pieces, training, dict.fromkeys(pieces, 0))


def check_continuing(settings: Settings, session: Session, systems: Sequence[System]) -> None:
    """Raise EtudeError, with their names, where models cannot continue a piece."""
    unable = [
        system.name
        for system in systems
        if system.folder is None and system.name != REAL and not is_able(settings, system.name, CONTINUE)
    ]
    if unable:
        raise EtudeError(
            f"models = {','.join(unable)} cannot continue a prompt. {name_able(settings, session, CONTINUE)} "
            "Without prompts= the samples are compared as they are."
        )


def read_folder(settings: Settings, folder: Path, what: str) -> dict[str, ScoreTick]:
    """The score files of a folder by their names without ending. Raises EtudeError where there are none."""
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in FORMATS}
    if not files:
        raise EtudeError(f"{what} = {folder} holds no score file. Files ending in {', '.join(FORMATS)} are read.")
    return {name: read_score(path, settings.ingest)[0] for name, path in files.items()}


def _named(settings: Settings, system: System, name: str) -> Piece:
    """A system's own file of a prompt."""
    assert system.folder is not None
    found = sorted(path for path in system.folder.glob("*") if path.stem == name and path.suffix.lower() in FORMATS)
    if not found:
        raise EtudeError(
            f"{system.folder} holds no score file {name}.mid or the like: with prompts, a folder has the continuation "
            "of each prompt under the prompt's own name."
        )
    return Piece(found[0].name, read_score(found[0], settings.ingest)[0])


def _continued(
    settings: Settings,
    session: Session,
    model_name: str,
    primes: Mapping[str, ScoreTick],
    seconds: float,
    seed: int,
) -> list[Piece]:
    loaded = TrainedModel.load(settings, session, model_name)
    made = []
    for number, (name, prime) in enumerate(
        follow(primes.items(), f"{model_name} continues", len(primes), session.progress)
    ):
        config = replace(
            loaded.config,
            pieces=1,
            seed=seed_of("continued prompt", seed, number) % 2**32,
            bars=None,
            seconds=float(math.ceil(seconds) + 1),
        )
        try:
            (sampled,) = continue_piece(
                loaded.model,
                loaded.representation,
                loaded.observed,
                config,
                1,
                assign_voices(prime, loaded.representation.voices),
            )
        except EtudeError as error:
            raise EtudeError(f"{model_name} cannot continue {name}: {error}") from None
        made.append(Piece(f"{name}, continued", sampled.score))
    return made
