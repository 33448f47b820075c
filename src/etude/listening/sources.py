"""Where the pieces of a listening test come from: samples, folders, real test pieces, and continuations of a prompt."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.progress import follow
from etude.core.project import given_path
from etude.core.seeds import seed_of
from etude.listening.clips import length_of, opening
from etude.listening.design import SHORTEST
from etude.scores.readers import SCORES
from etude.tasks.capabilities import CONTINUE, is_able, name_able
from etude.tasks.continuation import continue_piece
from etude.tasks.given_piece import assign_voices
from etude.tasks.score_files import read_score
from etude.tasks.trained_model import TrainedModel

NAME = re.compile(r"\w[\w.-]*")  # of a folder
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
        name, given, folder = (word.strip() for word in part.partition("="))
        if given and not NAME.fullmatch(name):
            raise EtudeError(
                f"models = {part}: a folder needs a name of letters, digits, dots, hyphens and underscores before the "
                "=, as in: mine=~/scores"
            )
        if given:
            path = given_path(folder)
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


def source_of(
    settings: Settings, session: Session, system: System, seed: int
) -> tuple[list[str], Callable[[str], ScoreTick]]:
    """The names of a system's pieces in a seeded order, and what reads one.

    Raises:
        EtudeError: there are none.
    """
    if system.name == REAL and system.folder is None:
        source, _ = read_ingest(settings, session)
        names = split_ids(settings, session, source)["test"]
        return shuffled(sorted(names), seed, f"pieces of {REAL}"), source.score
    if system.folder is None:
        made = catalog.samples(system.name)
        files = {path.name: path for path in session.read(made).glob("*.mid")}
        if not files:
            raise EtudeError(f"{made} holds no samples. Make them with: {made.made_by}")
    elif not (files := _score_files(system.folder)):
        raise EtudeError(f"{system.folder} holds no score file. Files ending in {', '.join(SCORES)} are read.")
    names = shuffled(sorted(files), seed, f"pieces of {system.name}")
    if system.folder is None:
        return names, lambda name: ScoreTick(files[name])
    return names, lambda name: read_score(files[name], settings.ingest)[0]


def _score_files(folder: Path) -> dict[str, Path]:
    """The score files of a folder by name."""
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SCORES}


def real_pieces(settings: Settings, session: Session, seed: int) -> Iterator[Piece]:
    """The real test pieces in a seeded order."""
    names, read = source_of(settings, session, System(REAL), seed)
    for name in names:
        yield Piece(name, read(name))


@dataclass(frozen=True)
class Chosen:
    """The pieces of a test: of each system one for each prompt, in their order; two more for the training page.

    ``passed_over`` counts for each system the pieces that were too short for a clip; ``notes`` has a sentence on each
    file, and on each prompt, that was left out.
    """

    prompts: list[str]
    pieces: dict[str, list[Piece]]
    training: list[Piece]
    least: list[float] = field(default_factory=list)  # seconds of each prompt's clips, beyond the prompt; else SHORTEST
    passed_over: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def choose(settings: Settings, session: Session, systems: Sequence[System], count: int, seed: int) -> Chosen:
    """``count`` pieces of each system as they are, for a test without prompts.

    Args:
        settings: of the project.
        session: where samples and test pieces are.
        systems: the systems.
        count: pieces of each.
        seed: of the choice.

    Raises:
        EtudeError: a system has too few pieces that are long enough.
    """
    chosen = Chosen([str(number + 1) for number in range(count)], {}, [])
    trained = _training_systems(systems, seed)
    for system in follow(systems, "choosing pieces", len(systems), session.progress):
        found: list[Piece] = []
        unread: list[str] = []
        short = 0
        names, read = source_of(settings, session, system, seed)
        for name in names:
            try:
                score = read(name)
            except EtudeError as error:
                unread.append(f"{system.name}: {name} is left out: {error}")
                continue
            if length_of(score) >= SHORTEST:
                found.append(Piece(name, score))
            else:
                short += 1
            if len(found) == count + (system.name in trained):
                break
        if len(found) < count:
            raise EtudeError(
                f"{system.name} has {len(found)} pieces of at least {SHORTEST:g} seconds (shorter: {short}, not "
                f"readable: {len(unread)}), and pieces = {count}. "
                + (f"Give pieces={len(found)}, or more pieces." if found else "Give it longer pieces.")
            )
        chosen.pieces[system.name] = found[:count]
        chosen.passed_over[system.name] = short
        chosen.notes.extend(unread)
        if system.name in trained:
            chosen.training.append(found[-1])
    return chosen


def _training_systems(systems: Sequence[System], seed: int) -> list[str]:
    """Two systems whose pieces the training page has."""
    return shuffled(sorted(system.name for system in systems), seed, "training page")[:2]


def continue_prompts(
    settings: Settings,
    session: Session,
    systems: Sequence[System],
    primes: Iterable[tuple[str, ScoreTick]],
    count: int | None,
    seconds: float,
    bars: int,
    seed: int,
) -> Chosen:
    """Each system's continuation of each prime: models make theirs, folders hold files of the primes' names.

    Prompts after which less than 5 seconds of music would follow in a clip are passed over, and named in ``notes``.

    Args:
        settings: of the project.
        session: where models are.
        systems: the systems.
        primes: names and whole pieces, whose first bars are the prompts.
        count: of prompts; one more is for the training page, if there is one. None: all, and the training page has the
            last one, too.
        seconds: the length of a clip.
        bars: of a prompt.
        seed: of the sampling, and of the training page.

    Raises:
        EtudeError: a model cannot continue, a folder lacks a file, or too few prompts leave room in a clip.
    """
    models = {
        system.name: TrainedModel.load(settings, session, system.name)
        for system in systems
        if system.folder is None and system.name != REAL
    }
    chosen = Chosen([], {system.name: [] for system in systems}, [])
    short: list[str] = []
    for number, (name, whole) in enumerate(primes):
        prime = opening(whole, bars)
        least = max(SHORTEST, length_of(prime) + AFTER)
        if least > seconds:
            short.append(
                f"prompts: {name} is passed over: its first {bars} bars last {length_of(prime):.1f} seconds, and less "
                f"than {AFTER:g} would follow in a clip of {seconds:g}."
            )
            continue
        made = {}
        for system in systems:
            if system.folder is not None:
                made[system.name] = _named(settings, system, name)
            elif system.name == REAL:
                made[system.name] = Piece(name, whole)
            else:
                made[system.name] = _continued(models[system.name], name, prime, seconds, seed, number)
        lengths = {own: length_of(piece.score) for own, piece in made.items()}
        if too_short := [own for own, length in lengths.items() if length < least]:
            short.append(
                f"prompts: {name} is passed over: with what {too_short[0]} makes of it, it lasts "
                f"{lengths[too_short[0]]:.1f} seconds, and {least:.1f} are needed."
            )
            continue
        chosen.prompts.append(name)
        chosen.least.append(least)
        for own, piece in made.items():
            chosen.pieces[own].append(piece)
        if len(chosen.prompts) == (count or 0) + 1 and count is not None:
            break
    if len(chosen.prompts) < (count or 1):
        raise EtudeError(
            f"prompts: {len(chosen.prompts)} of {count or 'any'} can be used. {short[0] if short else ''} Give fewer "
            "with prompt_bars=, longer clips with seconds=, or fewer prompts."
        )
    training = [chosen.pieces[name][-1] for name in _training_systems(systems, seed)]
    pieces = {name: made[:count] for name, made in chosen.pieces.items()}
    return Chosen(chosen.prompts[:count], pieces, training, chosen.least[:count], {}, short)


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


def read_folder(settings: Settings, folder: Path, what: str) -> tuple[dict[str, ScoreTick], list[str]]:
    """The score files of a folder by their names without ending, and a sentence on each that cannot be read.

    Raises:
        EtudeError: there are none, none can be read, or two differ in their ending alone.
    """
    files = _score_files(folder)
    if not files:
        raise EtudeError(f"{what} = {folder} holds no score file. Files ending in {', '.join(SCORES)} are read.")
    found: dict[str, ScoreTick] = {}
    unread = []
    for name, path in files.items():
        if path.stem in found:
            raise EtudeError(f"{what} = {folder} holds two files {path.stem}. Rename one, or take it away.")
        try:
            found[path.stem] = read_score(path, settings.ingest)[0]
        except EtudeError as error:
            unread.append(f"{what}: {name} is left out: {error}")
    if not found:
        raise EtudeError(f"{what} = {folder} holds no score file that can be read. {unread[0]}")
    return found, unread


def _named(settings: Settings, system: System, name: str) -> Piece:
    """A system's own file of a prompt."""
    assert system.folder is not None
    found = [path for path in _score_files(system.folder).values() if path.stem == name]
    if not found:
        raise EtudeError(
            f"{system.folder} holds no score file {name}.mid or the like: with prompts, a folder has the continuation "
            "of each prompt under the prompt's own name."
        )
    return Piece(found[0].name, read_score(found[0], settings.ingest)[0])


def _continued(loaded: TrainedModel, name: str, prime: ScoreTick, seconds: float, seed: int, number: int) -> Piece:
    config = replace(
        loaded.config,
        pieces=1,
        seed=seed_of("continued prompt", seed, number) % 2**32,
        bars=None,
        seconds=float(math.ceil(seconds) + 1),
    )
    voices = assign_voices(prime, loaded.representation.voices)
    try:
        (sampled,) = continue_piece(loaded.model, loaded.representation, loaded.observed, config, 1, voices)
    except EtudeError as error:
        raise EtudeError(f"{name} cannot be continued: {error}") from None
    return Piece(f"{name}, continued", sampled.score)
