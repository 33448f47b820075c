"""Chord recognition: which chord sounds in each beat of some notes, by templates and the best path through the beats.

The weights were chosen so that ten segments of pop songs and five systems' accompaniments to them get chord accuracies
near those that others measured by other means (docs/accompaniment.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score

from etude.music.bars import bars_of
from etude.music.chords import DEGREE_OF, ROOTS, SHORTHANDS, Symbol, Tones, text_of, voicing
from etude.music.columns import Columns

KINDS = ("maj", "min", "dim", "aug", "sus4", "7", "maj7", "min7", "hdim7")  # of the chords that are recognised
PARTS = 4  # of a beat: onsets and ends go to the nearest
MISSING = 0.25  # cost of a chord tone that does not sound, in beats
SIZE = 0.05  # cost of each chord tone, which favours triads
BASS = 0.4  # gain of a lowest note that is the root, in beats
CHANGE = 0.45  # cost of a change of chord at a bar line, in beats
MELODY = 0.25  # weight of a melody note: many are outside of the chord
WEAK = 1.6  # factor of that cost within a bar; halfway through an even bar its square root

TEMPLATES = np.zeros((len(KINDS) * 12, 12))  # one row a chord: which pitch classes it has
for _place, _kind in enumerate(KINDS):
    for _root in range(12):
        TEMPLATES[12 * _place + _root, [(_root + step) % 12 for step in SHORTHANDS[_kind]]] = 1
ROOT_OF = np.tile(np.arange(12), len(KINDS))  # (chords,)


@dataclass(frozen=True)
class Beats:
    """The beats of a piece: their ticks, with the end of the last one, and how much a change of chord costs there."""

    ticks: NDArray[np.int64]  # (beats + 1,)
    cost: NDArray[np.float64]  # (beats,)

    def __len__(self) -> int:
        """The number of beats."""
        return len(self.cost)


def beats_of(score: Score, end: int = 0) -> Beats:
    """The beats of a piece: quarter notes, and in meters of 6/8 and the like dotted ones.

    Args:
        score: its time signatures count.
        end: the tick up to which there are beats at least; they also last as long as there are notes.
    """
    ticks: list[int] = []
    costs: list[float] = []
    quarter = score.ticks_per_quarter
    stop = max(end, score.end())
    for bar in bars_of(score, 1 + stop // max(1, quarter)):
        if bar.start >= stop:
            break
        triple = bar.unit >= 8 and bar.beats % 3 == 0
        beat = max(1, (12 if triple else 4) * quarter // max(4, bar.unit) if triple else quarter)
        places = range(bar.start, bar.end, beat)
        for place, tick in enumerate(places):
            ticks.append(tick)
            costs.append(change_cost(place, len(places)))
        last = bar.end
    return Beats(np.array([*ticks, last] if ticks else [0], np.int64), np.array(costs))


def change_cost(beat: int, count: int) -> float:
    """The cost of a change of chord at a beat, from 0, of a bar with ``count`` beats."""
    if beat == 0:
        return CHANGE
    return CHANGE * (WEAK**0.5 if 2 * beat == count else WEAK)


def recognise(notes: Columns, beats: Beats, melody: Columns | None = None) -> list[Symbol]:
    """Name the chords of some notes, as symbols in Harte's notation where the chord changes.

    A chord whose lowest note is mostly another chord tone than the root gets it as its bass (``C:maj/3``).

    Args:
        notes: of any tracks without drums; times in ticks.
        beats: of the piece.
        melody: further notes, of tracks that sing or lead, which count a quarter (``MELODY``).

    Returns:
        The symbols in order of time; ``N`` up to the first beat with a note. Without notes there are none.
    """
    weights, lowest = _weigh_all(notes, beats, melody)
    chords = _best_path(_rate(weights, lowest), beats.cost)
    silent = np.cumsum(weights.sum(axis=1)) == 0
    changes = np.flatnonzero(np.diff(np.where(silent, -1, chords), prepend=-2))
    found = []
    for start, stop in pairwise([*changes.tolist(), len(beats)]):
        time = int(beats.ticks[start])
        if silent[start]:
            if stop < len(beats):
                found.append(Symbol(time, "N", ()))
            continue
        tones = tones_at(int(chords[start]))
        bass = int(np.argmax(lowest[start:stop].sum(axis=0)))
        bass = bass if bass in tones.classes else tones.root
        text = f"{ROOTS[tones.root]}:{KINDS[chords[start] // 12]}"
        found.append(Symbol(time, text + _inversion(bass, tones), voicing(tones.root, tones.classes, bass)))
    return found


def recognise_beats(notes: Columns, beats: Beats, melody: Columns | None = None) -> NDArray[np.int64]:
    """The chord of each beat as a number, see ``tones_at``: (beats,). A beat without notes continues the last chord."""
    return _best_path(_rate(*_weigh_all(notes, beats, melody)), beats.cost)


def tones_at(chord: int) -> Tones:
    """The chord of a number that ``recognise_beats`` gives, in root position."""
    root = chord % 12
    return Tones(root, frozenset(np.flatnonzero(TEMPLATES[chord]).tolist()), root)


def chord_of(pitches: Sequence[int]) -> Tones:
    """The chord that some pitches make, such as a block chord of a lead sheet: at least one pitch.

    Its pitch classes are those of the pitches; its root that of the template which fits them best, where the lowest
    pitch counts as a hint.
    """
    played = np.bincount(np.array(pitches) % 12, minlength=12)[None].astype(np.float64)
    bass = min(pitches) % 12
    lowest = np.zeros((1, 12))
    lowest[0, bass] = 1
    rated = _rate(np.minimum(played, 1), lowest) - (np.minimum(played, 1) @ (1 - TEMPLATES).T)
    return Tones(int(ROOT_OF[rated[0].argmax()]), frozenset(np.flatnonzero(played[0]).tolist()), bass)


def symbols_of_track(notes: Columns) -> list[Symbol]:
    """The chord symbols of a track of block chords: one at each onset, N where none sounds for a while.

    Args:
        notes: of the track; those with one onset are one chord.
    """
    found: list[Symbol] = []
    until = 0
    for time in np.unique(notes.onset).tolist():
        own = notes[notes.onset == time]
        if time > until and (found or time > 0):
            found.append(Symbol(until, "N", ()))
        tones = chord_of(own.pitch.tolist())
        text = text_of(tones)
        until = int((own.onset + own.length).max())
        if not found or found[-1].text != text:
            found.append(Symbol(time, text, voicing(tones.root, tones.classes, tones.bass)))
    return found


def _inversion(bass: int, tones: Tones) -> str:
    """The suffix of a symbol whose bass is not the root."""
    return "" if bass == tones.root else f"/{DEGREE_OF[(bass - tones.root) % 12]}"


def _weigh_all(notes: Columns, beats: Beats, melody: Columns | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``_weigh`` of the notes and, with less weight, of the melody; the lowest notes are those of the former."""
    weights, lowest = _weigh(notes, beats)
    return (weights if melody is None else weights + MELODY * _weigh(melody, beats)[0]), lowest


