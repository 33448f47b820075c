"""Tracks that somebody gives to be mixed, scores and sounds: named, checked, and read as stereo at one rate."""

import difflib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.audio.controllers import as_stated
from etude.audio.damage import explain, missing, quiet
from etude.audio.mixing import Channel
from etude.audio.resampling import resample, to_stereo
from etude.audio.synthesis import TAIL, soundfont, synthesize, track_names
from etude.config.check import check
from etude.config.sections import Decibels, Mix, Place, Settings
from etude.core.errors import EtudeError, closest
from etude.core.project import given_path
from etude.music.seconds import seconds_at
from etude.scores.readers import SCORES
from etude.tasks.requests import MixFiles
from etude.tasks.score_files import read_score
from etude.tasks.typed_lists import read_list, read_mapping

USAGE = "etude mix tracks='[melody.mid,bass.wav,drums.wav]' output=final.mp3"
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64")
LONGEST = 30 * 60  # seconds of a track, and of a mix
SLOWEST, FASTEST = 1000, 768000  # samples a second of a file
SILENT = 1e-5  # level (-100 dBFS) that nobody hears
LOUDEST = 100.0  # level (40 dBFS) beyond which a file is damaged, or no sound
LOST = 0.01  # seconds of a file that is cut off, that nobody misses
CLIPPED = 0.9999  # level that clipped samples have
RUN = 3  # clipped samples in a row; a single one may be a peak


@dataclass(frozen=True)
class Track:
    """A given track: its file, the name that it goes by, where it starts, and how it goes into the mix."""

    path: Path
    name: str
    channel: Channel
    offset: float = 0.0  # seconds
    loop: bool = False


@dataclass(frozen=True)
class Sound:
    """A track as sound, (2, samples) from its own start, and after how many samples it repeats where it does."""

    audio: NDArray[np.float32]
    period: int


def find_tracks(request: MixFiles, settings: Mix) -> list[Track]:
    """The tracks that a request names, in its order, or those of a folder in the order of their names.

    Raises:
        EtudeError: a file is missing, empty, or of no known format; a key names no track, or has a wrong value.
    """
    files = _files(str(request.tracks or ""))
    names = _names(files)
    values: dict[str, list[Any]] = {}
    kinds = {"gain": Decibels, "pan": Place, "send": Decibels, "offset": float, "loop": bool}
    for key, kind in kinds.items():
        values[key] = _values_of(key, getattr(request, key), kind, files, names)
    default = Channel.of("", replace(settings, gain={}, pan={}))
    tracks = []
    for place, (file, name) in enumerate(zip(files, names, strict=True)):
        own = {key: found[place] for key, found in values.items()}
        channel = Channel(*(getattr(default, key) if own[key] is None else own[key] for key in ("gain", "pan", "send")))
        offset = own["offset"] or 0.0
        if not 0 <= offset <= LONGEST:
            raise EtudeError(f"offset.{name} = {offset:g} must be seconds from 0 to {LONGEST}.")
        tracks.append(Track(file, name, channel, offset, bool(own["loop"])))
    return tracks


def _files(text: str) -> list[Path]:
    if not text.strip():
        raise EtudeError(f"tracks names no file. Give some, as in: {USAGE}")
    whole = given_path(text)
    if len(text) < 4096 and whole.is_dir():
        files = sorted(file for file in whole.iterdir() if file.suffix.lower() in (*SCORES, *SOUNDS))
        if not files:
            raise EtudeError(f"tracks = {whole} holds no score and no sound. Files that end in {_known()} are read.")
    elif len(text) < 4096 and whole.is_file():
        files = [whole]  # also where its name has commas
    else:
        files = [given_path(name) for name in read_list("tracks", text)]
    if not files:
        raise EtudeError(f"tracks names no file. Give some, as in: {USAGE}")
    for file in files:
        if file.is_dir():
            raise EtudeError(f"tracks: {file} is a folder. Give its files, or the folder alone: tracks={file}")
        if not file.is_file():
            raise EtudeError(f"tracks: {file} does not exist.{_near(file)}")
        if not file.stat().st_size:
            raise EtudeError(f"tracks: {file} is empty. Export it again, or leave it out.")
    return files


