"""Voice leading: what the rules of part-writing forbid, counted, with Bach's own rates as the referee.

Everything is counted on what sounds, frame by frame: a note that is struck again in its place is no motion. Two
definitions stand beside each other. The strict ones are those of the schoolbook (Aldwell, Schachter and Cadwallader,
Harmony and Voice Leading, 4th edition, 2011, chapters 5 and 6); the others count what
``music21.voiceLeading.VoiceLeadingQuartet`` says of every two voices, with intervals in semitones: MIDI has no other.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.music.key import best_key
from etude.representations.base.grid import FIRST, REST, to_grid

SILENCE = 0  # in place of a pitch
QUARTERS = 4  # of a bar, whatever the meter, so that rates compare
# lowest and highest pitch of a voice of four, from the top: C4-G5, G3-D5, C3-A4, E2-D4
RANGES = ((60, 79), (55, 74), (48, 69), (40, 62))
WIDEST = 12  # semitones between neighbouring voices, but for the lowest two
LEAPS = (6, 10, 11)  # semitones that no voice sings: tritone and sevenths; nor any beyond the octave
TONE = 2
MOVES = (
    "parallel_fifths",
    "parallel_octaves",
    "parallel_fifths_music21",
    "parallel_octaves_music21",
    "hidden_fifths",
    "hidden_octaves",
    "hidden_fifths_music21",
    "hidden_octaves_music21",
    "overlaps",
    "overlaps_music21",
    "crossings_music21",
    "leaps",
)
STATES = ("crossings", "wide_spacings", "doubled_leading_notes", "out_of_range")
KINDS = (*MOVES, *STATES)
PARALLELS = ("parallel_fifths", "parallel_octaves")


def moves(before: NDArray[Any], after: NDArray[Any]) -> dict[str, NDArray[np.int64]]:
    """What is wrong with the step from one frame to the next: how many voices, or pairs of voices, do it.

    - parallel fifths and octaves: two voices go in one direction and keep a perfect fifth, or an octave or unison;
      by music21 also from one to another an octave wider or narrower, or in two directions, and no unisons in parallel;
    - hidden fifths and octaves: the outer voices go in one direction into a fifth or octave that is no parallel, the
      upper one by more than a tone; by music21 any two voices, however far they go;
    - overlaps: a voice goes beyond where its neighbour was; by music21 beyond where any other voice was;
    - crossings by music21: a voice is beyond another one in one of the two frames;
    - leaps: a voice goes by a tritone, a seventh or more than an octave.

    Where no voice of a pair moves there is no step, nor where one is silent in one of the two frames.

    Args:
        before: what sounds, (..., voices) MIDI pitches from the highest voice to the lowest, or SILENCE.
        after: the same, of the next frame.

    Returns:
        Each kind of MOVES -> its number (...).
    """
    before, after = np.asarray(before, dtype=np.int64), np.asarray(after, dtype=np.int64)
    voices = before.shape[-1]
    upper, lower = np.triu_indices(voices, 1)
    sings = (before != SILENCE) & (after != SILENCE)
    step = np.where(sings, after - before, 0)
    ours, theirs = step[..., upper], step[..., lower]
    moving = sings[..., upper] & sings[..., lower] & ((ours != 0) | (theirs != 0))
    heading = np.sign(ours) * np.sign(theirs)  # 1: in one direction, -1: apart or together, 0: one stays
    first, second = (frame[..., upper] - frame[..., lower] for frame in (before, after))
    by, into = abs(first) % 12, abs(second) % 12
    fifth, octave = ((by == size) & (into == size) for size in (7, 0))
    together, apart = moving & (heading > 0), moving & (heading < 0)
    leaping = together & (upper == 0) & (lower == voices - 1) & (abs(ours) > TONE)
    like = octave & ((first == 0) == (second == 0))
    neighbours = moving & (lower - upper == 1)
    beyond = (after[..., upper] < before[..., lower]) | (after[..., lower] > before[..., upper])
    found = {
        "parallel_fifths": together & fifth & (first == second),
        "parallel_octaves": together & octave & (first == second),
        "parallel_fifths_music21": (together | apart) & fifth,
        "parallel_octaves_music21": together & like & (first != 0) | apart & octave,
        "hidden_fifths": leaping & (into == 7) & ~(fifth & (first == second)),
        "hidden_octaves": leaping & (into == 0) & ~(octave & (first == second)),
        "hidden_fifths_music21": together & (into == 7) & ~fifth,
        "hidden_octaves_music21": together & (into == 0) & ~like,
        "overlaps": neighbours & beyond,
        "overlaps_music21": moving & beyond,
        "crossings_music21": moving & ((first < 0) | (second < 0)),
        "leaps": sings & (np.isin(abs(step), LEAPS) | (abs(step) > 12)),
    }
    return {kind: where.sum(axis=-1) for kind, where in found.items()}


def parallels(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.int64]:
    """The parallel fifths and octaves of ``moves``, by one definition or the other: (...)."""
    before, after = np.asarray(before, dtype=np.int64), np.asarray(after, dtype=np.int64)
    upper, lower = np.triu_indices(before.shape[-1], 1)
    step = np.where((before != SILENCE) & (after != SILENCE), after - before, 0)
    ours, theirs = step[..., upper], step[..., lower]
    by, into = (abs(frame[..., upper] - frame[..., lower]) for frame in (before, after))
    perfect = (by % 12 == into % 12) & ((by % 12 == 7) | (by % 12 == 0))
    # in one direction between an octave and a unison is neither
    like = ((by == 0) == (into == 0)) | (ours * theirs < 0)
    return np.asarray(((ours != 0) & (theirs != 0) & perfect & like).sum(axis=-1))


def states(pitches: NDArray[Any], leading: int | None) -> dict[str, NDArray[np.int64]]:
    """What is wrong with a frame by itself.

    - crossings: neighbours of which the upper one sounds below the lower one;
    - wide spacings: neighbours more than an octave apart, but for the lowest two;
    - doubled leading notes: voices beside the first that sound the leading note;
    - out of range: voices of four beyond RANGES.

    Args:
        pitches: what sounds, (..., voices), or SILENCE.
        leading: the pitch class of the leading note; None where there is no key.

    Returns:
        Each kind of STATES -> its number (...).
    """
    pitches = np.asarray(pitches, dtype=np.int64)
    sings = pitches != SILENCE
    both = sings[..., :-1] & sings[..., 1:]
    apart = pitches[..., :-1] - pitches[..., 1:]
    wide = both[..., :-1] & (apart[..., :-1] > WIDEST)
    doubled = np.zeros(pitches.shape[:-1], dtype=np.int64)
    if leading is not None:
        doubled = np.maximum(0, (sings & (pitches % 12 == leading)).sum(axis=-1) - 1)
    beyond = np.zeros(pitches.shape[:-1], dtype=np.int64)
    if pitches.shape[-1] == len(RANGES):
        low, high = np.array(RANGES).T
        beyond = (sings & ((pitches < low) | (pitches > high))).sum(axis=-1)
    return {
        "crossings": (both & (apart < 0)).sum(axis=-1),
        "wide_spacings": wide.sum(axis=-1),
        "doubled_leading_notes": doubled,
        "out_of_range": beyond,
    }


def count(pitches: NDArray[Any], steps: int) -> dict[str, float]:
    """How often a piece does each of KINDS, and its ``bars`` of four quarters.

    States are counted where something changes: a chord that stays is one chord.

    Args:
        pitches: what sounds, (frames, voices), or SILENCE. No frames give zeros.
        steps: frames a quarter.
    """
    pitches = np.asarray(pitches, dtype=np.int64)
    changed = (np.diff(pitches, axis=0, prepend=SILENCE) != 0).any(axis=-1)
    wrong = {**moves(pitches[:-1], pitches[1:]), **states(pitches[changed], leading_note(pitches))}
    return {kind: float(wrong[kind].sum()) for kind in KINDS} | {"bars": len(pitches) / (steps * QUARTERS)}


def rates(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Events a bar of four quarters over all pieces: each of KINDS; nan where there is no bar."""
    counts = list(counts)
    bars = sum(piece["bars"] for piece in counts)
    return {kind: sum(piece[kind] for piece in counts) / bars if bars else float("nan") for kind in KINDS}


