"""A melody that somebody brings: read, harmonised as they want it, written as MIDI and as a score."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.artifacts.context import Session
from etude.config.sections import Reading, Settings
from etude.core.errors import EtudeError
from etude.core.files import whole
from etude.music.key import Mode
from etude.representations.base.grid import FIRST, REST
from etude.representations.base.survey import DRUMS
from etude.sampling.constraints import keep_to_chords, keeping, read_chords
from etude.scores import is_midi, read
from etude.scores.engraving import musicxml, picture
from etude.scores.isolation import Lost, isolated
from etude.scores.midi import parse
from etude.tasks.harmonizer import Harmonizer, load, model_names
from etude.tasks.harmony import Posed, harmonies, on_grid, pose, written
from etude.tasks.melody import melody

USAGE = "etude harmonize input=melody.mid output=chorale.mid"
TICKS = 480  # a quarter, of scores that have no ticks of their own
MIDI, MUSICXML = (".mid", ".midi"), (".musicxml", ".xml")  # endings of what is written


@dataclass(frozen=True)
class Files:
    """What somebody brings, and what they want of it."""

    input: str | None = None
    output: str | None = None
    overwrite: bool = False
    top_line: bool = False  # take the highest notes of a melody that has several at a time
    fixed: str | None = None  # a MIDI file whose tracks are named as voices; their notes are kept
    bass: str | None = None  # a MIDI file with the lowest voice
    chords: str | None = None  # symbols, bar by bar
    picture: str | None = None  # an SVG file of the score that is written too
    sound: str | None = None  # an mp3 file that is written too


def harmonize_file(settings: Settings, session: Session, files: Files) -> list[Path]:
    """Read the melody, and write the chorale as MIDI, as MusicXML beside it, and what else is wanted: all or nothing.

    Returns the files.

    Raises:
        EtudeError: a file is missing, in the way or no melody, what is wanted cannot be, or there is no trained model.
    """
    source, places = _places(files)
    score = read_score(source, settings)
    model_name = _variant(settings)
    harmonizer = load(settings, session, model_name)
    representation, config = harmonizer.representation, settings.harmonize
    try:
        track = melody(score, files.top_line)
        posed = pose(representation, harmonizer.observed, score, track)
    except EtudeError as error:
        raise EtudeError(f"{source}: {error}") from None
    allowed = wanted(harmonizer, posed, score, files, settings)
    found = harmonies(
        harmonizer.model, representation, posed.piece, allowed, config, harmonizer.rng(config), session.progress
    )
    made = written(found[0], representation, posed, score, track)
    with ExitStack() as stack:  # all files or none
        part, *others = (stack.enter_context(whole(place)) for place in places.values())
        made.dump_midi(part)
        if _notes(parse(part).tracks[0]) != _notes(track):
            raise EtudeError(
                f"{source}: its melody cannot be written note for note as it is, as notes of one pitch overlap in it. "
                "End each before the next begins."
            )
        text = musicxml(made, source.stem)
        for kind, file in zip(list(places)[1:], others, strict=True):
            if kind == "score":
                file.write_text(text, encoding="utf-8")
            elif kind == "picture":
                file.write_text(picture(text), encoding="utf-8")
            else:
                write_sound(made, file, settings)
    return list(places.values())


def write_sound(score: ScoreTick, file: Path, settings: Settings) -> None:
    """The piece as mp3, mixed as the settings of the stage arrange say."""
    from etude.audio.mp3 import write_mp3
    from etude.report.sample import sound_of

    config = settings.arrange
    write_mp3(file, sound_of(score, config), config.sample_rate, config.quality)


def wanted(
    harmonizer: Harmonizer, posed: Posed, score: ScoreTick, files: Files, settings: Settings
) -> NDArray[np.bool_]:
    """The tokens that each cell may have (frames, voices, V), given the melody and all else that is wanted.

    Raises:
        EtudeError: a file or a chord cannot be read, or what is wanted cannot be.
    """
    representation = harmonizer.representation
    names = list(representation.voices)
    grid, given = posed.grid.copy(), np.zeros(posed.grid.shape, dtype=bool)
    given[:, 0] = True
    if files.bass:
        line = read_score(_file("bass", files.bass), settings)
        try:
            track = melody(line)
        except EtudeError as error:
            raise EtudeError(f"bass = {files.bass}: {error}") from None
        cells = _cells(harmonizer, {names[-1]: track}, posed, f"bass = {files.bass}", line.ticks_per_quarter)
        grid[:, -1], given[:, -1] = cells[:, -1], True
    if files.fixed:
        parts = read_score(_file("fixed", files.fixed), settings)
        tracks = {part.name.strip(): part for part in parts.tracks if len(part.notes)}
        unknown = [name for name in tracks if name not in names[1:]]
        if unknown or not tracks:
            raise EtudeError(
                f"fixed = {files.fixed}: its tracks with notes are {', '.join(map(repr, tracks)) or 'none'}. Name them "
                f"as the voices: {', '.join(names[1:])}."
            )
        cells = _cells(harmonizer, tracks, posed, f"fixed = {files.fixed}", parts.ticks_per_quarter)
        kept = cells != REST
        grid[kept], given = cells[kept], given | kept
    allowed = keeping(grid, given, harmonizer.observed)
    if files.chords:
        chords = read_chords(files.chords, score, _key(posed), representation.steps)
        moved = [chord.moved(posed.shift) for chord in chords]
        allowed = keep_to_chords(allowed, given, moved, representation.low)
    return allowed


def _key(posed: Posed) -> tuple[int, Mode]:
    """The tonic and mode of the key in which the melody begins, where it came from."""
    key = posed.piece.key_signatures[0]
    tonic = key.key * 7 + (9 if key.tonality else 0) - posed.shift
    return tonic % 12, "minor" if key.tonality else "major"


def _cells(
    harmonizer: Harmonizer, parts: Mapping[str, TrackTick], posed: Posed, where: str, quarter: int
) -> NDArray[np.int64]:
    """Given parts on the grid of the melody, transposed with it: (frames, voices), rests where nothing is given."""
    representation = harmonizer.representation
    piece = ScoreTick(quarter)
    for place, (name, program) in enumerate(representation.voices.items()):
        track = TrackTick(name, max(program, 0), program == DRUMS)
        for note in parts[name].notes if name in parts else ():
            token = note.pitch + posed.shift - representation.low + FIRST
            known = np.flatnonzero(harmonizer.observed[place, FIRST:]) + FIRST
            if not known.min() <= token <= known.max():
                low, high = (int(end) - FIRST + representation.low - posed.shift for end in (known.min(), known.max()))
                raise EtudeError(
                    f"{where}: its note {note.pitch} of {name} lies outside {low} to {high}, the range in which the "
                    "model has heard that voice under such a melody."
                )
            track.notes.append(NoteTick(note.time, note.duration, note.pitch + posed.shift, note.velocity))
        piece.tracks.append(track)
    cells = on_grid(representation, piece)[: len(posed.grid)]
    rests = np.full((len(posed.grid) - len(cells), cells.shape[1]), REST)
    return np.concatenate([cells, rests])


def _places(files: Files) -> tuple[Path, dict[str, Path]]:
    """The melody's file, and those that will be written, ``midi`` first, checked as far as can be before any work."""
    for key, value in (("input", files.input), ("output", files.output)):
        if not value:
            raise EtudeError(f"{key} names no file. Say it as in: {USAGE}")
    source, place = _file("input", str(files.input)), _ends("output", str(files.output), *MIDI, *MUSICXML)
    midi = place if place.suffix.lower() in MIDI else place.with_suffix(MIDI[0])
    score = place if place.suffix.lower() in MUSICXML else place.with_suffix(MUSICXML[0])
    places = {"midi": midi, "score": score}
    if files.picture:
        places["picture"] = _ends("picture", files.picture, ".svg")
    if files.sound:
        places["sound"] = _ends("sound", files.sound, ".mp3")
    for kind, made in places.items():
        key = kind if kind in ("picture", "sound") else "output"
        if made.is_dir():
            raise EtudeError(f"{key} = {made} is a folder. Name a file in it.")
        if not made.parent.is_dir():
            raise EtudeError(f"{key} = {made}: the folder {made.parent} does not exist. Make it, or name another.")
        if made.exists() and any(made.samefile(_file("input", name)) for name in _brought(files)):
            raise EtudeError(f"{key}: {made} is what you bring. Name another file to write.")
        if made.exists() and not files.overwrite:
            raise EtudeError(f"{key}: {made} exists. Name another file, or replace it with overwrite=true.")
    return source, places


