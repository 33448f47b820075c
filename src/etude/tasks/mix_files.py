"""Tracks of somebody's own, scores and sounds, mixed into one sound file: ``etude mix``."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.artifacts.context import Session
from etude.audio.fades import fade_out
from etude.audio.files import ENDINGS, RATES, Tags, file_names, write_audio
from etude.audio.loudness import decibels, loudness_of, true_peak_of
from etude.audio.mixing import NONE, Desk
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import whole
from etude.core.progress import bar
from etude.core.project import given_path, version_of_code
from etude.tasks.given_tracks import LONGEST, SILENT, USAGE, Sound, Track, find_tracks, read_track, repeat
from etude.tasks.requests import MixFiles
from etude.tasks.score_files import check_place, place_with_ending

CUT = 0.01  # seconds in which a loop fades where the mix ends


@dataclass(frozen=True)
class Mixed:
    """What was written, and what was measured of it: seconds, LUFS, dBTP."""

    places: list[Path]
    seconds: float
    loudness: float
    peak: float

    def __str__(self) -> str:
        """As the end of a sentence."""
        minutes, seconds = divmod(round(self.seconds), 60)
        where = " and ".join(map(str, self.places))
        return f"wrote {where} ({minutes}:{seconds:02d}, {self.loudness:.1f} LUFS, {self.peak:.1f} dBTP)"


def mix_files(settings: Settings, session: Session, request: MixFiles, given: Mapping[str, Any] | None = None) -> Mixed:
    """Mix tracks, and write the mix and, where asked for, each track as it sounds in it: all files or none.

    The tracks are in memory: some 21 MB for a minute of each at 44100 Hz.

    Args:
        settings: ``mix``, and ``ingest`` with the limits of reading.
        session: whether progress is shown.
        request: the tracks, what of each is set, and what is written.
        given: keys of the section ``mix`` that somebody has set, which hold in place of what a MIDI file states.

    Raises:
        EtudeError: a file is missing, damaged, too long or in the way, a key names no track or has a wrong value, all
            tracks are silent, or the disk is full.
    """
    tracks = find_tracks(request, settings.mix)
    if not request.output:
        raise EtudeError(f"output names no file. Give one, as in: {USAGE}")
    output = place_with_ending("output", request.output, ENDINGS)
    check_place("output", output, [track.path for track in tracks], request.overwrite)
    stems = _stems_place(request, tracks)
    rate = settings.mix.sample_rate
    if output.suffix.lower() == ".mp3" and rate not in RATES:
        raise EtudeError(
            f"sample_rate = {rate} is none of mp3's {', '.join(map(str, RATES))}. Choose one, or write .wav."
        )
    sounds = []
    with bar("reading tracks", len(tracks), session.progress and len(tracks) > 1) as advance:
        for done, track in enumerate(tracks, start=1):
            sounds.append(read_track(track, settings, rate, session.progress, given))
            advance(done, track.name)
    _name_silent(tracks, sounds)
    ready = place_tracks(tracks, sounds, rate)
    end = max(audio.shape[1] for audio in ready)
    if settings.mix.fade_out == 0 and any(track.channel.send > NONE for track in tracks):
        end += round(settings.mix.reverb.seconds * rate)  # the room sounds on
    desk = Desk(end, settings.mix)
    for track, audio in zip(tracks, ready, strict=True):
        desk.add(audio, track.channel)
    mix = desk.finish()
    title = request.title or output.stem
    comment = _comment(tracks, settings)
    with ExitStack() as stack:
        part = stack.enter_context(whole(output))
        folder = stack.enter_context(whole(stems)) if stems else None
        if folder is not None:
            _write_stems(folder, desk, tracks, ready, settings, comment, session.progress)
        write_audio(part, mix, rate, settings.mix.quality, Tags(title, "etude mix", comment))
    places = [output, *([stems] if stems else [])]
    return Mixed(places, mix.shape[1] / rate, loudness_of(mix, rate), true_peak_of(mix, rate))


def _stems_place(request: MixFiles, tracks: list[Track]) -> Path | None:
    if not request.stems:
        return None
    place = given_path(request.stems)
    if place.exists() and not place.is_dir():
        raise EtudeError(f"stems = {place} is a file. Name a folder, which is made for the tracks.")
    if not place.resolve().parent.is_dir():
        raise EtudeError(f"stems = {place}: the folder {place.parent} does not exist. Make it, or name another.")
    inside = [track.path for track in tracks if place.resolve() in track.path.resolve().parents]
    if inside or place.resolve() in given_path(str(request.output)).resolve().parents:
        raise EtudeError(f"stems = {place} holds {inside[0] if inside else 'the output'}. Name a folder of its own.")
    if place.is_dir() and any(place.iterdir()):
        others = [file for file in place.iterdir() if file.suffix != ".wav"]
        if others:
            raise EtudeError(f"stems = {place} holds other files, as {others[0].name}. Name a folder of its own.")
        if not request.overwrite:
            raise EtudeError(f"stems = {place} exists. Name another folder, or replace it with overwrite=true.")
    return place


def _name_silent(tracks: list[Track], sounds: list[Sound]) -> None:
    """Name tracks that nobody hears on standard error. Raises EtudeError where nothing is heard."""
    silent = [
        track.name
        for track, sound in zip(tracks, sounds, strict=True)
        if track.channel.gain <= NONE or not np.abs(sound.audio).max(initial=0.0) > SILENT
    ]
    if len(silent) == len(tracks):
        raise EtudeError(f"All tracks are silent: {', '.join(silent)}. Give one that sounds.")
    for name in silent:
        print(f"{name} is silent", file=sys.stderr)


def place_tracks(tracks: list[Track], sounds: list[Sound], rate: int) -> list[NDArray[np.float32]]:
    """The tracks from the start of the mix on, each (2, samples) as long as it lasts.

    A track starts at its offset, to the sample. One that loops goes on until the last of the others has ended; where
    all loop, until the longest has. It fades there within 10 ms, so that the cut is no click.

    Raises:
        EtudeError: the mix would last longer than half an hour.
    """
    starts = [round(track.offset * rate) for track in tracks]
    ends = [start + sound.audio.shape[1] for start, sound in zip(starts, sounds, strict=True)]
    steady = [end for track, end in zip(tracks, ends, strict=True) if not track.loop]
    last = max(steady or ends)
    if max(ends) > LONGEST * rate:
        longest = tracks[int(np.argmax(ends))].name
        raise EtudeError(
            f"{longest} would end after {max(ends) / rate / 60:.1f} minutes, and {LONGEST // 60} can be mixed. "
            "Give it a smaller offset."
        )
    found = []
    for track, sound, start in zip(tracks, sounds, starts, strict=True):
        audio = sound.audio
        if track.loop:
            audio = repeat(sound, max(0, last - start))
            cut = min(audio.shape[1], round(CUT * rate))
            if cut:
                audio[:, -cut:] *= fade_out(cut)
        found.append(np.concatenate([np.zeros((2, start), np.float32), audio], axis=1) if start else audio)
    return found


def _write_stems(
    folder: Path,
    desk: Desk,
    tracks: list[Track],
    ready: list[NDArray[np.float32]],
    settings: Settings,
    comment: str,
    show: bool,
) -> None:
    """Write each track as it sounds in the mix, as a WAV of the mix's length."""
    folder.mkdir()
    names = file_names([track.name for track in tracks])
    with bar("writing stems", len(tracks), show and len(tracks) > 1) as advance:
        for done, (track, audio, name) in enumerate(zip(tracks, ready, names, strict=True), start=1):
            stem = desk.stem(audio, track.channel)
            if (peak := float(np.abs(stem).max(initial=0.0))) > 1:
                print(f"{track.name} alone exceeds full scale by {decibels(peak):.1f} dB and is cut", file=sys.stderr)
            tags = Tags(track.name, "etude mix", comment)
            write_audio(folder / f"{name}.wav", stem, settings.mix.sample_rate, settings.mix.quality, tags)
            advance(done, track.name)


def _comment(tracks: list[Track], settings: Settings) -> str:
    """What the mix was made of, as its file says: names of files without their folders."""
    parts = []
    for track in tracks:
        own = {"gain": track.channel.gain, "pan": track.channel.pan, "offset": track.offset}
        said = [f"{key} {value:g}" for key, value in own.items() if value]
        parts.append(" ".join([track.path.name, *said, *(["loop"] if track.loop else [])]))
    mix = settings.mix
    return f"{'; '.join(parts)}; {mix.loudness:g} LUFS; reverb seed {mix.reverb.seed}; {version_of_code()}"
