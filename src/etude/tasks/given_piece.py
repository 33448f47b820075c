"""A piece that somebody gives, for a model to continue or to fill in: read, checked, its tracks assigned to voices."""

import re
from collections.abc import Mapping
from dataclasses import replace

from symusic.core import ScoreTick, TrackTick

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.music.columns import all_notes
from etude.representations.base.survey import DRUMS, program_of
from etude.sampling import Sampled
from etude.tasks.capabilities import CONTINUE, HARMONIZE, is_able, name_able
from etude.tasks.continuation import continue_piece
from etude.tasks.harmonizer import Harmonizer, seeded_rngs
from etude.tasks.infilling import fill_bars
from etude.tasks.requests import GivenPiece
from etude.tasks.score_files import read_score, require_score
from etude.tasks.trained_model import TrainedModel


def check_given(settings: Settings, session: Session, model_name: str, given: GivenPiece) -> None:
    """Raise EtudeError where a model cannot do what is asked of it, before anything is loaded."""
    if given.prime is None:
        raise EtudeError("fill and tracks are of a piece that you give. Name it, as in prime=theme.mid.")
    capability, task = (CONTINUE, "continue a piece") if given.fill is None else (HARMONIZE, "fill in bars of a piece")
    if not is_able(settings, model_name, capability):
        raise EtudeError(f"model={model_name} cannot {task}. {name_able(settings, session, capability)}")
    if settings.generate.candidates not in (None, 1):
        raise EtudeError(
            f"candidates = {settings.generate.candidates}: a judge knows whole pieces, and chooses among none that "
            "continue another one. Leave it out, and raise pieces to choose yourself."
        )


def generate_from(settings: Settings, session: Session, loaded: TrainedModel, given: GivenPiece) -> list[Sampled]:
    """``generate.pieces`` pieces that continue the prime, or in which bars of it are drawn again.

    Raises:
        EtudeError: the file cannot be used, or what is requested cannot be.
    """
    path = require_score("prime", str(given.prime))
    source, _ = read_score(path, settings.ingest, session.progress)
    representation, config = loaded.representation, loaded.config
    try:
        piece = assign_voices(source, representation.voices)
        if given.fill is None:
            return continue_piece(
                loaded.model, representation, loaded.observed, config, config.pieces, piece, session.progress
            )
        return _fill(settings, session, loaded, piece, given)
    except EtudeError as error:
        raise EtudeError(f"{path}: {error}") from None


def _fill(
    settings: Settings, session: Session, loaded: TrainedModel, source: ScoreTick, given: GivenPiece
) -> list[Sampled]:
    names = list(loaded.representation.voices)
    unknown = [name for name in given.tracks or [] if name not in names]
    if unknown:
        raise EtudeError(f"tracks = {', '.join(unknown)}: the model has the voices {', '.join(names)}.")
    found = re.fullmatch(r"(\d+)(-(\d+))?", str(given.fill).strip())
    first, last = (int(found[1]), int(found[3] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise EtudeError(f"fill = {given.fill} must name bars, as 5-8 or 5, counted from 1.")
    rngs = seeded_rngs(loaded.config.seed, loaded.config.pieces)
    asked = settings.generate.temperature
    config = replace(
        settings.harmonize,
        sweeps=loaded.config.sweeps,
        temperature=settings.harmonize.temperature if asked is None else asked,
    )
    pieces = fill_bars(
        Harmonizer.of(loaded), source, (first, last), given.tracks or names, config, rngs, session.progress
    )
    return [Sampled(piece) for piece in pieces]


def assign_voices(source: ScoreTick, voices: Mapping[str, int]) -> ScoreTick:
    """The piece with each track on the program of its voice: by its program, else by its name, else the only one.

    Tracks of one name and program are one, as where two parts on one instrument meet on a pitch.

    Raises:
        EtudeError: there is no note, or a track that is none of the voices.
    """
    sounding = [track for track in source.tracks if len(track.notes)]
    if not sounding:
        raise EtudeError("it has no notes.")
    made, names = source.copy(), {name.casefold(): name for name in voices}
    made.tracks.clear()
    found: dict[str, list[TrackTick]] = {}
    strange = []
    for track in sounding:
        name = next((name for name, program in voices.items() if program == program_of(track)), None)
        name = names.get(track.name.strip().casefold(), name)
        if name is None and len(sounding) == 1 and not track.is_drum:
            name = next(iter(voices))
        alike = found.get(name or "", [track])[0]
        if name is None or (alike.name, program_of(alike)) != (track.name, program_of(track)):
            strange.append(track.name or f"one on program {program_of(track)}")
            continue
        found.setdefault(name, []).append(track)
    if strange:
        raise EtudeError(
            f"its tracks {', '.join(strange)} are none of the voices that the model has, or more than one of one: "
            f"{', '.join(f'{name} (program {program})' for name, program in voices.items())}. Name the tracks so."
        )
    for name, program in voices.items():
        if name in found:
            track = TrackTick(name, max(program, 0), program == DRUMS)
            track.notes = all_notes(found[name])
            if len(found[name]) > 1:
                track.notes.sort(inplace=True)
            made.tracks.append(track)
    return made
