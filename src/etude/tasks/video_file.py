"""A score file of somebody's own as a video with its sound: ``etude video``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etude.artifacts.context import Session
from etude.audio.controllers import as_stated
from etude.audio.files import Tags
from etude.config.sections import Ingest, Settings
from etude.core.errors import EtudeError
from etude.core.project import given_path, version_of_code
from etude.scores.isolation import Lost, isolate
from etude.scores.titles import title_and_composer
from etude.tasks.given_tracks import read_sound
from etude.tasks.requests import VideoFile
from etude.tasks.score_files import check_place, place_with_ending, read_score, require_score
from etude.video.encode import ENDINGS, RATE
from etude.video.film import Words
from etude.video.piece import Shooting, length_of, shoot
from etude.video.sound import Sound, end_of_sound, sound_of

USAGE = "etude video input=song.mid output=song.mp4"
TEMPO = 120  # BPM of a score that states none


@dataclass(frozen=True)
class Filmed:
    """What was written: seconds, frames a second, and pixels."""

    place: Path
    seconds: float
    how: Shooting

    def __str__(self) -> str:
        """As the end of a sentence."""
        minutes, seconds = divmod(round(self.seconds), 60)
        size = self.place.stat().st_size / 1e6
        picture = f"{self.how.width}x{self.how.height} at {self.how.fps} frames a second"
        return f"wrote {self.place} ({minutes}:{seconds:02d}, {picture}, {size:.1f} MB)"


def video_file(
    settings: Settings, session: Session, request: VideoFile, given: Mapping[str, Any] | None = None
) -> Filmed:
    """Write a piece as a video, whole or not at all.

    Args:
        settings: ``mix``, and ``ingest`` with the limits of reading.
        session: whether progress is shown.
        request: the piece, what is shown, and where it is written.
        given: keys of the section ``mix`` that somebody has set, which hold in place of what a MIDI file states.

    Raises:
        EtudeError: a file is missing, damaged, too long or in the way, a key has a wrong value, there is nothing to
            show, or the disk is full.
    """
    for key, value in (("input", request.input), ("output", request.output)):
        if not value:
            raise EtudeError(f"{key} names no file. Give one, as in: {USAGE}")
    source = require_score("input", str(request.input), USAGE)
    place = place_with_ending("output", request.output, ENDINGS)
    sound = given_path(request.sound) if request.sound else None
    check_place("output", place, [source, *([sound] if sound else [])], request.overwrite)
    how = _how(request)
    tune = None if request.tune is None else str(request.tune)
    score, _ = read_score(source, settings.ingest, session.progress, tune, TEMPO)
    mix = as_stated(score, settings.mix, given or {})
    audio = None if sound is None else _read(sound)
    sounding = end_of_sound(score, mix) if audio is None else audio.shape[1] / RATE
    try:
        length_of(score, sounding, how)
    except EtudeError as error:
        raise EtudeError(f"input = {source}: {error}") from None
    if audio is None:
        heard = sound_of(score, mix, how.start, how.seconds)
        made_of = f"{source.name}; {mix.loudness:g} LUFS; reverb seed {mix.reverb.seed}"
    else:
        heard = Sound(audio, RATE)
        made_of = f"{source.name}; {Path(str(request.sound)).name}"
    stated = _stated(source, tune, settings.ingest)
    title = (stated[0] or source.stem) if request.title is None else request.title
    composer = stated[1] if request.composer is None else request.composer
    tags = Tags(title, composer or "etude video", f"{made_of}; {version_of_code()}")
    words = Words(title, composer)
    try:
        seconds = shoot(place, score, heard.audio, heard.rate, how, words, tags, session.progress, since=heard.since)
    except EtudeError as error:
        text = str(error)
        raise EtudeError(f"input = {source}: {text}" if text.startswith("it ") else text) from None
    return Filmed(place, seconds, how)


def _stated(source: Path, tune: str | None, limits: Ingest) -> tuple[str, str]:
    """The title and the composer that a file states, each "" where it does not."""
    (found,) = isolate(lambda file: title_and_composer(file, tune), [source], limits.seconds, limits.max_memory)
    return ("", "") if isinstance(found, Lost) else found


def _how(request: VideoFile) -> Shooting:
    """What is shown. Raises EtudeError where H.264 cannot have the size."""
    for key in ("width", "height"):
        if (value := getattr(request, key)) % 2:
            raise EtudeError(
                f"{key} = {value} must be even, as {value - 1} or {value + 1}: video has colours by pairs."
            )
    keys = ("view", "colours", "width", "height", "fps", "start", "seconds")
    return Shooting(**{key: getattr(request, key) for key in keys})


def _read(sound: Path) -> np.ndarray:
    if sound.is_dir():
        raise EtudeError(f"sound = {sound} is a folder. Give one file of it.")
    if not sound.is_file():
        raise EtudeError(f"sound = {sound} is no file. Give a finished mix, as WAV, FLAC or mp3.")
    return read_sound(sound, RATE, "sound").audio
