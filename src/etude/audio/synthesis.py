"""Synthesis: each track of a piece rendered alone, on its General MIDI program."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import symusic
from symusic.core import NoteSecond, ScoreSecond, ScoreTick, Synthesizer, TrackSecondList

from etude.audio.soundfonts import in_tune
from etude.core.errors import EtudeError
from etude.core.project import given_path

SOUNDFONT = "TimGM6mb.sf2"  # comes with pretty_midi
TAIL = 1.0  # seconds after the last note's end, for its release
LOUDEST = 1000.0  # level of a track, which no soundfont reaches
# programs whose samples the synthesizer reads beyond their end, into whatever is in memory there: the whistle of
# SOUNDFONT, which differed from run to run -> one that sounds alike, the ocarina
SOUND_ALIKE = {78: 79}
EMPTY = 1.0  # seconds of silence that a piece without notes lasts, before the tail


def soundfont(path: str | None = None) -> Path:
    """The soundfont of the settings, ``mix.soundfont``; of null the General MIDI one of the package pretty_midi.

    Raises:
        EtudeError: it does not exist, or is no soundfont.
    """
    if path is None:
        return _packaged()
    file = given_path(path)
    if not file.is_file():
        raise EtudeError(f"mix.soundfont = {file} is no file. Give an .sf2 or .sf3 file, or null.")
    with file.open("rb") as stream:
        head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise EtudeError(f"mix.soundfont = {file} is no soundfont. Give an .sf2 or .sf3 file, or null.")
    return file


@cache
def _packaged() -> Path:
    """The soundfont that the pretty_midi package brings, found without importing that package."""
    found = importlib.util.find_spec("pretty_midi")
    for folder in (found.submodule_search_locations or []) if found else []:
        if (path := Path(folder) / SOUNDFONT).is_file():
            return path
    raise EtudeError(
        f"The package pretty_midi with its soundfont {SOUNDFONT} is not installed. Install it with: make repro"
    )


def _tuned(font: Path) -> Path:
    state = font.stat()
    return _tuned_once(font, state.st_mtime_ns, state.st_size)


@cache
def _tuned_once(font: Path, changed: int, size: int) -> Path:
    return in_tune(font)


def track_names(score: ScoreTick) -> list[str]:
    """A name for each track, in order: its own, or ``Track 2``; a repeated name is numbered (``Violin 2``)."""
    names: list[str] = []
    for place, track in enumerate(score.tracks, start=1):
        name = first = track.name.strip() or f"Track {place}"
        again = 1
        while name in names:
            again += 1
            name = f"{first} {again}"
        names.append(name)
    return names


def synthesize(score: ScoreTick, sample_rate: int, font: Path, tail: float = TAIL) -> dict[str, np.ndarray]:
    """Render each track alone.

    Args:
        score: a piece in ticks.
        sample_rate: samples a second.
        font: the soundfont.
        tail: seconds after the last note's end.

    Returns:
        Track name (see :func:`track_names`) -> float32 samples of shape (2, samples), in the order of the tracks. All
        have the same length: the piece and the tail for the last release. A track without notes is silent, so is a
        piece without notes, which lasts one second and the tail; a piece without tracks has one silent stem,
        ``Silence``. Levels are the soundfont's own: a sum of stems can exceed 1. The same piece gives the same bytes.

    Raises:
        EtudeError: the soundfont is damaged.
    """
    timed = cast(ScoreSecond, score.to("second"))
    ends = [float(note.time + note.duration) for track in timed.tracks for note in track.notes]
    end = max(ends, default=EMPTY)
    samples = round((end + tail) * sample_rate)
    names = track_names(score)
    if not ends:
        return {name: np.zeros((2, samples), np.float32) for name in names or ["Silence"]}
    try:
        synthesizer = symusic.Synthesizer(_tuned(font), sample_rate, 0)
        return {
            name: _synthesize_track(synthesizer, timed, place, end + tail, samples) for place, name in enumerate(names)
        }
    except RuntimeError as error:  # the synthesizer reads the file when it is first needed
        reason = " ".join(str(error).split()).removesuffix(": iostream error").rstrip(".!")
        raise EtudeError(
            f"The soundfont {font} is damaged ({reason}). Set mix.soundfont to another, or to null."
        ) from None


def _synthesize_track(
    synthesizer: Synthesizer, timed: ScoreSecond, place: int, seconds: float, samples: int
) -> np.ndarray:
    stem = np.zeros((2, samples), np.float32)
    if not len(timed.tracks[place].notes):
        return stem  # the synthesizer refuses a score without notes
    alone = timed.copy()
    track = alone.tracks[place]
    if not track.is_drum:
        track.program = SOUND_ALIKE.get(track.program, track.program)
    # The synthesizer stops at the last note's end and would cut its release: a silent note later keeps it going.
    track.notes.append(NoteSecond(seconds, 0.01, 60, 0))
    alone.tracks = TrackSecondList([track])
    sound = np.asarray(synthesizer.render(alone, stereo=True))[:, :samples]
    if track.is_drum and track.program and not sound.any():  # no kit of this number: the standard one, as players do
        alone.tracks[0].program = 0
        sound = np.asarray(synthesizer.render(alone, stereo=True))[:, :samples]
    if not np.abs(sound).max(initial=0.0) < LOUDEST:
        raise EtudeError(
            f"The soundfont makes noise, no sound, of program {track.program}. Give the track another, or set "
            "mix.soundfont to another file."
        )
    stem[:, : sound.shape[1]] = sound
    return stem