def leading_note(pitches: NDArray[Any]) -> int | None:
    """The pitch class a semitone below the tonic of the key that fits best what sounds; None where no key does."""
    sounding = pitches[pitches != SILENCE]
    found = best_key(np.bincount(sounding % 12, minlength=12))
    return None if found is None else (found[0] - 1) % 12


def sounding(grid: NDArray[Any], low: int) -> NDArray[np.int64]:
    """What sounds in each cell of a voice grid (frames, voices), as MIDI pitches or SILENCE; ``low`` is FIRST's."""
    grid = np.asarray(grid, dtype=np.int64)
    place = np.arange(len(grid))[:, None]
    began = np.maximum.accumulate(np.where(grid >= REST, place, -1), axis=0)
    tokens = np.where(began >= 0, np.take_along_axis(grid, np.maximum(began, 0), axis=0), REST)
    return np.where(tokens >= FIRST, tokens - FIRST + low, SILENCE)


def pitches_of(score: ScoreTick, voices: Mapping[str, int], steps: int) -> NDArray[np.int64]:
    """What sounds in a piece, (frames, voices), of the voices ``name -> program``, with ``steps`` frames a quarter."""
    return sounding(to_grid(score, voices, steps, 0, 127), 0)


def agreement(pitches: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """The share of frames in which each voice sounds the same as in another setting: (frames, voices) twice, (voices,).

    Of two lengths the shorter one counts; nan where there is no frame.
    """
    frames = min(len(pitches), len(others))
    same = np.asarray(pitches)[:frames] == np.asarray(others)[:frames]
    return same.mean(axis=0) if frames else np.full(same.shape[1], np.nan)
