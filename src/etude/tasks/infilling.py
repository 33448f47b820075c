"""Filling in: some bars of some voices are drawn anew, all else stays note for note."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TrackTick

from etude.config.sections import Harmonize
from etude.core.errors import EtudeError
from etude.representations.base.grid import HOLD, VoicesOnGrid, from_grid
from etude.representations.base.survey import DRUMS, program_of
from etude.representations.chorale import key_signature
from etude.sampling.constraints import bar_lines, keeping
from etude.tasks.harmony import harmonies, on_grid


def filled(
    model: Any,
    representation: VoicesOnGrid,
    observed: NDArray[np.bool_],
    source: ScoreTick,
    bars: tuple[int, int],
    voices: Collection[str],
    config: Harmonize,
    rng: list[np.random.Generator],
    show: bool = False,
) -> list[ScoreTick]:
    """The piece with some bars of some voices drawn anew, once for each of ``rng``, the best first.

    A note that begins in these bars and voices goes, one that begins before and rings into them stays.

    Args:
        model: of voices on a grid.
        representation: the one that it reads.
        observed: tokens that each voice has in train (voices, V).
        source: the piece, its tracks on the programs of the representation's voices.
        bars: the first and the last, from 1.
        voices: the names of those that are drawn.
        config: how they are drawn.
        rng: where the random numbers of each come from.
        show: with a progress bar.

    Raises:
        EtudeError: there are no such bars, or a note that stays is beyond what the model knows.
    """
    steps = representation.steps
    lines = bar_lines(source, bars[1], steps)
    start, end = lines[bars[0] - 1], lines[bars[1]]
    grid = on_grid(representation, source)
    if start >= len(grid):
        raise EtudeError(f"it ends before bar {bars[0]} begins. Name bars that it has.")
    grid, end = grid.copy(), min(end, len(grid))
    free = np.zeros(grid.shape, dtype=bool)
    for place, name in enumerate(representation.voices):
        if name in voices:
            since, until = start, end
            while since < end and grid[since, place] == HOLD:  # of a note that began before
                since += 1
            while until < len(grid) and grid[until, place] == HOLD and since < until:  # of one that goes
                until += 1
            free[since:until, place] = True
    allowed = keeping(grid, ~free, observed)  # what stays is not made longer
    posed = source.copy()
    if not any((sign.key, sign.tonality) != (0, 0) for sign in posed.key_signatures):
        posed.key_signatures.clear()
        posed.key_signatures.append(KeySignatureTick(0, *key_signature(source)))
    found = harmonies(model, representation, posed, allowed, config, rng, show)
    return [_with(harmony.grid, free, representation, source) for harmony in found]


def _with(
    grid: NDArray[np.int64], free: NDArray[np.bool_], representation: VoicesOnGrid, source: ScoreTick
) -> ScoreTick:
    """The source with the notes that begin in free cells replaced by those of the grid."""
    made = from_grid(grid, representation.voices, representation.steps, representation.low, 120)
    piece = source.copy()
    quarter, steps = source.ticks_per_quarter, representation.steps
    for place, (name, program) in enumerate(representation.voices.items()):
        if not free[:, place].any():
            continue
        own = next((track for track in piece.tracks if program_of(track) == program), None)
        if own is None:
            own = TrackTick(name, max(program, 0), program == DRUMS)
            piece.tracks.append(own)
            own = piece.tracks[-1]
        cells = np.flatnonzero(free[:, place])
        start, end = cells[0] * quarter / steps, (cells[-1] + 1) * quarter / steps
        half = quarter / steps / 2
        notes = [note for note in own.notes if not start - half < note.time <= end - half]
        for note in made.tracks[place].notes:
            frame = note.time * steps // made.ticks_per_quarter
            if free[frame, place]:
                scale = quarter / made.ticks_per_quarter
                onset = round(note.time * scale)
                notes.append(NoteTick(onset, max(1, round(note.end * scale) - onset), note.pitch, note.velocity))
        own.notes.clear()
        for note in sorted(notes, key=lambda note: (note.time, note.pitch)):
            own.notes.append(note)
    return piece
