"""Whether a band keeps to its lead sheet: bass, drums, fills, and voices that stay below the melody."""

from dataclasses import dataclass

import numpy as np
from symusic.core import ScoreTick, TrackTick

from etude.arranging.band import Arrangement
from etude.arranging.lead_sheet import Song
from etude.arranging.styles import KIT, Style
from etude.music.columns import columns_of
from etude.music.tune import MELODY

GRID = 12  # steps of a quarter note on which every hit of a drum lies: sixteenths and triplets
SHORT = 2  # quarter notes: a shorter bar, one that is cut short, has no room for a fill
FILLED = frozenset(
    KIT[name] for name in ("snare", "floor_tom", "low_tom", "mid_tom", "high_tom", "low_conga", "high_conga")
)


@dataclass(frozen=True)
class Band:
    """Measures of an arrangement as it is written; a share is ``None`` where there is nothing that it could be of."""

    bass_roots: float | None  # share of the chord changes on which the bass plays the chord's bass
    on_grid: float | None  # share of the drum hits on the grid
    fills: float | None  # share of the bars before a phrase that have a fill, where drums play
    above: float  # share of the melody's time in which another pitched part sounds above it
    silent: list[str]  # parts of the style that should play, and do not
    loudest: int  # the highest velocity


def measure_band(made: Arrangement, style: Style) -> Band:
    """Measure an arrangement for the band of a style."""
    song, score = made.song, made.written
    tracks = {track.name: track for track in score.tracks}
    melody = tracks[MELODY]
    bass = [tracks[name] for name, part in style.parts.items() if part.play == "bass" and name in tracks]
    kits = [track for track in score.tracks if track.is_drum]
    pitched = [track for track in score.tracks if not track.is_drum and track.name != MELODY]
    highest = max(one.energy for one in song.bars)
    return Band(
        _bass_roots(song, bass[0]) if bass else None,
        _on_grid(kits, score.ticks_per_quarter),
        _fills(song, style, kits),
        _above(melody, pitched, song.quarter // GRID),
        [name for name, part in style.parts.items() if part.enters <= highest and name not in tracks],
        max(note.velocity for track in score.tracks for note in track.notes),
    )


def _bass_roots(song: Song, bass: TrackTick) -> float | None:
    """At each change of the chord: the bass note that starts then, or that sounds on."""
    notes = columns_of(bass)
    onset, end = notes.onset.astype(np.int64), notes.onset.astype(np.int64) + notes.length
    right = []
    for before, chord in zip([None, *song.chords], song.chords, strict=False):
        if before is not None and (before.symbol, before.end) == (chord.symbol, chord.start):
            continue
        if song.bars[song.place_of(chord.start)].energy < 0:
            continue
        sounding = notes.pitch[(onset <= chord.start) & (end > chord.start)]
        right.append(bool(len(sounding)) and int(sounding[-1]) % 12 == chord.bass)
    return float(np.mean(right)) if right else None


def _on_grid(kits: list[TrackTick], quarter: int) -> float | None:
    onsets = np.concatenate([columns_of(track).onset for track in kits]) if kits else np.zeros(0)
    return float(np.mean(onsets * GRID % quarter == 0)) if len(onsets) else None


def _fills(song: Song, style: Style, kits: list[TrackTick]) -> float | None:
    """A fill has drums in the second half of the bar that its pattern alone would not have."""
    parts = [part for part in style.parts.values() if part.play == "drums" and part.fill]
    if not parts or not kits:
        return None
    notes = columns_of(kits[0])
    found = []
    for one in song.bars:
        if one.leads_to is None or one.leads_to < parts[0].enters or one.bar.length < SHORT * song.quarter:
            continue
        middle = (one.bar.start + one.bar.end) // 2
        inside = (notes.onset >= middle) & (notes.onset < one.bar.end)
        found.append(bool({*notes.pitch[inside].tolist()} & FILLED))
    return float(np.mean(found)) if found else None


def _above(melody: TrackTick, others: list[TrackTick], step: int) -> float:
    """At each step at which the melody sounds: whether a note of another part is higher."""
    steps = -(-max(track.end() for track in [melody, *others]) // step) + 1
    tops = [_top([melody], steps, step), _top(others, steps, step)]
    sounds = tops[0] >= 0
    return float(np.mean(tops[1][sounds] > tops[0][sounds])) if sounds.any() else 0.0


def _top(tracks: list[TrackTick], steps: int, step: int) -> np.ndarray:
    """The highest pitch that sounds at each step, -1 for silence: (steps,)."""
    top = np.full(steps, -1)
    for track in tracks:
        for note in track.notes:
            start, end = -(-note.time // step), max(-(-note.time // step) + 1, -(-note.end // step))
            np.maximum(top[start:end], note.pitch, out=top[start:end])
    return top


def is_playable(score: ScoreTick) -> bool:
    """Whether every track of a piece sounds, and no note is beyond what MIDI holds."""
    return all(
        len(track.notes) and all(0 <= note.pitch < 128 and 0 < note.velocity < 128 for note in track.notes)
        for track in score.tracks
    )