def _brought(files: Files) -> list[str]:
    return [name for name in (files.input, files.fixed, files.bass) if name and Path(name).expanduser().is_file()]


def _ends(key: str, name: str, *endings: str) -> Path:
    place = Path(name).expanduser()
    if place.suffix.lower() not in endings:
        raise EtudeError(f"{key} = {place} must end in {' or '.join(endings)}.")
    return place


def _file(key: str, name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise EtudeError(f"{key} = {path} is no file. Give a MIDI, MusicXML or ABC file, as in: {USAGE}")
    return path


def read_score(path: Path, settings: Settings) -> ScoreTick:
    """A score file: of MIDI as it is, of other kinds at TICKS a quarter."""
    if not path.stat().st_size:
        raise EtudeError(f"{path} is empty. Give a file with a melody.")
    limits = settings.ingest
    try:
        if is_midi(path):
            score = parse(path)
        else:
            reading = Reading(None, True, 80, True, TICKS, None, None)
            (found,) = isolated(lambda file: read(file, None, reading)[0], [path], limits.seconds, limits.max_memory)
            if isinstance(found, Lost):
                raise EtudeError(found.reason)
            score = found
    except (EtudeError, OSError, RuntimeError, ValueError) as error:
        raise EtudeError(f"{path} cannot be read: {' '.join(str(error).split()).rstrip('.')}.") from None
    if score.end() > 4 * limits.max_bars * score.ticks_per_quarter:
        raise EtudeError(f"{path} is longer than ingest.max_bars = {limits.max_bars} bars of 4/4. Give a shorter one.")
    return score


def _variant(settings: Settings) -> str:
    """The first of the variants that can draw voices to given ones."""
    able = model_names(settings)
    if not able:
        raise EtudeError(
            f"model={','.join(settings.models)}: no voices can be drawn to a given one with that. Use model=deepbach, "
            "model=voices, or another variant on the voice grid, as with models.transformer.representation=voicegrid."
        )
    return able[0]


def _notes(track: TrackTick) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for note in track.notes)
