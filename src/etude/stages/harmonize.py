"""Stage harmonize: a melody as MIDI in, the same melody with the voices of a chorale below it out."""

from pathlib import Path

from symusic.core import ScoreTick

from etude import models, representations
from etude.encoding.store import Store
from etude.errors import EtudeError
from etude.outputs import read_json, whole
from etude.sampling.harmony import harmonize, melody
from etude.scores.midi import parse
from etude.session import Session
from etude.settings import Settings, target

USAGE = "etude harmonize input=melody.mid output=chorale.mid"


def run(settings: Settings, session: Session, input: str | None, output: str | None, overwrite: bool = False) -> Path:
    """Read the melody in the file ``input`` and models/V; write the chorale to ``output``, whole or not at all.

    Returns ``output``.

    Raises:
        EtudeError: a file is missing, in the way or no melody, or there is no trained model.
    """
    source, place = _files(input, output, overwrite)
    variant = _variant(settings)
    score = _read(source, settings.ingest.max_bars)
    trained_by = f"etude train model={variant}"
    folder = session.read(f"models/{variant}", trained_by)
    name = read_json(folder / "settings.json", trained_by)["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    models.set_threads(settings.trainer.threads)
    representation = representations.load(store)
    model = models.load(settings, variant, folder, store, representation)
    try:
        made = harmonize(model, representation, score, settings.generate, session.progress)
    except EtudeError as error:
        raise EtudeError(f"{source}: {error}") from None
    with whole(place) as part:
        made.dump_midi(part)
        if _notes(parse(part).tracks[0]) != _notes(melody(score)):
            raise EtudeError(
                f"{source}: its melody cannot be written note for note as it is, as notes of one pitch overlap in it. "
                "End each before the next begins."
            )
    return place


def _files(input: str | None, output: str | None, overwrite: bool) -> tuple[Path, Path]:
    """The files that are named, checked as far as can be before any work."""
    for key, value in (("input", input), ("output", output)):
        if not value:
            raise EtudeError(f"{key} names no file. Say it as in: {USAGE}")
    source, place = Path(str(input)).expanduser(), Path(str(output)).expanduser()
    if not source.is_file():
        raise EtudeError(f"input = {source} is no file. Give a MIDI file, as in: {USAGE}")
    if not place.parent.is_dir():
        raise EtudeError(f"output = {place}: the folder {place.parent} does not exist. Make it, or name another.")
    if place.is_dir():
        raise EtudeError(f"output = {place} is a folder. Name a file in it.")
    if place.exists() and source.samefile(place):
        raise EtudeError(f"output = {place} is the input itself. Name another file.")
    if place.exists() and not overwrite:
        raise EtudeError(f"output = {place} exists. Name another file, or replace it with overwrite=true.")
    return source, place


def _variant(settings: Settings) -> str:
    """The first of the variants that can draw some voices given others."""
    for variant, section in settings.models.items():
        if target(section, f"models.{variant}").sampler == "gibbs":
            return variant
    raise EtudeError(
        f"model={','.join(settings.models)}: no voices can be drawn to a given one with that. Use model=deepbach."
    )


def _read(source: Path, max_bars: int) -> ScoreTick:
    if not source.stat().st_size:
        raise EtudeError(f"{source} is empty. Give a MIDI file with a melody.")
    try:
        score = parse(source)
    except (EtudeError, OSError, RuntimeError, ValueError) as error:
        raise EtudeError(f"{source} cannot be read as MIDI: {' '.join(str(error).split())}") from None
    if score.end() > 4 * max_bars * score.ticks_per_quarter:
        raise EtudeError(f"{source} is longer than ingest.max_bars = {max_bars} bars of 4/4. Give a shorter melody.")
    return score


def _notes(track: object) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for note in track.notes)  # type: ignore[attr-defined]
