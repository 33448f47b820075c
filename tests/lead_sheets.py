"""Made-up songs for tests of accompaniments: a melody over chords, and a piano that plays the chords."""

import numpy as np
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.music.chords import Symbol, harte, mark

CHORDS = ("C:maj", "A:min", "F:maj", "G:7")


def make_song(seed: int, bars: int = 8, beats: int = 4, semitones: int = 0) -> ScoreTick:
    """A song in ``beats``/4: one chord a bar, broken by the piano in eighths over a bass; at 24 ticks a quarter."""
    random = np.random.default_rng(seed)
    song, bar = ScoreTick(24), 24 * beats
    melody, piano = TrackTick("MELODY", 73, False), TrackTick("PIANO", 0, False)
    symbols = []
    for place in range(bars):
        start, text = bar * place, CHORDS[int(random.integers(len(CHORDS)))]
        symbols.append(Symbol(start, text, harte(text)))
        tones = harte(text)
        for beat in range(beats):
            pitch = int(random.choice(tones)) + 12 + semitones
            melody.notes.append(NoteTick(start + 24 * beat, 24, pitch, 90))
        piano.notes.append(NoteTick(start, bar, tones[0] - 24 + semitones, 80))
        for eighth in range(1, 2 * beats):
            piano.notes.append(NoteTick(start + 12 * eighth, 12, tones[eighth % 3] + semitones, 60))
    for track in (melody, piano):
        song.tracks.append(track)
    mark(song, symbols if not semitones else [])
    song.tempos.append(TempoTick(0, 90))
    song.time_signatures.append(TimeSignatureTick(0, beats, 4))
    return song


def without_piano(song: ScoreTick) -> ScoreTick:
    """The lead sheet of a song."""
    found = song.copy()
    found.tracks.pop(1)
    return found
