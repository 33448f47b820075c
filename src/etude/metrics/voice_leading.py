"""Voice leading: counts of the faults that the rules of part-writing forbid, for comparison with Bach's own rates.

All counts are of sounding pitches, frame by frame: a repeated note is no motion. There are two sets of definitions. The
strict ones are from the textbook (Aldwell, Schachter and Cadwallader, Harmony and Voice Leading, 4th edition, 2011,
chapters 5 and 6); the others follow ``music21.voiceLeading.VoiceLeadingQuartet`` for every two voices, with intervals
in semitones, the only ones in MIDI.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.music.key import best_key
from etude.representations.base.grid import FIRST, REST, to_grid

Pitches = NDArray[np.signedinteger] | NDArray[np.unsignedinteger]

SILENCE = 0  # instead of a pitch
QUARTERS = 4  # quarter notes of a bar in any meter, so that rates compare
# lowest and highest pitch of a voice of four, from the top: C4-G5, G3-D5, C3-A4, E2-D4
RANGES = ((60, 79), (55, 74), (48, 69), (40, 62))
WIDEST = 12  # semitones between neighbouring voices, except the lowest two
LEAPS = (6, 10, 11)  # forbidden semitones of a voice: tritone and sevenths; and any beyond the octave
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


def moves(before: Pitches, after: Pitches) -> dict[str, NDArray[np.int64]]:
    """Count the faults of the step from one frame to the next: the voices, or pairs of voices, with each fault.

    - parallel fifths and octaves: two voices move in one direction and keep a perfect fifth, or an octave or unison;
      in music21 also to an interval an octave wider or narrower, or in two directions, and no parallel unisons;
    - hidden fifths and octaves: the outer voices move in one direction into a fifth or octave that is no parallel, the
      upper one by more than a tone; in music21 any two voices, by any step;
    - overlaps: a voice moves beyond the previous pitch of its neighbour; in music21 beyond that of any other voice;
    - crossings in music21: a voice is beyond another one in one of the two frames;
    - leaps: a voice moves by a tritone, a seventh or more than an octave.

    A pair does not count where neither voice moves, or where one is silent in one of the two frames.

    Args:
        before: sounding pitches, (..., voices) MIDI pitches from the highest voice to the lowest, or SILENCE.
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


def parallels(before: Pitches, after: Pitches) -> NDArray[np.int64]:
    """Count the parallel fifths and octaves of ``moves``, by either definition: (...)."""
    before, after = np.asarray(before, dtype=np.int64), np.asarray(after, dtype=np.int64)
    upper, lower = np.triu_indices(before.shape[-1], 1)
    step = np.where((before != SILENCE) & (after != SILENCE), after - before, 0)
    ours, theirs = step[..., upper], step[..., lower]
    by, into = (abs(frame[..., upper] - frame[..., lower]) for frame in (before, after))
    perfect = (by % 12 == into % 12) & ((by % 12 == 7) | (by % 12 == 0))
    # in one direction between an octave and a unison is neither
    like = ((by == 0) == (into == 0)) | (ours * theirs < 0)
    return np.asarray(((ours != 0) & (theirs != 0) & perfect & like).sum(axis=-1))


def states(pitches: Pitches, leading: int | None) -> dict[str, NDArray[np.int64]]:
    """Count the faults of a single frame.

    - crossings: neighbours whose upper voice sounds below the lower one;
    - wide spacings: neighbours more than an octave apart, except the lowest two;
    - doubled leading notes: voices after the first that sound the leading note;
    - out of range: voices of four beyond RANGES.

    Args:
        pitches: sounding pitches, (..., voices), or SILENCE.
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


def count(pitches: Pitches, steps: int) -> dict[str, float]:
    """Count each of KINDS in a piece, and its ``bars`` of four quarter notes.

    States are counted at changes only: a held chord is one chord.

    Args:
        pitches: sounding pitches, (frames, voices), or SILENCE. No frames give zeros.
        steps: frames per quarter note.
    """
    pitches = np.asarray(pitches, dtype=np.int64)
    changed = (np.diff(pitches, axis=0, prepend=SILENCE) != 0).any(axis=-1)
    faults = {**moves(pitches[:-1], pitches[1:]), **states(pitches[changed], leading_note(pitches))}
    return {kind: float(faults[kind].sum()) for kind in KINDS} | {"bars": len(pitches) / (steps * QUARTERS)}


def rates(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Faults per bar of four quarter notes over all pieces, for each of KINDS; nan where there is no bar."""
    counts = list(counts)
    bars = sum(piece["bars"] for piece in counts)
    return {kind: sum(piece[kind] for piece in counts) / bars if bars else float("nan") for kind in KINDS}


def leading_note(pitches: Pitches) -> int | None:
    """The pitch class a semitone below the tonic of the best-fitting key; None where no key fits."""
    sounding = pitches[pitches != SILENCE]
    found = best_key(np.bincount(sounding % 12, minlength=12))
    return None if found is None else (found[0] - 1) % 12


def sounding(grid: Pitches, low: int) -> NDArray[np.int64]:
    """The sounding pitch of each cell of grids (..., frames, voices), or SILENCE; ``low`` is the pitch of FIRST."""
    grid = np.asarray(grid, dtype=np.int64)
    place = np.arange(grid.shape[-2])[:, None]
    start = np.maximum.accumulate(np.where(grid >= REST, place, -1), axis=-2)
    tokens = np.where(start >= 0, np.take_along_axis(grid, np.maximum(start, 0), axis=-2), REST)
    return np.where(tokens >= FIRST, tokens - FIRST + low, SILENCE)


def pitches_of(score: ScoreTick, voices: Mapping[str, int], steps: int) -> NDArray[np.int64]:
    """The sounding pitches of a piece's ``voices`` (name -> program), (frames, voices), at ``steps`` a quarter note."""
    return sounding(to_grid(score, voices, steps, 0, 127), 0)


def agreement(pitches: Pitches, others: Pitches) -> NDArray[np.float64]:
    """The share of frames in which each voice sounds the same in both settings: (frames, voices) twice -> (voices,).

    The shorter length counts; nan where there is no frame.
    """
    frames = min(len(pitches), len(others))
    same = np.asarray(pitches)[:frames] == np.asarray(others)[:frames]
    return same.mean(axis=0) if frames else np.full(same.shape[1], np.nan)
