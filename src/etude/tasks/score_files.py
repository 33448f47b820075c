"""Score files that somebody gives, and the files that are written for them: checked before any work, and read."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from symusic.core import ScoreTick

from etude.config.sections import Ingest, Reading
from etude.core import files as outputs
from etude.core.errors import EtudeError
from etude.core.project import given_path
from etude.music.stated_key import mark_c_major
from etude.scores.isolation import Lost, isolate
from etude.scores.midi import open_midi
from etude.scores.notation import piece_of
from etude.scores.readers import is_midi, is_notation, pieces_of, read, sheet_of
from etude.scores.reading import CHANGES
from etude.scores.written import Key
from etude.tasks.requests import ArrangeFiles, HarmonizeFiles

USAGE = "etude harmonize input=melody.mid output=chorale.mid"
TEMPO = 80  # BPM of a hymn
TICKS = 480  # a quarter note, of scores that have no ticks of their own
SHOWN = 60  # letters of a name that is too long
SOUNDS = (".mp3", ".wav", ".flac")
MIDI, MUSICXML = (".mid", ".midi"), (".musicxml", ".xml")  # endings of what is written


def require_score(key: str, name: str, usage: str = "") -> Path:
    """The path of a score file. Raises EtudeError where it is no file; ``usage`` is an example for the message."""
    path = given_path(name)
    _check_name(key, path)
    if path.is_dir():
        raise EtudeError(f"{key} = {path} is a folder. Give one file of it.")
    if not path.is_file():
        example = f", as in: {usage}" if usage else "."
        raise EtudeError(f"{key} = {path} is no file. Give a MIDI, MusicXML, ABC or Humdrum file{example}")
    return path


def read_score(
    path: Path, limits: Ingest, show: bool = False, part: str | None = None, tempo: float = TEMPO
) -> tuple[ScoreTick, dict[str, int]]:
    """A score file: MIDI as it is, other kinds at TICKS a quarter note; and what reading changed.

    Args:
        path: the file.
        limits: within which it is read, and whether repeats are played.
        show: say on standard error what was changed, in the words of ``etude.scores.reading.CHANGES``.
        part: which piece of a file that holds many; see ``etude.scores.readers.pieces_of``.
        tempo: in BPM, of a score that states none.

    Raises:
        EtudeError: it is empty, cannot be read within the limits of ``ingest``, or is too long.
    """
    if not path.stat().st_size:
        raise EtudeError(f"{path} is empty. Give a file with a melody.")
    (found,) = isolate(
        lambda file: _piece(file, part, limits.repeats, tempo), [path], limits.seconds, limits.max_memory
    )
    if isinstance(found, Lost):
        raise EtudeError(f"{path} cannot be read: {' '.join(found.reason.split()).rstrip('.')}.")
    score, changed = found
    if score.end() > 4 * limits.max_bars * score.ticks_per_quarter:
        raise EtudeError(f"{path} is longer than ingest.max_bars = {limits.max_bars} bars of 4/4. Give a shorter one.")
    if show and changed:
        said = "; ".join(f"{what}: {changed[name]}" for name, what in CHANGES.items() if name in changed)
        print(f"{path}: {said}", file=sys.stderr)
    return score, changed


def _piece(path: Path, part: str | None, repeats: str, tempo: float) -> tuple[ScoreTick, dict[str, int]]:
    if part is not None and not part.isdecimal():
        raise EtudeError(f"part = {part!r} is no number. The first piece of a file that holds many is '1'")
    if part is not None and [name for name, _ in pieces_of(path)] == [None]:
        if part != "1":
            raise EtudeError(f"it holds one piece, none with number {part}")
        part = None
    return read_part(path, part, repeats, tempo)


def read_part(path: Path, part: str | None, repeats: str, tempo: float) -> tuple[ScoreTick, dict[str, int]]:
    """A piece of a score file: MIDI as it is, other kinds at TICKS a quarter note; and what reading changed.

    Args:
        path: the file; it may be damaged, and reading it may hang: read in ``isolation``.
        part: as ``etude.scores.readers.pieces_of`` names it; None for the only one.
        repeats: ``played`` or ``written``.
        tempo: in BPM, of a score that states none.
    """
    if is_midi(path):
        source = open_midi(path, part)
        return source.score, source.counts
    reading = Reading(None, True, tempo, True, TICKS, None, None, repeats)
    if not is_notation(path):
        score, facts = read(path, part, reading)
        return score, cast(dict[str, int], facts["changed"])
    sheet = sheet_of(path, part)
    score, facts = piece_of(sheet, reading)
    stated = next((voice.keys[0].value for voice in sheet.parts if voice.keys), None)
    if stated == Key(0, "major"):
        mark_c_major(score)
    return score, cast(dict[str, int], facts["changed"])


def check_files(files: HarmonizeFiles | ArrangeFiles) -> tuple[Path, dict[str, Path]]:
    """The melody's file, and those that will be written: ``midi`` first, then ``score``, ``picture`` and ``sound``.

    Raises:
        EtudeError: a file is not named, is missing, has another ending, or is in the way.
    """
    usage = USAGE if isinstance(files, HarmonizeFiles) else "etude arrange input=melody.mid output=song.mid"
    for key, value in (("input", files.input), ("output", files.output)):
        if not value:
            raise EtudeError(f"{key} names no file. Give one, as in: {usage}")
    source, place = (
        require_score("input", str(files.input), usage),
        place_with_ending("output", files.output, MIDI + MUSICXML),
    )
    midi = place if place.suffix.lower() in MIDI else place.with_suffix(MIDI[0])
    score = place if place.suffix.lower() in MUSICXML else place.with_suffix(MUSICXML[0])
    places = {"midi": midi, "score": score}
    if files.picture:
        places["picture"] = place_with_ending("picture", files.picture, (".svg",))
    if files.sound:
        places["sound"] = place_with_ending("sound", files.sound, SOUNDS)
    others = (files.fixed, files.bass) if isinstance(files, HarmonizeFiles) else ()
    given = [given_path(name) for name in (files.input, *others) if name]
    for kind, made in places.items():
        check_place(kind if kind in ("picture", "sound") else "output", made, given, files.overwrite)
    return source, places


def place_with_ending(key: str, name: str | None, endings: Sequence[str]) -> Path:
    """The path of a file to write; ``key`` is what names it. Raises EtudeError where it has another ending."""
    place = given_path(str(name))
    if place.suffix.lower() not in endings:
        raise EtudeError(f"{key} = {place} must end in {' or '.join(endings)}.")
    return place


def check_place(key: str, made: Path, given: Iterable[Path], overwrite: bool) -> None:
    """Raise EtudeError where a file cannot be written, is one of those ``given``, or exists and must stay."""
    _check_name(key, made, outputs.aside(made, "part").name if made.name else "")
    if made.is_dir():
        raise EtudeError(f"{key} = {made} is a folder. Name a file in it.")
    if not made.parent.is_dir():
        raise EtudeError(f"{key} = {made}: the folder {made.parent} does not exist. Make it, or name another.")
    if made.exists() and any(made.samefile(file) for file in given if file.is_file()):
        raise EtudeError(f"{key}: {made} is a file that you give. Name another file to write.")
    if os.path.lexists(made) and not overwrite:  # a link that leads nowhere, too
        raise EtudeError(f"{key}: {made} exists. Name another file, or replace it with overwrite=true.")


def _check_name(key: str, path: Path, longer: str = "") -> None:
    """Raise EtudeError where the system takes no such name, as one of 300 letters; ``longer`` is in its folder, too."""
    try:
        for one in (path, path.with_name(longer)) if longer else (path,):
            with suppress(FileNotFoundError, NotADirectoryError):
                one.lstat()
    except OSError as error:
        reason = str(error.strerror or error).lower()
        shown = path if len(path.name) < SHOWN else path.with_name(f"{path.name[:SHOWN]}…")
        raise EtudeError(f"{key} = {shown}: {reason}. Name another file.") from None
    except ValueError as error:  # a zero byte
        raise EtudeError(f"{key} = {str(path)!r}: {error}. Name another file.") from None
