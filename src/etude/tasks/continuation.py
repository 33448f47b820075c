"""A piece that somebody brings, for a model to go on from or to fill in: read, its tracks found, the rest written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick, TrackTick

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Harmonize, Settings, target
from etude.core.errors import EtudeError
from etude.models.sequence import SequenceModel
from etude.representations.base.grid import VoicesOnGrid
from etude.representations.base.survey import DRUMS, program_of
from etude.sampling import Sampled
from etude.sampling.timing import tells_time
from etude.tasks.continuing import continued
from etude.tasks.harmonize_file import read_score
from etude.tasks.harmonizer import load, model_names
from etude.tasks.infilling import filled


@dataclass(frozen=True)
class Given:
    """What somebody brings to etude generate, and what they want of it."""

    prime: str | None = None  # a MIDI, MusicXML or ABC file that all pieces begin with
    fill: str | None = None  # the bars of it that are drawn anew instead, as 5-8
    tracks: list[str] | None = None  # the voices that are drawn anew; None: all


def able(settings: Settings) -> list[str]:
    """The variants that can go on from a piece: neural ones whose tokens tell where in time they are."""
    found = []
    for model_name, section in settings.models.items():
        kind = target(section, f"models.{model_name}")
        forward = issubclass(kind, SequenceModel) and kind.forward is not SequenceModel.forward
        read = settings.tokenize.get(section["representation"])
        if forward and read is not None and tells_time(target(read, "tokenize"), read):
            found.append(model_name)
    return found


def of_given(
    settings: Settings, session: Session, model_name: str, model: Any, representation: Any, store: Store, given: Given
) -> list[Sampled]:
    """``generate.pieces`` pieces that go on from the prime, or in which bars of it are drawn anew.

    Raises:
        EtudeError: the variant cannot, the file will not do, or what is wanted cannot be.
    """
    config = settings.generate.of(model_name)
    if given.prime is None:
        raise EtudeError("fill and tracks are of a piece that you bring. Name it, as in prime=theme.mid.")
    if given.fill is None and model_name not in able(settings):
        raise EtudeError(
            f"model={model_name} cannot go on from a piece. {who_can(able(settings), 'transformer', 'voices')}"
        )
    if given.fill is not None and model_name not in model_names(settings):
        raise EtudeError(
            f"model={model_name} cannot fill in bars of a piece. {who_can(model_names(settings), 'voices', 'deepbach')}"
        )
    path = Path(given.prime).expanduser()
    if not path.is_file():
        raise EtudeError(f"prime = {path} is no file. Give a MIDI, MusicXML or ABC file.")
    source = read_score(path, settings)
    try:
        fitting = on_voices(source, representation.voices)
        if given.fill is None:
            return continued(model, representation, store, config, config.pieces, fitting, session.progress)
        return _filled(settings, session, model_name, fitting, given)
    except EtudeError as error:
        raise EtudeError(f"{path}: {error}") from None


def _filled(settings: Settings, session: Session, model_name: str, source: ScoreTick, given: Given) -> list[Sampled]:
    harmonizer = load(settings, session, model_name)
    representation: VoicesOnGrid = harmonizer.representation
    names = list(representation.voices)
    unknown = [name for name in given.tracks or [] if name not in names]
    if unknown:
        raise EtudeError(f"tracks = {', '.join(unknown)}: the model has the voices {', '.join(names)}.")
    found = re.fullmatch(r"(\d+)(-(\d+))?", str(given.fill).strip())
    first, last = (int(found[1]), int(found[3] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise EtudeError(f"fill = {given.fill} must name bars, as 5-8 or 5, counted from 1.")
    config: Harmonize = settings.harmonize
    rng = harmonizer.luck_of(settings.generate.seed, settings.generate.pieces)
    pieces = filled(
        harmonizer.model, representation, harmonizer.observed, source, (first, last), given.tracks or names, config, rng,
        session.progress,
    )  # fmt: skip
    return [Sampled(piece) for piece in pieces]


def on_voices(source: ScoreTick, voices: Mapping[str, int]) -> ScoreTick:
    """The piece with each track on the program of its voice: by its program, else by its name, else the only one.

    Raises:
        EtudeError: there is no note, or a track that is none of the voices.
    """
    sounding = [track for track in source.tracks if len(track.notes)]
    if not sounding:
        raise EtudeError("it has no notes.")
    made, names = source.copy(), {name.casefold(): name for name in voices}
    made.tracks.clear()
    found: dict[str, TrackTick] = {}
    strange = []
    for track in sounding:
        name = next((name for name, program in voices.items() if program == program_of(track)), None)
        name = names.get(track.name.strip().casefold(), name)
        if name is None and len(sounding) == 1:
            name = next(iter(voices))
        if name is None or name in found:
            strange.append(track.name or f"one on program {program_of(track)}")
            continue
        found[name] = track
    if strange:
        raise EtudeError(
            f"its tracks {', '.join(strange)} are none of the voices that the model has, or more than one of one: "
            f"{', '.join(f'{name} (program {program})' for name, program in voices.items())}. Name the tracks so."
        )
    for name, program in voices.items():
        if name in found:
            track = TrackTick(name, max(program, 0), program == DRUMS)
            track.notes = found[name].notes.copy()
            made.tracks.append(track)
    return made


def who_can(names: list[str], *known: str) -> str:
    """Which of the chosen variants can, or else which of those that there are."""
    return f"Those can: model={' or model='.join(names or known)}."