def _near(file: Path) -> str:
    """A hint with a file of the same folder whose name is alike."""
    there = sorted(one.name for one in file.parent.iterdir()) if file.parent.is_dir() else []
    near = difflib.get_close_matches(file.name, there, n=1, cutoff=0.6)
    return f" Did you mean {file.with_name(near[0])}?" if near else " Names with commas stand in quotes."


def _known() -> str:
    return " ".join((*SCORES, *SOUNDS))


def _names(files: Sequence[Path]) -> list[str]:
    """A name for each track: its file's, without the ending unless two differ in that, numbered where it repeats."""
    stems = [file.stem for file in files]
    first = [
        file.name if any(other.stem == file.stem and other != file for other in files) else stem
        for file, stem in zip(files, stems, strict=True)
    ]
    names: list[str] = []
    for name in first:
        again, free = 1, name
        while free in names:
            again += 1
            free = f"{name} {again}"
        names.append(free)
    return names


def _values_of(key: str, text: str | None, kind: Any, files: Sequence[Path], names: Sequence[str]) -> list[Any]:
    """The value of each track, None where it has none; a track goes by its name, its file's name, or its path."""
    found: list[Any] = [None] * len(files)
    for given, value in read_mapping(key, text or "").items():
        checked = check(_plain(value), kind, f"{key}.{given}")
        meant = [place for place, name in enumerate(names) if name == given]
        meant = meant or [
            place
            for place, file in enumerate(files)
            if given in (file.name, file.stem, str(file)) or given_path(given) == file
        ]
        if not meant:
            raise EtudeError(f'{key} names "{given}", which is no track. {closest(given, names)}')
        for place in meant:
            found[place] = checked
    return found


def _plain(value: str) -> object:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        number = float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def read_track(
    track: Track, settings: Settings, rate: int, show: bool, given: Mapping[str, Any] | None = None
) -> Sound:
    """A track as stereo sound, at a rate.

    The tracks of a MIDI file have the volume and the pan that it states.

    Args:
        track: the track.
        settings: ``mix``, and ``ingest`` with the limits of reading.
        rate: samples a second.
        show: whether is said what reading changed.
        given: keys of the section ``mix`` that somebody has set, which hold in place of what a MIDI file states.

    Raises:
        EtudeError: it cannot be read, lasts longer than half an hour, or holds what is no number or beyond 40 dBFS.
    """
    if track.path.suffix.lower() in SCORES:
        return _read_score(track, settings, rate, show, given or {})
    return read_sound(track.path, rate, warn=bool(track.name))


def _read_score(track: Track, settings: Settings, rate: int, show: bool, given: Mapping[str, Any]) -> Sound:
    score, _ = read_score(track.path, settings.ingest, show)
    if not score.note_num():
        return Sound(np.zeros((2, rate), np.float32), rate)
    end, bar_end = map(float, seconds_at(score, [score.end(), _end_of_bar(score)]))
    _require_length("tracks", track.path, end + TAIL)
    mix = as_stated(score, settings.mix, given)
    stems = synthesize(score, rate, soundfont(mix.soundfont))
    total = np.zeros(next(iter(stems.values())).shape, np.float32)
    for name in track_names(score):
        total += replace(Channel.of(name, mix), send=0.0).place(stems[name])
    return Sound(total, round(bar_end * rate))


def _end_of_bar(score: ScoreTick) -> int:
    """The first bar line at or after the end of a score, by the last time signature (4/4 where there is none)."""
    signs = list(score.time_signatures)
    start, top, bottom = (signs[-1].time, signs[-1].numerator, signs[-1].denominator) if signs else (0, 4, 4)
    bar = max(1, round(4 * score.ticks_per_quarter * top / bottom))
    return int(start + math.ceil((score.end() - start) / bar) * bar)


