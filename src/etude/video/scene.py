"""What a video shows of a piece, in seconds: notes, bars, chords, and how loud it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.audio.synthesis import track_names
from etude.music.bars import bar_lines
from etude.music.seconds import seconds_at
from etude.video.harmony import harmonies_of, key_at, keys_of

STEPS = 50  # values of the loudness a second
SOFT, LOUD = -48.0, -8.0  # dBFS that lie at the bottom and at the top of the line
SHORTEST = 0.04  # seconds that a note is shown at least
SMOOTH = 9  # values of the loudness that are averaged


@dataclass(frozen=True)
class Notes:
    """The notes in order of their onsets, one array a property, each (notes,); ``degree`` is above the tonic."""

    onset: NDArray[np.float64]  # seconds, as is end
    end: NDArray[np.float64]
    tick: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    track: NDArray[np.int64]
    degree: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of notes."""
        return len(self.onset)


@dataclass(frozen=True)
class Chord:
    """A chord from a second to another: its name, its Roman numeral, its root in semitones above the tonic."""

    start: float
    end: float
    name: str
    numeral: str
    degree: int


@dataclass(frozen=True)
class Scene:
    """A piece in seconds: what all views show."""

    notes: Notes
    tracks: list[str]  # names
    drums: list[bool]  # of each track
    bars: NDArray[np.float64]  # where bars start, and the last ends: (bars + 1,)
    chords: list[Chord]
    keys: list[tuple[float, str]]  # from when on, as "E♭ major"
    end: float  # of the last note

    @property
    def degrees(self) -> list[int]:
        """The scale degrees that occur, in semitones above the tonic, without drums."""
        pitched = ~np.array(self.drums, bool)[self.notes.track]
        return sorted(set(self.notes.degree[pitched].tolist()) | {chord.degree for chord in self.chords})


def scene_of(score: ScoreTick) -> Scene:
    """What a video shows of a piece, which has notes."""
    keys = keys_of(score)
    rows = sorted(
        (int(note.time), int(note.pitch), place, int(note.time + note.duration), int(note.velocity))
        for place, track in enumerate(score.tracks)
        for note in track.notes
    )
    tick, pitch, track, stop, velocity = np.array(rows, np.int64).reshape(-1, 5).T
    chords = harmonies_of(score, keys)
    lines = bar_lines(score)
    marks = [*tick, *stop, *lines, *(time for one in chords for time in (one.start, one.end)), *(k.start for k in keys)]
    seconds = seconds_at(score, [int(mark) for mark in marks])
    onset, end, bars, spans, changes = np.split(seconds, np.cumsum([len(tick), len(stop), len(lines), 2 * len(chords)]))
    end = np.maximum(end, onset + SHORTEST)
    tonics = np.array([key_at(keys, int(time)).tonic for time in tick], np.int64)
    notes = Notes(onset, end, tick, pitch, velocity, track, (pitch - tonics) % 12)
    shown = [
        Chord(float(start), float(until), one.name, one.numeral, one.degree)
        for one, (start, until) in zip(chords, spans.reshape(-1, 2), strict=True)
    ]
    named = [(float(time), key.name) for time, key in zip(changes, keys, strict=True)]
    drums = [track.is_drum for track in score.tracks]
    return Scene(notes, track_names(score), drums, bars, shown, named, float(end.max(initial=0.0)))


def energy_of(audio: np.ndarray, sample_rate: int) -> NDArray[np.float64]:
    """How loud a sound (channels, samples) is, ``STEPS`` values a second from 0 (-48 dBFS) to 1 (-8 dBFS).

    Each value is the level of 20 ms, averaged over 180 ms.
    """
    size = sample_rate // STEPS
    count = -(-audio.shape[1] // size)
    power = np.zeros(count * size)
    power[: audio.shape[1]] = np.square(audio, dtype=np.float64).mean(axis=0)
    means = power.reshape(count, size).mean(axis=1)
    kernel = np.hanning(SMOOTH + 2)[1:-1]
    smooth = np.convolve(means, kernel / kernel.sum(), mode="same")[:count] if count > SMOOTH else means
    level = 10 * np.log10(np.maximum(smooth, 1e-12))
    return np.asarray(np.clip((level - SOFT) / (LOUD - SOFT), 0, 1))
