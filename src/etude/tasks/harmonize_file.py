"""A melody file harmonised as requested, and written as MIDI and as a score."""

import sys
from contextlib import ExitStack
from pathlib import Path

from symusic.core import ScoreTick, TrackTick

from etude.artifacts.context import Session
from etude.audio.files import Tags
from etude.audio.render import write_sound
from etude.config.sections import Harmonize, Ingest, Mix, Settings
from etude.core.errors import EtudeError
from etude.core.files import whole
from etude.core.project import version_of_code
from etude.music.chords import MARKER
from etude.music.melody import find_melody
from etude.sampling.harmonies import HarmonyTask
from etude.scores.engraving import musicxml, picture
from etude.scores.midi import parse
from etude.tasks.capabilities import HARMONIZE, harmonizing_models, name_able
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.harmony import harmonize, place_on_grid, to_score
from etude.tasks.harmony_constraints import allowed_tokens
from etude.tasks.requests import HarmonizeFiles
from etude.tasks.score_files import check_files, read_score
from etude.tasks.trained_model import TrainedModel


def harmonize_file(settings: Settings, session: Session, files: HarmonizeFiles) -> list[Path]:
    """Harmonise a melody, and write the chorale as MIDI, as MusicXML and what else is requested: all files or none.

    Returns the files.

    Raises:
        EtudeError: a file is missing, in the way or no melody, what is requested cannot be, or no model is trained.
    """
    source, places = check_files(files)
    tune = None if files.tune is None else str(files.tune)
    score, _ = read_score(source, settings.ingest, session.progress, tune)
    if session.progress:
        _say_what_is_left(source, score, files)
    able = harmonizing_models(settings)
    if not able:
        raise EtudeError(
            f"model={','.join(settings.models)} cannot draw voices to a given one. "
            f"{name_able(settings, session, HARMONIZE)}"
        )
    harmonizer = Harmonizer.of(TrainedModel.load(settings, session, able[0]))
    made = harmonize_melody(
        harmonizer, score, str(source), files, settings.harmonize, settings.ingest, session.progress
    )
    tags = Tags(source.stem, f"etude {able[0]}", f"seed {settings.harmonize.seed}; {version_of_code()}")
    _write(*made, source, places, settings.mix, tags)
    return list(places.values())


def _say_what_is_left(source: Path, score: ScoreTick, files: HarmonizeFiles) -> None:
    """Say on standard error what of a given score is not used."""
    parts = [track.name for track in score.tracks if len(track.notes) and not track.is_drum]
    if len(parts) > 1 and not files.top_line:
        name = f" ({parts[0]})" if parts[0] else ""
        print(f"{source}: its first part{name} is the melody, {len(parts) - 1} more are not used", file=sys.stderr)
    if files.chords is None and any(marker.text.startswith(MARKER) for marker in score.markers):
        print(f"{source}: its chord symbols are not used; the harmony follows chords= alone", file=sys.stderr)


def harmonize_melody(
    harmonizer: Harmonizer,
    score: ScoreTick,
    name: str,
    files: HarmonizeFiles,
    config: Harmonize,
    limits: Ingest,
    show: bool = False,
) -> tuple[ScoreTick, TrackTick]:
    """Write the other voices to the melody of a piece: the chorale, and the melody as it was found.

    Args:
        harmonizer: the model.
        score: the first track with notes has the melody.
        name: of the piece, for messages.
        files: what is requested: ``top_line``, ``chords``, ``bass`` and ``fixed``.
        config: how the voices are drawn.
        limits: within which files are read.
        show: with a progress bar.

    Raises:
        EtudeError: there is no melody that fits the model, or what is requested cannot be.
    """
    representation = harmonizer.representation
    try:
        track = find_melody(score, files.top_line)
        melody = place_on_grid(representation, harmonizer.observed, score, track)
    except EtudeError as error:
        raise EtudeError(f"{name}: {error}") from None
    allowed = allowed_tokens(harmonizer, melody, score, files, limits)
    task = HarmonyTask(melody.piece, allowed, config, harmonizer.rngs(config), show)
    ((best, *_),) = harmonize(harmonizer.model, representation, [task])
    return to_score(best, representation, melody, score, track), track


def _write(
    chorale: ScoreTick, melody: TrackTick, source: Path, places: dict[str, Path], config: Mix, tags: Tags
) -> None:
    """Write all files or none. Raises EtudeError where MIDI cannot hold the melody note for note."""
    with ExitStack() as stack:
        part, *others = (stack.enter_context(whole(place)) for place in places.values())
        part.write_bytes(chorale.dumps_midi())
        if _notes(parse(part).tracks[0]) != _notes(melody):
            raise EtudeError(
                f"{source}: its melody cannot be written note for note as it is, as notes of one pitch overlap in it. "
                "End each before the next starts."
            )
        text = musicxml(chorale, source.stem)
        for kind, file in zip(list(places)[1:], others, strict=True):
            if kind == "score":
                file.write_text(text, encoding="utf-8")
            elif kind == "picture":
                file.write_text(picture(text), encoding="utf-8")
            else:
                write_sound(file, chorale, config, at_once=True, tags=tags)


def _notes(track: TrackTick) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for note in track.notes)