def _weigh(notes: Columns, beats: Beats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How long each pitch class sounds in each beat, and as the lowest note, both in beats: (beats, 12) twice."""
    count = len(beats)
    weights, lowest = np.zeros((count, 12)), np.zeros((count, 12))
    if not len(notes.onset) or not count:
        return weights, lowest
    parts = np.arange(PARTS * count + 1) / PARTS
    grid = np.interp(parts, np.arange(count + 1), beats.ticks)  # ticks of the parts of beats
    onset, pitch = notes.onset.astype(np.int64), notes.pitch.astype(np.int64)
    first = np.rint(np.interp(onset, grid, np.arange(len(grid)))).astype(np.int64)
    last = np.rint(np.interp(onset + notes.length, grid, np.arange(len(grid)))).astype(np.int64)
    inside = (onset < beats.ticks[-1]) & (onset + notes.length > beats.ticks[0]) & (first < len(grid) - 1)
    first, pitch = first[inside], pitch[inside]
    last = np.minimum(np.maximum(last[inside], first + 1), len(grid) - 1)
    spans = last - first
    place = np.repeat(first - np.cumsum(spans) + spans, spans) + np.arange(spans.sum())  # each part that a note covers
    pitches = np.repeat(pitch, spans)
    np.add.at(weights, (place // PARTS, pitches % 12), 1 / PARTS)
    bottom = np.full(PARTS * count, 128)
    np.minimum.at(bottom, place, pitches)
    sounding = np.flatnonzero(bottom < 128)
    np.add.at(lowest, (sounding // PARTS, bottom[sounding] % 12), 1 / PARTS)
    return weights, lowest


def _rate(weights: NDArray[np.float64], lowest: NDArray[np.float64]) -> NDArray[np.float64]:
    """How well each chord fits each beat, in beats; 0 where nothing sounds: (beats, chords)."""
    sounding = np.minimum(weights, 1)
    inside = sounding @ TEMPLATES.T
    sizes = TEMPLATES.sum(axis=1)
    bass = lowest / np.maximum(lowest.sum(axis=1, keepdims=True), 1e-9)
    rated = inside - MISSING * (sizes - inside) - SIZE * sizes + BASS * bass[:, ROOT_OF]
    rated[weights.sum(axis=1) == 0] = 0
    return np.asarray(rated)


def _best_path(rated: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The chords with the highest sum, less the cost of their changes (Viterbi): (beats,)."""
    count, chords = rated.shape
    if not count:
        return np.zeros(0, np.int64)
    total, back = rated[0].copy(), np.zeros((count, chords), np.int64)
    for beat in range(1, count):
        best = int(total.argmax())
        stays = total >= total[best] - cost[beat]
        back[beat] = np.where(stays, np.arange(chords), best)
        total = np.where(stays, total, total[best] - cost[beat]) + rated[beat]
    path = [int(total.argmax())]
    for beat in range(count - 1, 0, -1):
        path.append(int(back[beat, path[-1]]))
    return np.array(path[::-1])
