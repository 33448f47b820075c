"""Tiny pieces for the tests of videos."""

import numpy as np
from symusic.core import NoteTick, ScoreTick, TempoTick, TextMetaTick, TimeSignatureTick, TrackTick

from etude.video.piece import Shooting

RATE = 48000
SMALL = Shooting(width=160, height=90, fps=10)


def band() -> ScoreTick:
    """Two bars of 4/4 at 120 BPM: C and G7 in thirds, a bass, and drums, at 24 ticks a quarter note."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 120))
    score.time_signatures.append(TimeSignatureTick(0, 4, 4))
    piano, bass, drums = TrackTick("Piano", 0), TrackTick("Bass", 33), TrackTick("Drums", 0, True)
    for pitch in (60, 64, 67):
        piano.notes.append(NoteTick(0, 96, pitch, 80))
    for pitch in (59, 62, 65, 67):
        piano.notes.append(NoteTick(96, 96, pitch, 80))
    bass.notes.append(NoteTick(0, 96, 36, 90))
    bass.notes.append(NoteTick(96, 96, 43, 90))
    for quarter in range(8):
        drums.notes.append(NoteTick(24 * quarter, 12, 36 if quarter % 2 == 0 else 38, 100))
    score.tracks = type(score.tracks)([piano, bass, drums])
    return score


def line(*pitches: int, quarters: int = 1) -> ScoreTick:
    """One note after the other, at 120 BPM: half a second a quarter note."""
    score, track = ScoreTick(24), TrackTick("Flute", 73)
    score.tempos.append(TempoTick(0, 120))
    for place, pitch in enumerate(pitches):
        track.notes.append(NoteTick(24 * quarters * place, 24 * quarters, pitch, 80))
    score.tracks.append(track)
    return score


def marked(*symbols: str) -> ScoreTick:
    """A note a bar, with a chord symbol each."""
    score = line(*[72] * len(symbols), quarters=4)
    for place, text in enumerate(symbols):
        score.markers.append(TextMetaTick(96 * place, f"chord:{text}"))
    return score


def silence(seconds: float) -> np.ndarray:
    """No sound: (2, samples)."""
    return np.zeros((2, round(seconds * RATE)), np.float32)
