"""Constraints on drawn voices, as the tokens that each cell of the grid may have."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from etude.core.errors import EtudeError
from etude.music.chord_text import Chord
from etude.representations.base.grid import FIRST, HOLD


def keep_given(grid: NDArray[np.integer], given: NDArray[np.bool_], observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The tokens that each cell may have where some cells are given: (frames, voices, V).

    Other cells may have whatever their voice has in train, but hold no given note beyond its end.

    Args:
        grid: tokens (frames, voices).
        given: which of them are given (frames, voices).
        observed: what each voice has in train (voices, V).
    """
    allowed = np.tile(observed, (len(grid), 1, 1))
    allowed[given] = False
    frame, voice = np.nonzero(given)
    allowed[frame, voice, grid[frame, voice]] = True
    ended = np.zeros_like(given)
    ended[:1] = ~given[:1]  # nothing is held before the start
    ended[1:] = given[:-1] & ~given[1:]
    allowed[ended, HOLD] = False
    return allowed


def enter_together(
    allowed: NDArray[np.bool_], grid: NDArray[np.integer], given: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Let the voices that are drawn sound from the first note of the first voice on, which is given.

    Without this a melody that is faster than those of train, or off the beat, may keep them silent to its end.

    Args:
        allowed: the tokens that each cell may have (frames, voices, V).
        grid: tokens (frames, voices).
        given: which of them are given (frames, voices).
    """
    entry = int(np.argmax(grid[:, 0] >= FIRST))
    changed = allowed.copy()
    changed[entry, ~given[entry], :FIRST] = False
    return changed


def keep_to_chords(
    allowed: NDArray[np.bool_], given: NDArray[np.bool_], chords: Sequence[Chord], low: int
) -> NDArray[np.bool_]:
    """``allowed``, with the voices below the first on notes of the chords alone.

    Where a chord starts all of them start a note, the lowest voice on the chord's bass. Given cells stay as they are.

    Args:
        allowed: (frames, voices, V).
        given: cells that are given (frames, voices).
        chords: in any order, no two at a time; their times are frames.
        low: pitch of the token FIRST.
    """
    allowed = allowed.copy()
    classes = (np.arange(allowed.shape[2]) - FIRST + low) % 12
    pitches = np.arange(allowed.shape[2]) >= FIRST
    lowest = allowed.shape[1] - 1
    for chord in chords:
        fits = pitches & np.isin(classes, list(chord.classes))
        for frame in range(chord.start, min(chord.end, len(allowed))):
            for voice in range(1, allowed.shape[1]):
                if given[frame, voice]:
                    continue
                fine = allowed[frame, voice] & (fits | ~pitches)
                if frame == chord.start:
                    fine &= pitches & ((classes == chord.bass) if voice == lowest else fits)
                if not fine.any():
                    raise EtudeError(f"chords: no note of {chord.symbol} is in the range of the voice {voice + 1}.")
                allowed[frame, voice] = fine
    return allowed