def read_sound(path: Path, rate: int, key: str = "tracks", warn: bool = True) -> Sound:
    """A sound file as stereo, at a rate.

    Args:
        path: the file.
        rate: samples a second.
        key: the setting that names it, for messages.
        warn: say on standard error where it is cut off or clipped.

    Raises:
        EtudeError: as ``read_track``.
    """
    try:
        with quiet():
            info = soundfile.info(path)
        if not SLOWEST <= info.samplerate <= FASTEST:
            raise EtudeError(
                f"{key}: {path} says {info.samplerate} samples a second, and {SLOWEST} to {FASTEST} can be mixed. "
                "Export it again at a usual rate, as 44100."
            )
        _require_length(key, path, info.frames / info.samplerate)
        with quiet():
            audio, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, RuntimeError, TypeError, ValueError, MemoryError):
        if path.suffix.lower() not in SOUNDS:
            raise EtudeError(
                f"{key}: {path} is neither a score nor a sound that etude reads. Give a file that ends in {_known()}."
            ) from None
        raise EtudeError(f"{key}: {path} {explain(path)}. Export it again, as WAV or FLAC.") from None
    if not len(audio):
        raise EtudeError(f"{key}: {path} holds no samples. Export it again, or leave it out.")
    _require_levels(key, path, audio)
    if warn:
        seconds = len(audio) / own_rate
        promised = seconds / (1 - min(0.999, missing(path, info.frames, len(audio))))
        if promised - seconds > LOST:
            print(
                f"{path} is cut off: it has {seconds:.2f} of the {promised:.2f} seconds that its header promises. "
                "Copy or export it again, if its end is missing",
                file=sys.stderr,
            )
        if count := clipped(audio.T):
            print(f"{path}: {count} samples are clipped; it stays distorted however soft it is mixed", file=sys.stderr)
    found = resample(to_stereo(audio.T), own_rate, rate)
    return Sound(found, found.shape[1])


def _require_levels(key: str, path: Path, audio: NDArray[np.float32]) -> None:
    """Raise EtudeError where samples (samples, channels) are no numbers, or such as no sound has."""
    if not np.isfinite(audio).all():
        wrong = int((~np.isfinite(audio)).sum())
        raise EtudeError(
            f"{key}: {path} has {wrong} sample{'s that are no numbers' if wrong > 1 else ' that is no number'} "
            "(NaN or infinite). Export it again."
        )
    if (top := float(np.abs(audio).max())) > LOUDEST:
        wrong = int((np.abs(audio) > LOUDEST).sum())
        raise EtudeError(
            f"{key}: {path} has {wrong} sample{'s' if wrong > 1 else ''} far beyond full scale, up to {top:.3g} where "
            "1 is full scale. Export it again, with samples from -1 to 1."
        )


def clipped(audio: np.ndarray) -> int:
    """How many samples (channels, samples) lie at full scale, three or more in a row."""
    top = float(np.abs(audio).max(initial=0.0))
    if not CLIPPED <= top <= 1.0:  # a float file that is louder is not cut
        return 0
    total = 0
    for channel in audio:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], np.abs(channel) >= CLIPPED, [0]]).astype(np.int8)))
        lengths = edges[1::2] - edges[::2]
        total += int(lengths[lengths >= RUN].sum())
    return total


def _require_length(key: str, path: Path, seconds: float) -> None:
    if seconds > LONGEST:
        raise EtudeError(
            f"{key}: {path} lasts {seconds / 60:.1f} minutes, and {LONGEST // 60} can be mixed. Give part of it."
        )


def repeat(sound: Sound, samples: int) -> NDArray[np.float32]:
    """A sound that starts again after each period, until ``samples``: (2, samples). A score's releases sound on."""
    found = np.zeros((2, samples), np.float32)
    for start in range(0, samples, max(1, sound.period)):
        part = sound.audio[:, : samples - start]
        found[:, start : start + part.shape[1]] += part
    return found
